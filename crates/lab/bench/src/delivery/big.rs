//! Memory for a pack of 4 GiB: peaks of publisher, server and host, as the kernel has them.
//!
//! What counts is the memory that a program asks for. Pages of its own file come on top: they tell how large the program is, not what a
//! pack costs, and the kernel drops them when it needs room. Both are printed.
//!
//! The content is a real tree (a kernel package), again and again, each copy stamped every 8 KiB so that none is like another: chunks,
//! deltas and records are as many as a product of this size has. Some of it is noise, which no compressor makes smaller. The old build
//! is the same tree without stamps under the same names: links on the disk, and a delta for every file.

use super::{BENCH, ours, output, say, trees, web::Web};
use crate::{
    child::{Measured, programs},
    row::{Better, Row},
};
use anyhow::{Context, Result, bail, ensure};
use refit_testkit::free_port;
use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// What the new build has in all.
const TREE_BYTES: u64 = 4 << 30;
/// Of it what cannot be compressed.
const NOISE_BYTES: u64 = 256 << 20;
const NOISE_FILE_BYTES: u64 = 32 << 20;
/// Far enough from each other for deltas to find all between, near enough that no chunk is without one.
const STAMP_EVERY: usize = 8 << 10;
/// The limit, in MiB.
const LIMIT: f64 = 64.0;
const PATIENCE: Duration = Duration::from_secs(900);
/// Own memory has no high-water mark in the kernel: it is looked at as often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Peaks in MiB.
#[derive(Debug, Clone, Copy, Default)]
struct Peak {
    own: f64,
    with_files: f64,
}

impl Peak {
    /// Gone between two looks: what was seen last stays.
    fn look(&mut self, process: &Measured) {
        let mib = |bytes: Result<f64>| bytes.unwrap_or_default() / f64::from(1 << 20);
        self.own = self.own.max(mib(process.own_bytes()));
        self.with_files = self.with_files.max(mib(process.peak_bytes()));
    }

    fn tell(self, name: &str, started: Instant) {
        let Self { own, with_files } = self;
        let took = started.elapsed().as_secs_f64();
        say(&format!(
            "{name}: {own:.1} MiB of its own at most, {with_files:.1} with pages of files, {took:.0} s"
        ));
    }
}

/// Makes the trees, lets each program do its part, and prints its peak.
pub async fn run(pair: &str) -> Result<Vec<Row>> {
    trees::need_programs()?;
    let dir = tempfile::tempdir_in(trees::ground()?)?;
    let dir = dir.path();
    let web = Web::start(dir)?;
    let seed = dir.join("seed");
    trees::newest(pair, &seed)?;
    let (old, new) = (dir.join("old"), dir.join("new"));
    let files = grow(&seed, &old, &new)?;
    say(&format!("{} MiB in {files} files", TREE_BYTES >> 20));
    let (repository, root, mut rows) = publish(dir, &web, &old, &new)?;
    // Room for what comes.
    std::fs::remove_dir_all(&new)?;
    let url = format!("{}/refit", web.url);
    for (name, seeds) in [("host, from nothing", None), ("host, by deltas", Some(&old))] {
        let state = dir.join("host");
        let empty = dir.join("empty");
        std::fs::create_dir_all(&empty)?;
        std::fs::create_dir(&state)?;
        let before = web.sent()?;
        let mut command = Command::new("/proc/self/exe");
        command.arg("delivery-host").arg(&url).arg(&root).arg(seeds.unwrap_or(&empty)).arg(&state);
        let peak = watched(&mut command, name)?;
        say(&format!("{name}: {:.1} MB fetched", (web.sent()? - before) / 1e6));
        let made = size(&state.join("release"))?;
        ensure!(made >= TREE_BYTES, "{name} made {made} bytes, expected {TREE_BYTES}");
        rows.push(row(name, peak));
        std::fs::remove_dir_all(state)?;
    }
    rows.push(row("server, with the pack in its repository", server(dir, &url, &root)?));
    drop(repository);
    Ok(rows)
}

fn row(what: &str, peak: Peak) -> Row {
    let case = format!("4 GiB pack: {what}");
    let case = (BENCH, case.as_str());
    Row::compare(
        case,
        Better::Less,
        (&[peak.own], &[LIMIT]),
        "limit",
        "MiB of its own at most",
        1.0,
    )
}

/// Builds and publishes the pack; the repository, its root and the publisher's peaks, for information.
fn publish(dir: &Path, web: &Web, old: &Path, new: &Path) -> Result<(PathBuf, PathBuf, Vec<Row>)> {
    let refit = programs()?.join("refit");
    for (build, from, tree) in [("2", "1", new), ("1", "0", old)] {
        ours::folder(&dir.join(build), build, from, tree)?;
    }
    let pack = dir.join("app-2.refit");
    let mut build = Command::new(&refit);
    build.env("TMPDIR", dir).args(["pack", "build"]).arg(dir.join("2"));
    build.arg("--against").arg(dir.join("1")).arg("--out").arg(&pack);
    let built = watched(&mut build, "pack build")?;
    std::fs::remove_dir_all(dir.join("2"))?;
    std::fs::remove_dir_all(dir.join("1"))?;
    let (repository, keys) = (web.folder.join("refit"), dir.join("keys"));
    output(Command::new(&refit).args(["repo", "init"]).arg(&repository).arg("--keys").arg(&keys))?;
    let mut publish = Command::new(&refit);
    publish.args(["repo", "publish"]).arg(&repository).arg("--keys").arg(&keys).arg(&pack);
    let published = watched(&mut publish, "repo publish")?;
    std::fs::remove_file(pack)?;
    let root = repository.join("metadata/1.root.json");
    let rows = vec![
        row("pack build, for information", built),
        row("repo publish, for information", published),
    ];
    Ok((repository, root, rows))
}

/// A control server that mirrors the repository; its peak until the mirror is complete.
fn server(dir: &Path, url: &str, root: &Path) -> Result<Peak> {
    let (state, log) = (dir.join("server"), dir.join("server.log"));
    let mut command = Command::new(programs()?.join("refit"));
    command
        .args(["server", "--listen", &format!("127.0.0.1:{}", free_port()), "--state"])
        .arg(&state)
        .arg("--repository-metadata")
        .arg(format!("{url}/metadata/"))
        .arg("--repository-targets")
        .arg(format!("{url}/targets/"))
        .arg("--repository-root")
        .arg(root)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log)?);
    let mut process = Measured::start(&mut command)?;
    let (started, mut peak) = (Instant::now(), Peak::default());
    loop {
        process.runs()?;
        peak.look(&process);
        let told = std::fs::read_to_string(&log)?;
        if told.contains("repository refreshed") {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "the server has no mirror: {told}");
        std::thread::sleep(LOOK_EVERY);
    }
    peak.tell("server", started);
    drop(process);
    std::fs::remove_dir_all(state)?;
    Ok(peak)
}

/// Runs it to its end, and looks at its memory until then.
fn watched(command: &mut Command, name: &str) -> Result<Peak> {
    let started = Instant::now();
    let errors = tempfile::NamedTempFile::new()?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.reopen()?);
    let mut process = Measured::start(command)?;
    let mut peak = Peak::default();
    let status = loop {
        peak.look(&process);
        if let Some(status) = process.ended()? {
            break status;
        }
        ensure!(started.elapsed() < PATIENCE, "{name} did not end");
        std::thread::sleep(LOOK_EVERY);
    };
    if !status.success() {
        bail!("{name} ended with {status}: {}", std::fs::read_to_string(errors.path())?);
    }
    peak.tell(name, started);
    Ok(peak)
}

/// Fills `new` with stamped copies of `seed` and noise, and `old` with links to `seed`; how many files `new` has.
fn grow(seed: &Path, old: &Path, new: &Path) -> Result<usize> {
    let mut names = Vec::new();
    list(seed, Path::new(""), &mut names)?;
    let (mut total, mut files, mut copy) = (0, 0, 0_u64);
    while total < TREE_BYTES - NOISE_BYTES {
        let part = PathBuf::from(format!("part-{copy}"));
        for name in &names {
            let (from, to) = (seed.join(name), new.join(&part).join(name));
            let linked = old.join(&part).join(name);
            for place in [&to, &linked] {
                std::fs::create_dir_all(place.parent().context("a file has a folder")?)?;
            }
            std::fs::hard_link(&from, &linked)?;
            total += stamped(&from, &to, copy)?;
            files += 1;
        }
        copy += 1;
    }
    std::fs::create_dir_all(new.join("noise"))?;
    for number in 0..NOISE_BYTES / NOISE_FILE_BYTES {
        let mut file = std::fs::File::create(new.join(format!("noise/{number}")))?;
        let mut random = std::fs::File::open("/dev/urandom")?.take(NOISE_FILE_BYTES);
        std::io::copy(&mut random, &mut file)?;
        files += 1;
    }
    Ok(files)
}

fn stamped(from: &Path, to: &Path, copy: u64) -> Result<u64> {
    let mut source = BufReader::with_capacity(STAMP_EVERY, std::fs::File::open(from)?);
    let mut file = std::io::BufWriter::new(std::fs::File::create(to)?);
    let (mut written, mut number) = (0, 0_u64);
    loop {
        let block = source.fill_buf()?;
        if block.is_empty() {
            file.flush()?;
            return Ok(written);
        }
        let (length, mut block) = (block.len(), block.to_vec());
        let stamp = (copy.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number).to_le_bytes();
        for (byte, stamp) in block.iter_mut().skip(length / 2).zip(stamp) {
            *byte ^= stamp;
        }
        file.write_all(&block)?;
        source.consume(length);
        (written, number) = (written + length as u64, number + 1);
    }
}

fn list(root: &Path, below: &Path, names: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &name, names)?;
        } else if entry.file_type()?.is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(())
}

fn size(tree: &Path) -> Result<u64> {
    let mut names = Vec::new();
    list(tree, Path::new(""), &mut names)?;
    names.iter().map(|name| Ok(std::fs::metadata(tree.join(name))?.len())).sum()
}
