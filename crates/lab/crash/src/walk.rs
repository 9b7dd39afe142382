//! The walk: every point of every kind of install, one killed agent each.

use crate::{
    host::Host,
    kinds::Kind,
    life::{Life, boot, build_of, live, plain, run_to_end, scratch, words},
    packs,
    power::Volumes,
    system::{Errand, Task},
    trace::{self, Point},
};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What dies at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The agent's process alone, as by `kill -9`.
    Kill,
    /// The agent, and then the agent again while it makes good.
    KillTwice,
    /// The machine's power: every process ends, and what was not made durable is gone.
    Power(crate::power::Disk),
    /// No process: a volume is full, at another place in each run.
    Full,
}

/// What to walk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Walk {
    /// What dies.
    pub fault: Fault,
    /// Only every n-th point, beginning with a seeded one.
    pub every: usize,
    /// For the choice of points and of second kills.
    pub seed: u64,
    /// How many hosts at once.
    pub jobs: usize,
    /// This program, with what makes it the agent.
    pub agent: Vec<String>,
    /// The product's program.
    pub ledger: PathBuf,
}

/// How a kind fared.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Its name.
    pub kind: String,
    /// Points that a recorded run has.
    pub points: usize,
    /// Of them: in the journal.
    pub journal: usize,
    /// Hosts whose agent was killed.
    pub killed: usize,
    /// Runs that ended before their point came.
    pub missed: usize,
    /// Second kills that hit.
    pub killed_again: usize,
    /// Hosts that ended on the build before.
    pub old: usize,
    /// Hosts that ended on a build that the order leads to.
    pub new: usize,
    /// Calls that were cut off, with how often.
    pub calls: BTreeMap<String, usize>,
    /// What was wrong, with the point; empty when nothing was.
    pub wrong: Vec<String>,
}

/// What one point did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    hit: Option<String>,
    again: bool,
    build: String,
    wrong: Vec<String>,
}

impl Walk {
    /// Walks a kind in a folder of its own, which goes at the end.
    ///
    /// # Errors
    /// When a host cannot be laid or recorded; what is wrong with a killed host is in the tally.
    pub fn kind(&self, kind: &Kind) -> Result<Tally> {
        if self.fault == Fault::Full {
            return self.full(kind);
        }
        let base = tempfile::Builder::new().prefix("refit-crash-").tempdir_in(scratch())?;
        let packs = base.path().join("packs");
        packs::make(kind, &packs, &self.ledger)?;
        let recording = base.path().join("recording");
        let points = if kind.packages {
            self.errand(kind, &packs, &recording, Task::Record).send()?
        } else {
            self.record(kind, &packs, &recording)?
        };
        let first = usize::try_from(self.seed).unwrap_or(0) % self.every.max(1);
        let chosen: Vec<_> = points.iter().skip(first).step_by(self.every.max(1)).collect();
        let is_journal = |point: &&(usize, Point)| point.1.shown.contains("journal.db");
        let walked = |folder: &Path, life: usize, point: &Point| {
            if !kind.packages {
                return self.point(kind, &packs, folder, life, point);
            }
            let task = Task::Point(life, point.clone());
            self.errand(kind, &packs, folder, task).send().unwrap_or_else(|e| Verdict::failed(&e))
        };
        let tally = Mutex::new(Tally {
            kind: kind.name.to_owned(),
            points: points.len(),
            journal: points.iter().filter(is_journal).count(),
            ..Tally::default()
        });
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for job in 0..self.jobs.max(1) {
                let (chosen, tally, next, walked) = (&chosen, &tally, &next, &walked);
                let folder = base.path().join(format!("host-{job}"));
                scope.spawn(move || {
                    while let Some((life, point)) = chosen.get(next.fetch_add(1, Ordering::SeqCst))
                    {
                        let verdict = walked(&folder, *life, point);
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        tally.count(kind, point, verdict);
                    }
                });
            }
        });
        Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn errand(&self, kind: &Kind, packs: &Path, folder: &Path, task: Task) -> Errand {
        let (packs, folder) = (packs.to_owned(), folder.to_owned());
        Errand { walk: self.clone(), kind: kind.name.to_owned(), packs, folder, task }
    }

    /// A run that nobody kills: the points of each life, and that it ends as it should.
    pub(crate) fn record(
        &self,
        kind: &Kind,
        packs: &Path,
        folder: &Path,
    ) -> Result<Vec<(usize, Point)>> {
        let volumes = Volumes::make(folder, self.fault)?;
        let mut host = Host::lay(folder, kind, packs, refit_testkit::free_port(), &self.agent)?;
        let mut points = vec![];
        for life in 0.. {
            let log = folder.join(format!("recording-{life}"));
            let ended = live(&host, trace::record(folder, &log, &self.agent))?;
            let recording = trace::read(&log, folder)?;
            if !recording.missed.is_empty() {
                bail!("changes by other threads would not be walked: {:?}", recording.missed);
            }
            points.extend(recording.points.into_iter().map(|point| (life, point)));
            match ended {
                Life::Finished => break,
                Life::Reboots => boot(&host)?,
                Life::Killed | Life::Failed(_) => {
                    bail!("the recorded run failed: {}", words(folder))
                }
            }
        }
        // The tracer of the recording follows the service too; it must run by itself.
        let build = build_of(folder)?;
        run_to_end(&host, &self.agent)?;
        host.start_service()?;
        let acknowledged = host.acknowledged();
        let wrong = host.judge(&build, &acknowledged)?;
        if build != kind.ends_on || !wrong.is_empty() {
            bail!("the recorded run ended on {build}, expected {}: {wrong:#?}", kind.ends_on);
        }
        host.end()?;
        volumes.remove()?;
        Ok(points)
    }

    /// One host, killed at one point.
    pub(crate) fn point(
        &self,
        kind: &Kind,
        packs: &Path,
        folder: &Path,
        life: usize,
        point: &Point,
    ) -> Verdict {
        let walked = || -> Result<Verdict> {
            let volumes = Volumes::make(folder, self.fault)?;
            let mut host = Host::lay(folder, kind, packs, refit_testkit::free_port(), &self.agent)?;
            let verdict = self.strike(&mut host, &volumes, life, point);
            host.end()?;
            volumes.remove()?;
            verdict
        };
        walked().unwrap_or_else(|error| {
            let _ = fs::remove_dir_all(folder);
            Verdict::failed(&error)
        })
    }

    fn strike(
        &self,
        host: &mut Host,
        volumes: &Volumes,
        life: usize,
        point: &Point,
    ) -> Result<Verdict> {
        let folder = host.folder.clone();
        let mut verdict = Verdict::default();
        volumes.settle()?;
        for _ in 0..life {
            if let Life::Finished = live(host, plain(&self.agent, &folder))? {
                bail!("the run has fewer lives than the recorded one");
            }
            boot(host)?;
        }
        let log = folder.join("killed");
        let killed = live(host, trace::kill_at(point, &folder, &log, &self.agent))?;
        if let Life::Killed = killed {
            verdict.hit = Some(trace::cut_call(&log).unwrap_or_else(|| point.call.clone()));
        }
        let mut acknowledged = None;
        match self.fault {
            Fault::Power(_) => {
                // With real power no answer comes after it: a file system that is stopped may still say yes once.
                acknowledged = Some(host.told());
                volumes.cut()?;
                host.acknowledged();
                host.kill_everything()?;
                volumes.back()?;
                boot(host)?;
            }
            Fault::KillTwice => {
                // Where no call is made so often, the agent just makes good.
                let number =
                    1 + u32::try_from(mix(self.seed ^ u64::from(point.number)) % 40).unwrap_or(0);
                let log = folder.join("killed-again");
                let again = trace::kill_somewhere(number, &folder, &log, &self.agent);
                match live(host, again)? {
                    Life::Killed => verdict.again = true,
                    Life::Reboots => boot(host)?,
                    Life::Finished | Life::Failed(_) => {}
                }
            }
            Fault::Kill | Fault::Full => {
                if let Life::Reboots = killed {
                    boot(host)?;
                }
            }
        }
        run_to_end(host, &self.agent)?;
        verdict.build = build_of(&folder)?;
        let acknowledged = acknowledged.unwrap_or_else(|| host.acknowledged());
        verdict.wrong = host.judge(&verdict.build, &acknowledged)?;
        Ok(verdict)
    }
}

impl Verdict {
    fn failed(error: &anyhow::Error) -> Self {
        Self { wrong: vec![format!("{error:#}")], ..Self::default() }
    }
}

impl Tally {
    /// A kind that could not even be recorded.
    pub(crate) fn failed(kind: &Kind, error: &anyhow::Error) -> Self {
        Self { kind: kind.name.to_owned(), wrong: vec![format!("{error:#}")], ..Self::default() }
    }

    fn count(&mut self, kind: &Kind, point: &Point, verdict: Verdict) {
        match verdict.hit {
            Some(call) => {
                self.killed += 1;
                *self.calls.entry(call).or_default() += 1;
            }
            None => self.missed += 1,
        }
        self.killed_again += usize::from(verdict.again);
        if verdict.build == kind.installed() {
            self.old += 1;
        } else if kind.leads_to().contains(&verdict.build.as_str()) {
            self.new += 1;
        }
        let Point { call, number, shown, .. } = point;
        let told = verdict
            .wrong
            .iter()
            .map(|wrong| format!("{} at {call} {number} ({shown}): {wrong}", kind.name));
        self.wrong.extend(told);
    }
}

/// Spreads numbers (the finaliser of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
