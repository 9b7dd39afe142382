//! The lab as a whole: where it keeps things, what is up, and taking it all away again.

use crate::{
    image::Recipe,
    machine::{self, Machine},
    network,
    scenario::{self, Scenario},
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

/// The folder of the runbook `name`, as it is shipped.
pub(crate) fn runbook(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../runbooks").join(name)
}

/// The lab.
pub(crate) struct Lab {
    /// What is kept from run to run.
    pub(crate) cache: PathBuf,
    /// What belongs to one run; taken away by the next.
    pub(crate) work: PathBuf,
    all: Vec<Box<dyn Scenario>>,
    chosen: Vec<usize>,
    /// Held while this process uses the lab.
    _lock: File,
}

impl Lab {
    /// The lab below `folder` with the named scenarios, all when none is named; only one process at a time has it.
    pub(crate) fn open(folder: &Path, names: &[String]) -> Result<Self> {
        machine::check_tools()?;
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let all = scenario::all(&folder);
        let chosen = scenario::choose(&all, names)?;
        let lock = File::create(folder.join("lock")).context("failed to open the lab's lock")?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another lab uses {}", folder.display());
        }
        Ok(Self { work: folder.join("work"), cache: folder, all, chosen, _lock: lock })
    }

    /// The chosen scenarios.
    pub(crate) fn scenarios(&self) -> Vec<&dyn Scenario> {
        self.chosen.iter().map(|place| self.all[*place].as_ref()).collect()
    }

    fn machines(&self) -> Vec<&Machine> {
        self.scenarios().into_iter().flat_map(Scenario::hosts).collect()
    }

    /// Boots all hosts and installs the products of the first builds on them.
    pub(crate) fn up(&self) -> Result<()> {
        self.down().context("failed to take an earlier lab away")?;
        self.provide_images()?;
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
            host.make(&host.recipe.folder(&self.cache))?;
        }
        for scenario in self.scenarios() {
            scenario.lay_out(self)?;
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
        at_once(self.scenarios(), |scenario| scenario.name(), |scenario| scenario.install(self))
    }

    /// The images of all chosen hosts; each is made once, several at a time.
    fn provide_images(&self) -> Result<()> {
        let mut recipes: Vec<&Recipe> = Vec::new();
        for host in self.machines() {
            if !recipes.contains(&host.recipe) {
                recipes.push(host.recipe);
            }
        }
        at_once(recipes, |recipe| recipe.name, |recipe| recipe.provide(&self.cache).map(drop))
    }

    /// Takes everything away that a lab has made, whichever process made it; what is kept under keys stays.
    pub(crate) fn down(&self) -> Result<()> {
        let mut problems = Vec::new();
        let mut note = |outcome: Result<()>| problems.extend(outcome.err());
        // Scenarios at once, but the hosts of one in their order: what stops may still write to its database.
        note(at_once(
            self.all.iter().collect(),
            |scenario| scenario.name(),
            |scenario| {
                let outcomes = scenario.hosts().into_iter().map(Machine::remove);
                let problems: Vec<String> =
                    outcomes.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
                anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
                Ok(())
            },
        ));
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
pub(crate) fn together<'a>(
    hosts: impl IntoIterator<Item = &'a Machine>,
    deed: impl Fn(&Machine) -> Result<()> + Sync,
) -> Result<()> {
    at_once(hosts.into_iter().collect(), |host| host.name, deed)
}

/// Does the same with several things at once; all problems are told, each with the thing's name.
pub(crate) fn at_once<T: Send + Copy>(
    things: Vec<T>,
    name: impl Fn(T) -> &'static str,
    deed: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let (mut problems, deed) = (Vec::new(), &deed);
    thread::scope(|scope| {
        let started =
            things.into_iter().map(|thing| (name(thing), scope.spawn(move || deed(thing))));
        for (name, thread) in started.collect::<Vec<_>>() {
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
