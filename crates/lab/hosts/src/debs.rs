//! Debian packages that hosts do not have yet: what a service pack carries.

use crate::{
    image::{MIRROR, Recipe, SUITE},
    process::{done, tail},
    talk::say,
};
use anyhow::{Context as _, Result, ensure};
use refit_names::Digest;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(600);
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// Which packages are wanted newer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// Those that an image has of these source packages.
    Of(&'static [&'static str]),
    /// All that an image has, but for those of these source packages.
    AllBut(&'static [&'static str]),
}

impl Wanted {
    fn takes(self, source: &str) -> bool {
        match self {
            Self::Of(sources) => sources.contains(&source),
            Self::AllBut(sources) => !sources.contains(&source),
        }
    }
}

/// The folder with the packages by which `image` gets newer: from the release, its updates and its security updates.
pub(crate) fn provide(cache: &Path, recipe: &Recipe, wanted: Wanted) -> Result<PathBuf> {
    let image = recipe.provide(cache)?;
    let key = Digest::of(format!("{} {wanted:?}", image.display()).as_bytes()).to_hex();
    let folder = cache.join(format!("debs-{}", &key[..16]));
    if folder.is_dir() {
        return Ok(folder);
    }
    say(&format!("bringing newer packages for the image {}", recipe.name));
    let partial = folder.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("failed to remove {}", partial.display()))?;
    }
    let packages = packages_of(&image, wanted)?;
    let apt = Apt::new(&partial, &image)?;
    apt.get(&["update"])?;
    let mut words = vec!["install", "--only-upgrade", "--download-only", "--no-remove", "--yes"];
    words.extend(packages.iter().map(String::as_str));
    let said = apt.get(&words)?;
    let ready = cache.join(format!("{}.ready", key));
    fs::create_dir_all(&ready).with_context(|| format!("failed to make {}", ready.display()))?;
    let mut count = 0;
    for entry in fs::read_dir(partial.join("cache/archives")).context("failed to list packages")? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            fs::rename(&path, ready.join(plain_name(&path)))
                .with_context(|| format!("failed to move {}", path.display()))?;
            count += 1;
        }
    }
    ensure!(count > 0, "Debian has no newer packages for {}:\n{}", recipe.name, tail(&said));
    fs::rename(&ready, &folder).with_context(|| format!("failed to name {}", folder.display()))?;
    fs::remove_dir_all(&partial).context("failed to remove apt's folder")?;
    Ok(folder)
}

/// apt writes the `:` of an epoch as `%3a`; packs hold plain names.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.replace("%3a", "+")
}

fn packages_of(image: &Path, wanted: Wanted) -> Result<Vec<String>> {
    let listed = done(
        Command::new("dpkg-query")
            .arg(format!("--admindir={}", image.join("var/lib/dpkg").display()))
            .args(["--show", "--showformat=${source:Package} ${Package}\n"]),
        LIMIT,
    )?;
    let pairs = listed.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.filter(|(source, _)| wanted.takes(source)).map(|(_, name)| name.to_owned()).collect())
}

/// apt with folders of its own, that takes an image for the system.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(folder: &Path, image: &Path) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial", "empty"] {
            fs::create_dir_all(folder.join(part))
                .with_context(|| format!("failed to make {}", folder.display()))?;
        }
        let sources = format!(
            "deb {MIRROR} {SUITE} main\ndeb {MIRROR} {SUITE}-updates main\ndeb {SECURITY} {SUITE}-security main\n"
        );
        fs::write(folder.join("sources.list"), sources).context("failed to write sources.list")?;
        let path = |part: &str| folder.join(part).display().to_string();
        let options = vec![
            format!("Dir::State::status={}", image.join("var/lib/dpkg/status").display()),
            format!(
                "Dir::State::extended_states={}",
                image.join("var/lib/apt/extended_states").display()
            ),
            format!("Dir::State::lists={}", path("lists")),
            format!("Dir::Cache={}", path("cache")),
            format!("Dir::Etc::sourcelist={}", path("sources.list")),
            format!("Dir::Etc::sourceparts={}", path("empty")),
            format!("Dir::Etc::preferencesparts={}", path("empty")),
            "APT::Sandbox::User=root".to_owned(),
            "APT::Install-Recommends=false".to_owned(),
            "Debug::NoLocking=true".to_owned(),
        ];
        Ok(Self { options })
    }

    fn get(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("apt-get");
        for option in &self.options {
            command.args(["-o", option]);
        }
        done(command.args(words), LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_chosen_by_name() {
        assert!(Wanted::Of(&["samba"]).takes("samba") && !Wanted::Of(&["samba"]).takes("cups"));
        assert!(!Wanted::AllBut(&["samba"]).takes("samba"));
    }

    #[test]
    fn epoch_is_a_plain_name() {
        assert_eq!(plain_name(Path::new("/a/samba_2%3a4.17_amd64.deb")), "samba_2+4.17_amd64.deb");
    }
}
