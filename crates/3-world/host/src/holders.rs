//! Who holds a file: by running it, having it mapped, open or as working folder; also when its name is gone already.

use crate::{error::StepError, process, user::name_of};
use procfs::process::{MMapPath, Process};
use std::{
    collections::BTreeSet,
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How often the process table is read while holders are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Holders that an error names: enough to see what they are.
const NAMED_MAX: usize = 10;
/// What the kernel appends to the path of a file whose name is gone.
const GONE: &str = " (deleted)";

/// How a process holds a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It is the process's program.
    Runs,
    /// Its content is in the process's memory (a library, a database file).
    Maps,
    /// It may be written to.
    Writes,
    /// It is only read.
    Reads,
    /// It is the process's working folder.
    StandsIn,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runs => "runs",
            Self::Maps => "maps",
            Self::Writes => "writes to",
            Self::Reads => "reads",
            Self::StandsIn => "stands in",
        })
    }
}

/// A process and one file that it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its id.
    pub pid: i32,
    /// Its command line.
    pub command: String,
    /// Who runs it.
    pub user: String,
    /// What it holds.
    pub path: PathBuf,
    /// How.
    pub hold: Hold,
    /// The file has no name any more.
    pub gone: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, command, user, path, hold, gone } = self;
        let gone = if *gone { ", which is deleted" } else { "" };
        write!(f, "pid {pid} `{command}` of {user} {hold} {}{gone}", path.display())
    }
}

/// The files that are asked about.
#[derive(Debug, Clone, Default)]
pub struct Held {
    folders: Vec<PathBuf>,
    paths: BTreeSet<PathBuf>,
    /// Device and inode: a file is held under whichever of its names.
    ids: BTreeSet<(u64, u64)>,
    but_readers: bool,
}

impl Held {
    /// All files at and below `folder`.
    #[must_use]
    pub fn below(folder: &Path) -> Self {
        // The kernel tells resolved paths.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { folders: vec![folder], ..Self::default() }
    }

    /// These files, whichever of their names a process uses; a folder stands for itself only.
    #[must_use]
    pub fn files<'a>(files: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut held = Self::default();
        for file in files {
            if let Ok(seen) = fs::symlink_metadata(file)
                && seen.is_file()
            {
                held.ids.insert((seen.dev(), seen.ino()));
            }
            let folder = file.parent().and_then(|parent| parent.canonicalize().ok());
            held.paths.insert(match (folder, file.file_name()) {
                (Some(folder), Some(name)) => folder.join(name),
                _ => file.to_owned(),
            });
        }
        held
    }

    /// Whoever only reads is not asked about: a reader keeps what it has, whatever takes the name.
    #[must_use]
    pub fn without_readers(mut self) -> Self {
        self.but_readers = true;
        self
    }

    fn has(&self, path: &Path, id: Option<(u64, u64)>) -> bool {
        id.is_some_and(|id| self.ids.contains(&id))
            || self.paths.contains(path)
            || self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

/// Processes that hold one of the files, without this one. What belongs to other users is seen by root only.
///
/// # Errors
/// [`StepError::Io`] when the process table cannot be read.
pub fn holders(held: &Held) -> Result<Vec<Holder>, StepError> {
    let own = std::process::id();
    let mut found = vec![];
    for process in process::table()?.filter(|process| u32::try_from(process.pid) != Ok(own)) {
        let seen = of_process(&process, held);
        if seen.is_empty() || !process::alive(&process) {
            continue;
        }
        let command = process.cmdline().map(|words| words.join(" ")).unwrap_or_default();
        let user = process.uid().map(name_of).unwrap_or_default();
        found.extend(seen.into_iter().map(|(hold, path, gone)| Holder {
            pid: process.pid,
            command: command.clone(),
            user: user.clone(),
            path,
            hold,
            gone,
        }));
    }
    Ok(found)
}

/// Waits until nobody holds one of the files; then names who does. Never ends a process.
///
/// # Errors
/// [`StepError::FilesHeld`] names path, process, command and user.
pub fn wait_released(held: &Held, limit: Duration) -> Result<(), StepError> {
    let deadline = Instant::now() + limit;
    loop {
        let found = holders(held)?;
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(StepError::FilesHeld { count: found.len(), list: list(&found) });
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The first of them, for people.
#[must_use]
pub fn list(found: &[Holder]) -> String {
    let named = found.iter().take(NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>();
    named.join(", ")
}

type Seen = (Hold, PathBuf, bool);

fn of_process(process: &Process, held: &Held) -> BTreeSet<Seen> {
    let mut seen = BTreeSet::new();
    let folder = PathBuf::from(format!("/proc/{}", process.pid));
    let mut look = |hold, link: PathBuf, path: PathBuf| {
        let id = fs::metadata(link).ok().map(|seen| (seen.dev(), seen.ino()));
        let (path, gone) = named(path);
        if held.has(&path, id) && !(held.but_readers && hold == Hold::Reads) {
            seen.insert((hold, path, gone));
        }
    };
    if let Ok(path) = process.exe() {
        look(Hold::Runs, folder.join("exe"), path);
    }
    if let Ok(path) = process.cwd() {
        look(Hold::StandsIn, folder.join("cwd"), path);
    }
    for entry in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
        // Sockets and pipes have names that are no paths.
        if let Ok(path) = fs::read_link(entry.path())
            && path.is_absolute()
        {
            let info = folder.join("fdinfo").join(entry.file_name());
            look(if is_written(&info) { Hold::Writes } else { Hold::Reads }, entry.path(), path);
        }
    }
    let mut mapped = BTreeSet::new();
    for map in process.maps().into_iter().flatten() {
        if let MMapPath::Path(path) = map.pathname
            && mapped.insert((path.clone(), map.inode))
        {
            let (path, gone) = named(path);
            let (major, minor) = map.dev;
            let id = number(major)
                .zip(number(minor))
                .map(|(major, minor)| (rustix::fs::makedev(major, minor), map.inode));
            if held.has(&path, id) && !seen.iter().any(|(_, known, _)| *known == path) {
                seen.insert((Hold::Maps, path, gone));
            }
        }
    }
    seen
}

fn number(part: i32) -> Option<u32> {
    u32::try_from(part).ok()
}

fn named(path: PathBuf) -> (PathBuf, bool) {
    match path.to_str().and_then(|text| text.strip_suffix(GONE)) {
        Some(text) if !path.exists() => (PathBuf::from(text), true),
        _ => (path, false),
    }
}

/// Whether a descriptor was opened for writing.
fn is_written(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).unwrap_or(0);
    flags & rustix::fs::OFlags::ACCMODE.bits() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    struct Ended(Child);
    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn wait_for(held: &Held, hold: Hold, pid: u32) -> Holder {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let all = holders(held).unwrap();
            let is = |found: &&Holder| u32::try_from(found.pid) == Ok(pid) && found.hold == hold;
            if let Some(found) = all.iter().find(is) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "{hold} does not come: {all:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_runs_a_file_is_named_also_under_another_name_and_when_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (program, other) = (folder.path().join("sleeper"), folder.path().join("twin"));
        fs::copy("/bin/sleep", &program).unwrap();
        fs::hard_link(&program, &other).unwrap();
        let child = Ended(Command::new(&program).arg("60").spawn().unwrap());
        let pid = child.0.id();
        let by_twin = wait_for(&Held::files([other.as_path()]), Hold::Runs, pid);
        assert!(by_twin.command.ends_with("sleeper 60"), "{by_twin}");
        let below = wait_for(&Held::below(folder.path()), Hold::Runs, pid);
        assert!(!below.gone && below.to_string().contains(&format!("pid {pid} ")), "{below}");
        fs::remove_file(&program).unwrap();
        let gone = wait_for(&Held::below(folder.path()), Hold::Runs, pid);
        assert!(gone.gone && gone.path == program.canonicalize().unwrap_or(program), "{gone}");
    }

    #[test]
    fn who_writes_is_told_from_who_reads_and_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (log, plain) = (folder.path().join("log"), folder.path().join("plain"));
        fs::write(&plain, "x").unwrap();
        let script = r#"exec 7>>"$1" 8<"$2"; read -r line"#;
        let mut child = Command::new("sh");
        child.args(["-c", script, "sh"]).args([&log, &plain]).stdin(Stdio::piped());
        let mut child = Ended(child.spawn().unwrap());
        let pid = child.0.id();
        wait_for(&Held::files([log.as_path()]), Hold::Writes, pid);
        wait_for(&Held::files([plain.as_path()]), Hold::Reads, pid);
        let error = wait_released(&Held::files([log.as_path()]), Duration::ZERO).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("pid {pid} `sh")) && text.contains("writes to"), "{text}");
        drop(child.0.stdin.take());
        wait_released(&Held::below(folder.path()), Duration::from_secs(10)).unwrap();
    }
}
