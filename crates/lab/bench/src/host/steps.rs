//! Processor time for each host and step: Refit's agents against playbooks that do less, over ssh and on this machine with mitogen.

use super::fleet::Fleet;
use super::{Size, children_cpu, done, say};
use crate::row::{Better, Row};
use anyhow::{Context, Result, bail};
use refit_testkit::free_port;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PLAYBOOK: &str = include_str!("../../scripts/host/six.yaml");
/// Versions that were judged; both come from PyPI.
const WANTED: [&str; 2] = ["ansible-core==2.19.14", "mitogen==0.3.54"];
/// The playbook's tasks and the runbook's: look, stop, save, put, start, look again.
const STEPS: f64 = 6.0;
/// As in the measured baselines.
const FORKS: &str = "20";
/// What is put: small, so that it is the steps that are measured.
const PAYLOAD_BYTES: usize = 64 << 10;
const SSH_GOAL: f64 = 0.02;
const MITOGEN_GOAL: f64 = 0.2;

/// Rounds of what is close to its goal, in turns and with nothing still being written to disk from before: what else the machine does falls on both.
const ROUNDS: u32 = 3;

/// Medians of some rounds; one of Ansible over ssh, which is far away and takes minutes.
pub(super) fn run(dir: &Path, size: Size) -> Result<Vec<Row>> {
    let ansible = Ansible::install(dir)?;
    let (mut own, mut mitogen) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let here = ours(&dir.join("fleet"), size.hosts)?;
        let theirs = adopting(|| ansible.mitogen(size.hosts))?;
        say(&format!("round {round}: {here:.1} CPU ms a host and step, with mitogen {theirs:.1}"));
        own.push(here);
        mitogen.push(theirs);
    }
    say(&format!("ansible over ssh on {} hosts", size.ssh_hosts));
    let ssh = [adopting(|| ansible.ssh(size.ssh_hosts))?];
    let row = |case: &str, theirs: &[f64], peer: &str, goal| {
        let unit = "CPU ms a host and step";
        Row::compare(("host", case), Better::Less, (&own, theirs), peer, unit, goal)
    };
    let hosts = |hosts: u32| format!("six steps on {hosts} hosts");
    Ok(vec![
        row(&hosts(size.ssh_hosts), &ssh, "ansible-core over ssh, pipelining", SSH_GOAL),
        row(&hosts(size.hosts), &mitogen, "ansible with mitogen, local", MITOGEN_GOAL),
    ])
}

/// Server, agents and all that they and the people run, from the plan to the end of the campaign.
fn ours(dir: &Path, hosts: u32) -> Result<f64> {
    let fleet = Fleet::start(dir, hosts, &vec![b'-'; PAYLOAD_BYTES])?;
    rustix::fs::sync();
    let (people, programs) = (children_cpu()?, fleet.cpu_seconds()?);
    fleet.upgrade()?;
    let used = children_cpu()? - people + fleet.cpu_seconds()? - programs;
    let done = fleet.upgraded()?;
    if done != hosts as usize {
        bail!("{done} of {hosts} hosts were upgraded");
    }
    drop(fleet);
    fs::remove_dir_all(dir)?;
    Ok(used * 1_000.0 / (f64::from(hosts) * STEPS))
}

struct Ansible {
    dir: PathBuf,
    venv: PathBuf,
}

impl Ansible {
    fn install(dir: &Path) -> Result<Self> {
        let new = Self { dir: dir.join("ansible"), venv: dir.join("venv") };
        say(&format!("installing {} from PyPI", WANTED.join(", ")));
        done(Command::new("python3").args(["-m", "venv"]).arg(&new.venv))?;
        done(Command::new(new.venv.join("bin/pip")).args(["install", "-q"]).args(WANTED))?;
        fs::create_dir_all(&new.dir)?;
        fs::write(new.dir.join("six.yaml"), PLAYBOOK)?;
        fs::write(new.dir.join("payload"), vec![b'-'; PAYLOAD_BYTES])?;
        Ok(new)
    }

    /// Fresh hosts, each a folder; their names.
    fn hosts(&self, kind: &str, count: u32) -> Result<Vec<(String, PathBuf)>> {
        let all = self.dir.join(kind);
        if all.exists() {
            fs::remove_dir_all(&all)?;
        }
        let lay = |number: u32| {
            let root = all.join(format!("h{number:02}"));
            fs::create_dir_all(root.join("data"))?;
            fs::write(root.join("data/ledger"), vec![b'x'; PAYLOAD_BYTES])?;
            fs::write(root.join("running"), "1")?;
            Ok((format!("{kind}-{number:02}"), root))
        };
        (0..count).map(lay).collect()
    }

    fn mitogen(&self, count: u32) -> Result<f64> {
        let plugins = done(Command::new(self.venv.join("bin/python")).args([
            "-c",
            "import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__))",
        ]))?;
        let strategy = format!("{}/plugins/strategy", plugins.trim());
        let settings = format!("strategy_plugins = {strategy}\nstrategy = mitogen_linear\n");
        self.play("local", count, &settings, "ansible_connection=local")
    }

    fn ssh(&self, count: u32) -> Result<f64> {
        let server = Sshd::start(&self.dir.join("sshd"))?;
        let line = format!(
            "ansible_host=127.0.0.1 ansible_port={} ansible_ssh_private_key_file={}",
            server.port,
            server.key.display()
        );
        let arguments = "-o ControlMaster=auto -o ControlPersist=20s -o StrictHostKeyChecking=no \
            -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let settings = format!("[ssh_connection]\npipelining = True\nssh_args = {arguments}\n");
        let before = children_cpu()?;
        let played = self.play("ssh", count, &settings, &line);
        drop(server);
        reap(Duration::from_secs(30));
        played?;
        // The server's side counts too, and it ends only now.
        Ok((children_cpu()? - before) * 1_000.0 / (f64::from(count) * STEPS))
    }

    /// Plays the book; processor milliseconds for each host and step.
    fn play(&self, kind: &str, count: u32, settings: &str, line: &str) -> Result<f64> {
        let hosts = self.hosts(kind, count)?;
        let python = self.venv.join("bin/python");
        let inventory = hosts.iter().map(|(name, root)| {
            let python = python.display();
            let root = root.display();
            format!("{name} root={root} ansible_python_interpreter={python} {line}\n")
        });
        let (list, config) = (self.dir.join(format!("{kind}.ini")), self.dir.join("ansible.cfg"));
        fs::write(&list, inventory.collect::<String>())?;
        fs::write(
            &config,
            format!(
                "[defaults]\nforks = {FORKS}\ngathering = explicit\nhost_key_checking = False\n{settings}"
            ),
        )?;
        rustix::fs::sync();
        let before = children_cpu()?;
        let mut command = Command::new(self.venv.join("bin/ansible-playbook"));
        command.arg("-i").arg(&list).arg(self.dir.join("six.yaml")).current_dir(&self.dir);
        command.env("ANSIBLE_CONFIG", &config).env("HOME", &self.dir);
        let said = done(&mut command)?;
        reap(Duration::from_secs(5));
        let used = children_cpu()? - before;
        for (name, root) in &hosts {
            let put =
                fs::metadata(root.join("payload")).is_ok_and(|at| at.len() == PAYLOAD_BYTES as u64);
            if !(put && root.join("saved/ledger").exists() && root.join("running").exists()) {
                bail!("the playbook did not do its six steps on {name}: {said}");
            }
        }
        Ok(used * 1_000.0 / (f64::from(count) * STEPS))
    }
}

/// Does the work as the parent of what its descendants leave behind, so that this is counted with it, and with nothing else.
fn adopting<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    let done = work();
    rustix::process::set_child_subreaper(None)?;
    done
}

/// Waits for descendants whose parents ended, so that what they used is counted.
fn reap(limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
            Err(_) => return,
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() > deadline => return,
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A server of its own on loopback.
struct Sshd {
    child: Child,
    port: u16,
    key: PathBuf,
}

impl Sshd {
    fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        let (host, key, config) = (dir.join("host"), dir.join("key"), dir.join("config"));
        for file in [&host, &key] {
            done(
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file),
            )?;
        }
        fs::copy(dir.join("key.pub"), dir.join("authorized"))?;
        // Separated privileges need a folder that no process may write to.
        fs::create_dir_all("/run/sshd")?;
        let port = free_port();
        let text = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             PermitRootLogin prohibit-password\nUsePAM no\nMaxStartups 200\nMaxSessions 200\nPidFile none\n",
            host.display(),
            dir.join("authorized").display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-f").arg(&config).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("failed to start sshd")?;
        let new = Self { child, port, key };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                bail!("sshd does not listen on {port}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(new)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // SIGTERM, so that it reaps its own before it ends.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
