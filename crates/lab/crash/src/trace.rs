//! Points in a run of the agent, seen and hit with `strace`: no seam in the product's code.
//!
//! A recording lists every call of the agent that changes something. A kill goes by the call's name and how often it was made
//! before: the kernel is told to kill the process as it enters that call, which is then not carried out. Nearly all are made by the
//! first thread, and only that one is followed, so counting is exact; what another one does is counted by the path that it names. Files are opened for reading a
//! different number of times in each run; opening one for writing is counted among the calls that name this very file.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Calls that change files or make them durable.
const CHANGES: &str = "creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mknod,mknodat,\
write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,splice,chmod,fchmod,fchmodat,chown,fchown,\
lchown,fchownat,utimensat,futimesat,setxattr,lsetxattr,fsetxattr,removexattr,lremovexattr,fremovexattr,fsync,fdatasync,sync_file_range,syncfs,sync,msync";
/// Calls that start and end processes.
const PROCESSES: &str = "clone,clone3,fork,vfork,kill,tgkill";
/// `ioctl` is among them for the sharing of blocks, `open` for making files.
const OTHER: &str = "open,openat,openat2,ioctl";

/// One place where the agent can die.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// The call.
    pub(crate) call: String,
    /// How many calls of this name (on this path, if there is one) came before, from 1.
    pub(crate) number: u32,
    /// Of a file that is made, and of what another thread changes, below the host's folder.
    path: Option<String>,
    /// Made by another thread than the first.
    aside: bool,
    /// For people: the arguments' beginning.
    pub(crate) shown: String,
}

/// Calls that were seen by others than the thread that is followed.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) points: Vec<Point>,
    /// Changes of files by another thread of the agent: these would not be walked.
    pub(crate) missed: Vec<String>,
}

/// The agent under a tracer that writes down everything.
pub(crate) fn record(folder: &Path, log: &Path, agent: &[String]) -> Command {
    let set = format!("trace={CHANGES},{PROCESSES},{OTHER}");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "0", "-e", "signal=none", "-e", &set, "-o"]).arg(log);
    command.args(agent).arg(folder).stdin(Stdio::null());
    command
}

/// The agent under a tracer that kills it at `point`.
pub(crate) fn kill_at(point: &Point, folder: &Path, log: &Path, agent: &[String]) -> Command {
    let Point { call, number, path, aside, .. } = point;
    let mut command = Command::new("strace");
    command.args(["-y", "-s", "0", "-e", "signal=none", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
    if let Some(path) = path {
        command.arg("-P").arg(folder.join(path));
    }
    if *aside {
        command.arg("-f");
    }
    command.arg("-o").arg(log).args(agent).arg(folder).stdin(Stdio::null());
    command
}

/// The agent under a tracer that kills it where any change is made for the `number`th time.
pub(crate) fn kill_somewhere(number: u32, folder: &Path, log: &Path, agent: &[String]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-y", "-s", "0", "-e", "signal=none", "-e", &format!("trace={CHANGES}")]);
    command.args(["-e", &format!("inject={CHANGES}:signal=KILL:when={number}")]);
    command.arg("-o").arg(log).args(agent).arg(folder).stdin(Stdio::null());
    command
}

/// Reads a recording.
pub(crate) fn read(log: &Path, folder: &Path) -> Result<Recording> {
    let text = fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
    let main = text
        .split_whitespace()
        .next()
        .context("an empty recording: can processes be traced here?")?;
    let (mut counts, mut opened) = (BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new());
    let mut aside = BTreeMap::<(String, String), u32>::new();
    let mut threads = BTreeSet::from([main]);
    let mut recording = Recording { points: vec![], missed: vec![] };
    let inside = folder.display().to_string();
    for line in text.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.contains("CLONE_THREAD")
            && threads.contains(pid)
            && let Some(thread) = call.rsplit("= ").next()
        {
            threads.insert(thread.trim());
        }
        let Some((name, rest)) = call.split_once('(') else { continue };
        // The second half of a call that another thread's came between.
        if name.starts_with('<') || name.starts_with('+') || name.starts_with('-') {
            continue;
        }
        let changes = changes(name, rest, &inside);
        if pid != main {
            if !threads.contains(pid) || is_process(name) {
                continue;
            }
            let Some(path) = path_in(rest, &inside) else {
                if changes {
                    recording.missed.push(call.to_owned());
                }
                continue;
            };
            let count = aside.entry((name.to_owned(), path.clone())).or_default();
            *count += 1;
            if changes {
                let shown = rest.replace(&inside, "").chars().take(110).collect();
                let (call, number, path) = (name.to_owned(), *count, Some(path));
                recording.points.push(Point { call, number, path, aside: true, shown });
            }
            continue;
        }
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        let (mut number, mut path) = (*count, None);
        if name == "openat" {
            // The path as it was written, and the count of all calls that name it.
            let Some(file) = rest.split('"').nth(1) else { continue };
            let file = match file.strip_prefix(&inside) {
                Some(file) => file.trim_start_matches('/').to_owned(),
                None if is_of_system(file) => file.to_owned(),
                None => continue,
            };
            let count = opened.entry(file.clone()).or_default();
            *count += 1;
            (number, path) = (*count, Some(file));
        }
        if changes {
            let shown = rest.replace(&inside, "").chars().take(110).collect();
            recording.points.push(Point {
                call: name.to_owned(),
                number,
                path,
                aside: false,
                shown,
            });
        }
    }
    ensure!(!recording.points.is_empty(), "the agent changed nothing");
    Ok(recording)
}

/// The first path below the host's folder that a call names, by itself or through a handle.
fn path_in(rest: &str, inside: &str) -> Option<String> {
    let begins = rest.find(inside)?;
    let path = rest[begins + inside.len()..].split(['"', '>']).next()?;
    Some(path.trim_start_matches('/').to_owned())
}

fn is_process(name: &str) -> bool {
    PROCESSES.split(',').any(|process| process == name)
}

/// Whether a call's words name the host's folder or, where packages are installed, its system.
fn is_ours(rest: &str, inside: &str) -> bool {
    rest.contains(inside) || rest.split(['"', '<']).skip(1).any(is_of_system)
}

fn is_of_system(path: &str) -> bool {
    ["/etc/", "/usr/", "/var/"].iter().any(|top| path.starts_with(top))
}

/// Whether a call changes something that stays.
fn changes(name: &str, rest: &str, inside: &str) -> bool {
    match name {
        "open" | "openat" | "openat2" => {
            ["O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().any(|flag| rest.contains(flag))
                && is_ours(rest, inside)
        }
        "ioctl" => rest.contains("FICLONE"),
        "clone" | "clone3" | "fork" | "vfork" => !rest.contains("CLONE_THREAD"),
        "kill" | "tgkill" => true,
        // Words to other processes and threads are none.
        "write" | "writev" | "sendfile" | "splice" => is_ours(rest, inside),
        _ => CHANGES.split(',').any(|change| change == name),
    }
}

/// Whether the log of a tracer that follows threads says that its agent was killed.
pub(crate) fn was_killed(log: &Path) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains("+++ killed by SIGKILL"))
}

/// The call at which a killed agent ended, from its log; none when it was not killed.
pub(crate) fn cut_call(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let killed = text.lines().rev().find(|line| line.contains("+++ killed by SIGKILL"));
    killed?;
    let last = text.lines().rev().find(|line| line.contains('('))?;
    Some(last.split('(').next()?.to_owned())
}

/// Starts a command whose words are of interest only when it fails.
pub(crate) fn start(command: &mut Command, words: &Path) -> Result<Child> {
    let file = fs::File::options().create(true).append(true).open(words)?;
    command.stdout(file.try_clone()?).stderr(file);
    command.spawn().with_context(|| {
        format!("start {command:?}: strace is in the Debian package of the same name")
    })
}
