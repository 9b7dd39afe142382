//! A system of the walk's own: file systems in memory over `/etc`, `/usr`, `/var` and `/run`, which only this process and its children see.
//!
//! dpkg and apt are the machine's; what they know and change is not. `/etc` and dpkg's database are small, so that a point costs a
//! second and not a minute; every other thing about them is real.

use crate::{
    kinds::KINDS,
    power::run,
    trace::Point,
    walk::{Verdict, Walk},
};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What is done there, told by the walk to the process inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) walk: Walk,
    pub(crate) kind: String,
    pub(crate) packs: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) task: Task,
}

/// One of two things.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Record the points.
    Record,
    /// Walk one.
    Point(usize, Point),
}

/// Set inside; packages of the machine itself must never be changed.
const INSIDE: &str = "REFIT_CRASH_INSIDE";
/// What programs need of the machine's own `/etc`.
const ETC: [&str; 6] =
    ["passwd", "group", "nsswitch.conf", "ld.so.conf", "ld.so.conf.d", "ld.so.cache"];

/// Whether this process has a system of its own.
pub(crate) fn is_own() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Why packages cannot be walked here.
///
/// # Errors
/// What is missing.
pub fn possible_for_packages() -> Result<()> {
    ensure!(Path::new("/usr/bin/apt-get").exists(), "it takes a Debian system");
    let overlay = "mount -t tmpfs tmpfs /run && mkdir /run/up /run/work && \
        mount -t overlay overlay -o lowerdir=/usr,upperdir=/run/up,workdir=/run/work /usr";
    run(Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", overlay]))
}

impl Errand {
    /// Has it done by a process with a system of its own.
    pub(crate) fn send<T: DeserializeOwned>(&self) -> Result<T> {
        let program = self.walk.agent.first().context("no program")?;
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "--propagation", "private", program, "inside"]);
        inside.arg(serde_json::to_string(self)?).env(INSIDE, "1").stderr(Stdio::piped());
        let ended = inside.output().context("start unshare")?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{}: {said}", ended.status);
        Ok(serde_json::from_slice(&ended.stdout)?)
    }

    /// Does it; what came of it, as JSON.
    pub(crate) fn run(&self) -> Result<String> {
        ensure!(is_own(), "this is for the walk alone");
        let kind = KINDS.iter().find(|kind| kind.name == self.kind).context("no such kind")?;
        mount(&self.folder.with_extension("system"))?;
        let Self { walk, packs, folder, task, .. } = self;
        Ok(match task {
            Task::Record => serde_json::to_string(&walk.record(kind, packs, folder)?)?,
            Task::Point(life, point) => {
                let verdict: Verdict = walk.point(kind, packs, folder, *life, point);
                serde_json::to_string(&verdict)?
            }
        })
    }
}

fn mount(scratch: &Path) -> Result<()> {
    fs::create_dir_all(scratch)?;
    let memory =
        |place: &Path| run(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(place));
    memory(scratch)?;
    for part in ["usr", "work", "etc"] {
        fs::create_dir(scratch.join(part))?;
    }
    for name in ETC.iter().map(|name| Path::new("/etc").join(name)).filter(|path| path.exists()) {
        run(Command::new("cp").arg("-a").arg(name).arg(scratch.join("etc")))?;
    }
    let own = scratch.display();
    let layers = format!("lowerdir=/usr,upperdir={own}/usr,workdir={own}/work");
    run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers, "/usr"]))?;
    run(Command::new("mount").arg("--bind").arg(scratch.join("etc")).arg("/etc"))?;
    memory(Path::new("/var"))?;
    memory(Path::new("/run"))?;
    for folder in ["info", "updates", "triggers", "alternatives", "parts"] {
        fs::create_dir_all(Path::new("/var/lib/dpkg").join(folder))?;
    }
    for folder in ["lib/apt/lists", "cache/apt/archives/partial", "log/apt", "tmp"] {
        fs::create_dir_all(Path::new("/var").join(folder))?;
    }
    fs::write("/var/lib/dpkg/status", "")?;
    Ok(fs::write("/var/lib/dpkg/available", "")?)
}
