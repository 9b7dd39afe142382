//! One host: an overlay over the image, booted by systemd-nspawn, booted again whenever it asks for it.

use crate::{
    image::Recipe,
    network::{BRIDGE, OUTSIDE, PREFIX},
    process::{done, run, tail, until},
};
use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal};
use std::{
    fs::{self, File},
    net::Ipv4Addr,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// A boot takes three seconds on a quiet machine, much longer while compilers run beside it.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// systemd's own limit for a unit that does not stop is 90 s; after it the machine is switched off hard.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(20);

/// systemd-nspawn leaves with 133 when the machine inside restarts.
const BOOT_LOOP: &str = r#"
while :; do
  systemd-nspawn --quiet --register=no --keep-unit --resolv-conf=off --timezone=off --directory="$1" --boot --network-bridge="$2" --machine="$3"
  code=$?
  echo "lab: machine left with $code"
  [ "$code" = 133 ] || exit "$code"
done"#;

/// One host of the lab.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) address: Ipv4Addr,
    /// What its image is made of.
    pub(crate) recipe: &'static Recipe,
    dir: PathBuf,
    logs: PathBuf,
}

impl Machine {
    /// The host `name`, whose disk is kept below `folder/machines` and whose console below `folder/logs`.
    pub(crate) fn new(
        folder: &Path,
        recipe: &'static Recipe,
        name: &'static str,
        last_byte: u8,
    ) -> Self {
        let [a, b, c, _] = OUTSIDE.octets();
        let address = Ipv4Addr::new(a, b, c, last_byte);
        let dir = folder.join("machines").join(name);
        Self { name, address, recipe, dir, logs: folder.join("logs") }
    }

    /// Its file system as this machine sees it.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// What it wrote to its console.
    pub(crate) fn console(&self) -> PathBuf {
        self.logs.join(format!("{}.console.log", self.name))
    }

    /// Keeps what its units wrote to the journal.
    pub(crate) fn keep_journal(&self) -> Result<()> {
        let text = self.done(&["journalctl", "--no-pager", "--output=short-precise"], SHORT)?;
        let path = self.logs.join(format!("{}.journal.log", self.name));
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Makes its disk over the image, with name and address; nothing runs yet.
    pub(crate) fn make(&self, image: &Path) -> Result<()> {
        for folder in ["upper", "work", "root"] {
            fs::create_dir_all(self.dir.join(folder))
                .with_context(|| format!("failed to make the disk of {}", self.name))?;
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            image.display(),
            self.dir.join("upper").display(),
            self.dir.join("work").display()
        );
        done(
            Command::new("mount")
                .args(["-t", "overlay", "overlay", "-o", &layers])
                .arg(self.root()),
            SHORT,
        )?;
        self.write("etc/hostname", &format!("{}\n", self.name))?;
        self.write("etc/hosts", &format!("127.0.0.1 localhost\n{} {}\n", self.address, self.name))?;
        self.write(
            "etc/systemd/network/10-lab.network",
            &format!(
                "[Match]\nName=host0\n[Network]\nAddress={}/{PREFIX}\nLinkLocalAddressing=no\n",
                self.address
            ),
        )?;
        self.enable("systemd-networkd.service")
    }

    /// Writes a file of the host.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        let failed = || format!("failed to write {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(failed)?;
        }
        // What the image links elsewhere is replaced, not followed out of the host.
        if path.is_symlink() {
            fs::remove_file(&path).with_context(failed)?;
        }
        fs::write(&path, text).with_context(failed)
    }

    /// Makes a unit start at boot.
    pub(crate) fn enable(&self, unit: &str) -> Result<()> {
        self.link(
            &format!("etc/systemd/system/multi-user.target.wants/{unit}"),
            &format!("/lib/systemd/system/{unit}"),
        )
    }

    /// Makes a unit never start.
    pub(crate) fn mask(&self, unit: &str) -> Result<()> {
        self.link(&format!("etc/systemd/system/{unit}"), "/dev/null")
    }

    /// Makes a symbolic link on the host.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<()> {
        let path = self.root().join(path);
        let failed = || format!("failed to link {}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(failed)?;
        }
        if path.is_symlink() {
            fs::remove_file(&path).with_context(failed)?;
        }
        symlink(target, &path).with_context(failed)
    }

    /// Switches it on; it is not up yet.
    pub(crate) fn boot(&self) -> Result<()> {
        fs::create_dir_all(&self.logs)
            .with_context(|| format!("failed to make {}", self.logs.display()))?;
        let console = File::create(self.console())
            .with_context(|| format!("failed to open {}", self.console().display()))?;
        let child = Command::new("bash")
            .args(["-c", BOOT_LOOP, "boot"])
            .arg(self.root())
            .args([BRIDGE, self.name])
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            // A ctrl-c at the terminal is for the lab, which then shuts the machines down in order.
            .process_group(0)
            .spawn()
            .context("failed to start systemd-nspawn")?;
        fs::write(self.dir.join("boot.pid"), child.id().to_string())
            .context("failed to note the machine's process")
    }

    /// Waits until systemd inside has started everything.
    pub(crate) fn wait_up(&self) -> Result<()> {
        until(
            &format!("{} is up (console: {})", self.name, self.console().display()),
            BOOT_LIMIT,
            || {
                if self.boot_loop().is_none() {
                    // Waiting longer would not help.
                    let console = fs::read_to_string(self.console()).unwrap_or_default();
                    return Ok(Some(Err(anyhow::anyhow!(
                        "{} went off:\n{}",
                        self.name,
                        tail(&console)
                    ))));
                }
                let said = run(&mut self.command(&["systemctl", "is-system-running"])?, SHORT)?;
                // `degraded` is up too: the units that matter are looked at by themselves.
                Ok(["running", "degraded"].contains(&said.stdout.trim()).then_some(Ok(())))
            },
        )?
    }

    /// Runs a command inside to its end and answers with its standard output.
    pub(crate) fn done(&self, words: &[&str], limit: Duration) -> Result<String> {
        done(&mut self.command(words)?, limit).with_context(|| format!("on {}", self.name))
    }

    /// How often it was booted again since it was switched on.
    pub(crate) fn reboots(&self) -> Result<usize> {
        let console = fs::read(self.console())
            .with_context(|| format!("failed to read {}", self.console().display()))?;
        Ok(String::from_utf8_lossy(&console).matches("lab: machine left with 133").count())
    }

    /// Shuts it down and takes its disk away; nothing happens when it is not there.
    pub(crate) fn remove(&self) -> Result<()> {
        self.shut_down()?;
        // A machine that was killed leaves its end of the network behind, and could not boot again.
        let link = format!("vb-{}", self.name);
        if Path::new("/sys/class/net").join(&link).exists() {
            done(Command::new("ip").args(["link", "delete", &link]), SHORT)?;
        }
        if is_mount_point(&self.root())? {
            done(Command::new("umount").arg(self.root()), SHORT)?;
        }
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)
                .with_context(|| format!("failed to remove {}", self.dir.display()))?;
        }
        Ok(())
    }

    fn shut_down(&self) -> Result<()> {
        let Some(boot_loop) = self.boot_loop() else { return Ok(()) };
        let gone = || Ok((!is_alive(boot_loop)).then_some(()));
        for nspawn in children(boot_loop) {
            signal(nspawn, Signal::TERM);
        }
        if until("shutdown", SHUTDOWN_LIMIT, gone).is_err() {
            // First the loop, so that nothing is booted again.
            let machine: Vec<u32> = children(boot_loop);
            signal(boot_loop, Signal::KILL);
            machine.into_iter().for_each(|nspawn| signal(nspawn, Signal::KILL));
            until("end of the machine's process", SHORT, gone)?;
        }
        Ok(())
    }

    /// The process that boots it again and again, if it is alive and really the one of this machine.
    fn boot_loop(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.dir.join("boot.pid")).ok()?.trim().parse().ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let is_ours =
            String::from_utf8_lossy(&words).split('\0').any(|word| Path::new(word) == self.root());
        (is_ours && is_alive(pid)).then_some(pid)
    }

    /// A command that runs inside, with an environment of its own.
    fn command(&self, words: &[&str]) -> Result<Command> {
        let init = self
            .boot_loop()
            .and_then(|boot_loop| {
                children(boot_loop).into_iter().find_map(|nspawn| children(nspawn).first().copied())
            })
            .with_context(|| format!("{} does not run", self.name))?;
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &init.to_string(),
                "--mount",
                "--uts",
                "--ipc",
                "--net",
                "--pid",
                "--cgroup",
                "--root",
                "--wd",
            ])
            .args([
                "env",
                "--ignore-environment",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME=/root",
                "LANG=C.UTF-8",
            ])
            .args(words);
        Ok(command)
    }
}

/// systemd-nspawn needs a tmpfs there, or a restart of a machine fails; answers whether one was mounted.
pub(crate) fn prepare_run() -> Result<bool> {
    let folder = Path::new("/run/systemd/nspawn");
    fs::create_dir_all(folder).context("failed to make /run/systemd/nspawn")?;
    /// From `statfs(2)`.
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    if rustix::fs::statfs(folder)?.f_type == TMPFS_MAGIC {
        return Ok(false);
    }
    done(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(folder), SHORT)?;
    Ok(true)
}

/// Takes back [`prepare_run`].
pub(crate) fn restore_run() -> Result<()> {
    done(Command::new("umount").arg("/run/systemd/nspawn"), SHORT).map(drop)
}

/// Copies a file or a folder with its permissions.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    done(Command::new("cp").arg("--archive").arg("--no-target-directory").arg(from).arg(to), SHORT)
        .map(drop)
}

fn is_mount_point(path: &Path) -> Result<bool> {
    let table =
        fs::read_to_string("/proc/self/mounts").context("failed to read the mount table")?;
    Ok(table
        .lines()
        .any(|line| line.split(' ').nth(1).is_some_and(|point| Path::new(point) == path)))
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything, blanks too.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A child that nobody waited for is over.
fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| stat(*child).is_some_and(|(state, parent)| parent == pid && state != 'Z'))
        .collect()
}

/// Fails on a machine that cannot boot hosts, and says what is missing.
pub(crate) fn check_tools() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the lab needs root: it makes namespaces, mounts and a bridge"
    );
    for tool in ["systemd-nspawn", "mmdebstrap", "ip", "nsenter", "curl", "python3"] {
        let found = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
        });
        ensure!(found, "there is no `{tool}`: `./dev setup` installs what the lab needs");
    }
    Ok(())
}
