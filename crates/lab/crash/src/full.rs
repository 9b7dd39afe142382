//! A disk that fills up: the product's volume, or the agent's, has room for only so much more, from nothing to enough.
//!
//! What fills up is a real file system in memory, so every write, of the agent, of the product and of its database, meets its end.

use crate::{
    host::Host,
    kinds::Kind,
    life::{Life, boot, build_of, live_for, outcome_of, plain, run_to_end, scratch, words},
    packs,
    power::{Volumes, is_mounted, run},
    walk::{Fault, Tally, Walk},
};
use anyhow::{Result, ensure};
use refit_journal::OrderOutcome;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The volumes, as a host has them.
const NAMES: [&str; 2] = ["product", "state"];
/// Room to work with, where none is taken away.
const ROOMY: u64 = 256 << 20;
/// Steps from no room to enough.
const STEPS: u64 = 24;
/// The last bytes of what is needed: where a journal, a link and a setting are written.
const LAST: u64 = 160 << 10;
/// Lives that find the volume full before somebody makes room.
const FULL_LIVES: usize = 2;
/// An agent that waits for room is ended then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file system in memory of a given size.
struct Small {
    place: PathBuf,
}

impl Small {
    fn make(place: &Path) -> Result<Self> {
        let size = format!("size={ROOMY}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place))?;
        Ok(Self { place: place.to_owned() })
    }

    fn resize(&self, bytes: u64) -> Result<()> {
        let size = format!("remount,size={bytes}");
        run(Command::new("mount").args(["-o", &size]).arg(&self.place))
    }

    fn used(&self) -> Result<u64> {
        let volume = rustix::fs::statvfs(&self.place)?;
        Ok((volume.f_blocks - volume.f_bfree) * volume.f_frsize)
    }

    fn end(self) -> Result<()> {
        while is_mounted(&self.place)? {
            run(Command::new("umount").arg(&self.place))?;
        }
        Ok(())
    }
}

impl Walk {
    /// Every step of both volumes.
    pub(crate) fn full(&self, kind: &Kind) -> Result<Tally> {
        let base = tempfile::Builder::new().prefix("refit-full-").tempdir_in(scratch())?;
        let packs = base.path().join("packs");
        packs::make(kind, &packs, &self.ledger)?;
        let mut tally = Tally { kind: kind.name.to_owned(), ..Tally::default() };
        let folder = base.path().join("host");
        for name in NAMES {
            let needs = self.with_room(kind, &packs, &folder, name, |host, small| {
                let before = small.used()?;
                run_to_end(host, &self.agent)?;
                // A removal gives room back.
                Ok(small.used()?.saturating_sub(before))
            })?;
            let seeded = usize::try_from(self.seed).unwrap_or(0) % self.every.max(1);
            for step in (0..STEPS).skip(seeded).step_by(self.every.max(1)) {
                let room = room(needs, step);
                tally.points += 1;
                let told = self.with_room(kind, &packs, &folder, name, |host, small| {
                    self.fill(kind, host, small, room, &mut tally)
                });
                let told = told.unwrap_or_else(|error| vec![format!("{error:#}")]);
                let at = format!("{} with room for {room} of {needs} bytes in {name}", kind.name);
                tally.wrong.extend(told.iter().map(|wrong| format!("{at}: {wrong}")));
            }
        }
        Ok(tally)
    }

    /// A host with one volume of which the size can be set.
    fn with_room<T>(
        &self,
        kind: &Kind,
        packs: &Path,
        folder: &Path,
        name: &str,
        walk: impl FnOnce(&mut Host, &Small) -> Result<T>,
    ) -> Result<T> {
        let volumes = Volumes::make(folder, Fault::Full)?;
        let small = Small::make(&folder.join(name))?;
        let walked = Host::lay(folder, kind, packs, refit_testkit::free_port(), &self.agent)
            .and_then(|mut host| {
                let walked = walk(&mut host, &small);
                host.end()?;
                walked
            });
        small.end()?;
        volumes.remove()?;
        walked
    }

    fn fill(
        &self,
        kind: &Kind,
        host: &mut Host,
        small: &Small,
        room: u64,
        tally: &mut Tally,
    ) -> Result<Vec<String>> {
        let folder = host.folder.clone();
        small.resize(small.used()? + room.max(4096))?;
        let mut ended = false;
        for _ in 0..FULL_LIVES {
            match live_for(host, plain(&self.agent, &folder), PATIENCE)? {
                Life::Finished => ended = true,
                Life::Reboots => boot(host)?,
                Life::Killed | Life::Failed(_) => {}
            }
            if ended {
                break;
            }
        }
        let mut wrong = vec![];
        match ended.then(|| outcome_of(&folder)).transpose()? {
            Some(OrderOutcome::Succeeded { .. }) => {
                *tally.calls.entry("enough".into()).or_default() += 1
            }
            Some(OrderOutcome::RolledBack { cause, .. } | OrderOutcome::NeedsPerson { cause }) => {
                *tally.calls.entry(format!("taken back with {}", cause.code)).or_default() += 1;
                if !kind.fails() && !names_it(&cause.text) {
                    wrong.push(format!("the cause is not named: {cause}"));
                }
            }
            None => {
                *tally.calls.entry("waited for room".into()).or_default() += 1;
                ensure!(names_it(&words(&folder)), "the cause is not named: {}", words(&folder));
            }
        }
        // Somebody makes room, and the agent is started again.
        small.resize(ROOMY)?;
        run_to_end(host, &self.agent)?;
        let build = build_of(&folder)?;
        if build == kind.installed() {
            tally.old += 1;
        } else {
            tally.new += 1;
        }
        let acknowledged = host.acknowledged();
        wrong.extend(host.judge(&build, &acknowledged)?);
        Ok(wrong)
    }
}

/// Half of the steps are spread over all that is needed, half over its end, where little things are written.
fn room(needs: u64, step: u64) -> u64 {
    let half = STEPS / 2;
    if step < half {
        return needs * step / half;
    }
    let end = needs.min(LAST);
    needs - end + end * (step - half) / (half - 1)
}

fn names_it(text: &str) -> bool {
    ["No space left on device", "disk is full", "volume is full"]
        .iter()
        .any(|words| text.contains(words))
}
