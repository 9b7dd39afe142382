//! The two trees: downloaded from Debian, with the same names in both.

use super::{output, say};
use crate::child::programs;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAMS: &[&str] = &[
    "zstd",
    "xdelta3",
    "casync",
    "zsync",
    "zsyncmake",
    "rsync",
    "ostree",
    "nginx",
    "dpkg-deb",
    "tar",
    "diff",
];

pub(super) struct Pair {
    pub(super) name: String,
    pub(super) old: PathBuf,
    pub(super) new: PathBuf,
    pub(super) old_tar: PathBuf,
    pub(super) new_tar: PathBuf,
    pub(super) bytes: u64,
    pub(super) files: usize,
}

/// All peers are run, or none: a table with holes is no comparison.
pub(super) fn need_programs() -> Result<()> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&&str| {
        !std::env::split_paths(&search)
            .chain([PathBuf::from("/usr/sbin")])
            .any(|folder| folder.join(program).is_file())
    };
    let missing: Vec<&str> = PROGRAMS.iter().filter(is_there).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("the peers need {}: as root `./dev bench delivery` installs them", missing.join(", "))
}

/// Where some gigabytes are no burden: beside the build, not in memory.
pub(super) fn ground() -> Result<PathBuf> {
    let ground = programs()?.join("bench-delivery");
    std::fs::create_dir_all(&ground)?;
    Ok(ground)
}

pub(super) fn prepare(pair: &str, dir: &Path) -> Result<Pair> {
    let (old, new) = (dir.join("old"), dir.join("new"));
    let name = match pair.split_once(':') {
        Some((from, to)) => {
            for (from, to) in [(from, &old), (to, &new)] {
                output(Command::new("cp").arg("-a").arg(from).arg(to))?;
            }
            pair.to_owned()
        }
        None => kernels(pair, &old, &new)?,
    };
    let (bytes, files) = measure(&new)?;
    let (old_tar, new_tar) = (dir.join("old.tar"), dir.join("new.tar"));
    for (tree, tar) in [(&old, &old_tar), (&new, &new_tar)] {
        output(
            Command::new("tar")
                .args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf"])
                .arg(tar)
                .arg("-C")
                .arg(tree)
                .arg("."),
        )?;
    }
    Ok(Pair { name, old, new, old_tar, new_tar, bytes, files })
}

/// The new tree of a pair alone.
pub(super) fn newest(pair: &str, to: &Path) -> Result<()> {
    match pair.split_once(':') {
        Some((_, new)) => output(Command::new("cp").arg("-a").arg(new).arg(to)).map(|_| ()),
        None => {
            let (version, _) = versions(pair)?;
            unpack(&version, to)
        }
    }
}

/// Two kernel packages of the mirror, of one ABI series: `near` the two newest, `far` the oldest and the newest.
fn kernels(which: &str, old: &Path, new: &Path) -> Result<String> {
    let (newest, oldest) = versions(which)?;
    for (version, tree) in [(&oldest, old), (&newest, new)] {
        unpack(version, tree)?;
    }
    let short = |version: &str| version.trim_end_matches("-amd64").to_owned();
    let abi = short(&newest).rsplit('-').next().unwrap_or_default().to_owned();
    Ok(format!("linux {} → {abi}", short(&oldest)))
}

/// The newest kernel of the mirror, and the older one to compare with.
fn versions(which: &str) -> Result<(String, String)> {
    let list = output(Command::new("apt-cache").args([
        "search",
        "--names-only",
        "^linux-image-[0-9.]+-[0-9]+-amd64$",
    ]))?;
    let mut series: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for package in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let version = package.trim_start_matches("linux-image-").trim_end_matches("-amd64");
        if let Some((kernel, abi)) = version.split_once('-')
            && let Ok(abi) = abi.parse()
        {
            series.entry(kernel.to_owned()).or_default().push(abi);
        }
    }
    let (kernel, mut abis) = series
        .into_iter()
        .max_by_key(|(_, abis)| abis.len())
        .context("the mirror has no kernel packages: run apt-get update, or name two folders with --pair OLD:NEW")?;
    abis.sort_unstable();
    abis.dedup();
    let (Some(newest), true) = (abis.last().copied(), abis.len() > 1) else {
        bail!("the mirror has one kernel only: name two folders with --pair OLD:NEW")
    };
    let oldest = match which {
        "near" => abis[abis.len() - 2],
        "far" => abis[0],
        other => bail!("there is no pair `{other}`, expected `near`, `far` or `OLD:NEW`"),
    };
    Ok((format!("{kernel}-{newest}-amd64"), format!("{kernel}-{oldest}-amd64")))
}

fn unpack(version: &str, tree: &Path) -> Result<()> {
    let store = ground()?.join("packages");
    std::fs::create_dir_all(&store)?;
    let package = format!("linux-image-{version}");
    let there = |store: &Path| -> Result<Option<PathBuf>> {
        let found = std::fs::read_dir(store)?.flatten().map(|entry| entry.path());
        let prefix = format!("{package}_");
        Ok(found.into_iter().find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        }))
    };
    if there(&store)?.is_none() {
        say(&format!("fetching {package}"));
        output(Command::new("apt-get").args(["download", "-q"]).arg(&package).current_dir(&store))?;
    }
    let file = there(&store)?.context("apt-get downloaded nothing")?;
    output(Command::new("dpkg-deb").arg("-x").arg(file).arg(tree))?;
    rename(tree, version)
}

/// Takes the version out of names, so that no side has to guess what was renamed.
fn rename(tree: &Path, version: &str) -> Result<()> {
    for entry in std::fs::read_dir(tree)?.collect::<Result<Vec<_>, _>>()? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let wanted = name.replace(version, "KERNEL");
        let place = tree.join(&wanted);
        if wanted != name {
            std::fs::rename(entry.path(), &place)?;
        }
        if entry.file_type()?.is_dir() {
            rename(&place, version)?;
        }
    }
    Ok(())
}

fn measure(tree: &Path) -> Result<(u64, usize)> {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(tree)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let (more, others) = measure(&entry.path())?;
            (bytes, files) = (bytes + more, files + others);
        } else if metadata.is_file() {
            (bytes, files) = (bytes + metadata.len(), files + 1);
        }
    }
    Ok((bytes, files))
}
