//! The lab as a whole: where it keeps things, what is up, and taking it all away again.

use crate::{
    image,
    machine::{self, Machine},
    masters, network,
    talk::say,
};
use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
};

/// The folder with packs and files of hosts.
pub(crate) fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs")
}

/// The lab.
#[derive(Debug)]
pub(crate) struct Lab {
    /// What is kept from run to run.
    pub(crate) cache: PathBuf,
    /// What belongs to one run; taken away by the next.
    pub(crate) work: PathBuf,
    /// The host with PostgreSQL.
    pub(crate) database: Machine,
    /// Hosts with a master each; the last is the one that is made to fail.
    pub(crate) masters: Vec<Machine>,
    /// Held while this process uses the lab.
    _lock: File,
}

impl Lab {
    /// The lab below `folder`; only one process at a time has it.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        machine::check_tools()?;
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let lock = File::create(folder.join("lock")).context("failed to open the lab's lock")?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another lab uses {}", folder.display());
        }
        let master = |name, last_byte| Machine::new(&folder, name, last_byte);
        Ok(Self {
            database: master("db1", 11),
            masters: vec![master("ci1", 12), master("ci2", 13), master("ci3", 14)],
            work: folder.join("work"),
            cache: folder,
            _lock: lock,
        })
    }

    fn machines(&self) -> impl Iterator<Item = &Machine> {
        std::iter::once(&self.database).chain(&self.masters)
    }

    /// Boots all hosts and installs the masters of the first build on them.
    pub(crate) fn up(&self) -> Result<()> {
        self.down().context("failed to take an earlier lab away")?;
        let image = image::provide(&self.cache)?;
        if self.work.exists() {
            fs::remove_dir_all(&self.work)
                .with_context(|| format!("failed to remove {}", self.work.display()))?;
        }
        fs::create_dir_all(&self.work)
            .with_context(|| format!("failed to make {}", self.work.display()))?;
        if machine::prepare_run()? {
            fs::write(self.marker(), "")
                .context("failed to note the mount on /run/systemd/nspawn")?;
        }
        network::up()?;
        for host in self.machines() {
            host.make(&image)?;
        }
        masters::configure_database(&self.database)?;
        for master in &self.masters {
            masters::lay_out(self, master)?;
        }
        for host in self.machines() {
            say(&format!(
                "booting {} ({}), console {}",
                host.name,
                host.address,
                host.console().display()
            ));
            host.boot()?;
        }
        for host in self.machines() {
            host.wait_up()?;
        }
        masters::make_role(self)?;
        together(&self.masters, |master| masters::install(self, master))
    }

    /// Takes everything away that a lab has made, whichever process made it; what is kept under keys stays.
    pub(crate) fn down(&self) -> Result<()> {
        let mut problems = Vec::new();
        let mut note = |outcome: Result<()>| problems.extend(outcome.err());
        // A master that stops writes so to its database: that one goes last.
        note(together(&self.masters, Machine::remove));
        note(self.database.remove());
        note(network::down());
        if self.marker().exists() {
            note(machine::restore_run().and_then(|()| Ok(fs::remove_file(self.marker())?)));
        }
        match problems.into_iter().reduce(|all, next| all.context(format!("{next:#}"))) {
            Some(all) => Err(all),
            None => Ok(()),
        }
    }

    /// Keeps the journals of the hosts beside their consoles; answers with the folder.
    pub(crate) fn keep_logs(&self) -> PathBuf {
        for host in self.machines() {
            if let Err(error) = host.keep_journal() {
                say(&format!("no journal of {}: {error:#}", host.name));
            }
        }
        self.cache.join("logs")
    }

    fn marker(&self) -> PathBuf {
        self.cache.join("run-systemd-nspawn.mounted")
    }
}

/// Does the same on several hosts at once; all problems are told.
pub(crate) fn together(
    hosts: &[Machine],
    deed: impl Fn(&Machine) -> Result<()> + Sync,
) -> Result<()> {
    let mut problems = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> =
            hosts.iter().map(|host| (host.name, scope.spawn(|| deed(host)))).collect();
        for (name, thread) in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => problems.push(format!("{name}: {error:#}")),
                Err(_) => problems.push(format!("{name}: its thread broke down")),
            }
        }
    });
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}
