//! A plan as people read it before they agree to it.

use crate::{Advance, Plan, PlannedHost, PlannedWave, Slot, Way};
use jiff::Timestamp;
use refit_names::{BuildId, PersonName, counted, span};
use std::fmt::{self, Write as _};

impl Plan {
    /// The whole plan as text: what, waves with every host and its reason, who is left out.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, out: &mut String) -> fmt::Result {
        let hosts = counted(self.hosts().count(), "host");
        writeln!(out, "{}: {hosts}", self.goal())?;
        let parent = self.parent.map_or_else(String::new, |parent| format!(", replaces {parent}"));
        writeln!(out, "rollout {}, generation {}{parent}", self.rollout, self.generation)?;
        writeln!(out, "made by {} at {:.0}", self.author, self.made_at)?;
        writeln!(
            out,
            "halts after more than {}; {} must agree, not counting the author",
            counted(self.failure_budget as usize, "failure"),
            self.approvals_needed
        )?;
        match self.way() {
            Way::Forward => {
                for pack in &self.packs {
                    writeln!(out, "pack to {}: {}, record {}", pack.to, pack.size, pack.digest)?;
                }
            }
            Way::Removal => {
                for (build, pack) in self.removals() {
                    writeln!(
                        out,
                        "removal of {build}, record {}: nothing is fetched",
                        pack.digest
                    )?;
                }
            }
        }
        self.write_times(out)?;
        for wave in &self.waves {
            write_wave(out, wave)?;
        }
        if !self.excluded.is_empty() {
            writeln!(out, "\nleft out: {}", self.excluded.len())?;
        }
        for excluded in &self.excluded {
            writeln!(out, "  {}: {}", excluded.host, excluded.because)?;
        }
        Ok(())
    }
}

impl Plan {
    fn write_times(&self, out: &mut String) -> fmt::Result {
        if let Some(reason) = &self.emergency {
            writeln!(out, "EMERGENCY, freezes do not count: {reason}")?;
        }
        if let Some(finish) = self.finishes_at() {
            let outside = match self.out_of_hours_ms() {
                0 => "no work".to_owned(),
                ms => format!("{} of work", span(ms)),
            };
            writeln!(out, "expected to end at {finish:.0}; {outside} outside of working hours")?;
        }
        if let Some(deadline) = self.deadline {
            writeln!(out, "wanted by {deadline}")?;
        }
        for way in &self.staging {
            writeln!(
                out,
                "site {}: {} at {} per second, must set out by {}",
                way.site, way.bytes, way.bandwidth, way.start_by
            )?;
        }
        Ok(())
    }
}

fn write_wave(out: &mut String, wave: &PlannedWave) -> fmt::Result {
    let advance = match wave.advance {
        Advance::Automatic => "by itself",
        Advance::Manual => "when a person says so",
    };
    writeln!(
        out,
        "\n{}: {}, {} at a time, goal {}, halts after more than {}",
        wave.name,
        counted(wave.hosts.len(), "host"),
        wave.parallel,
        wave.goal,
        counted(wave.failure_budget as usize, "failure")
    )?;
    writeln!(
        out,
        "  watched for {}, waits at most {}, the next starts {advance}",
        span(wave.soak_ms),
        span(wave.timeout_ms)
    )?;
    let width = wave.hosts.iter().map(|host| host.host.as_str().len()).max().unwrap_or(0);
    for host in &wave.hosts {
        let builds: Vec<String> = host.builds().iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "  {:<width$}  risk {:>3}  {}  about {}, back in {}  {}",
            host.host,
            host.risk,
            builds.join(" → "),
            span(host.p95_ms),
            span(host.undo_p95_ms),
            host.because
        )?;
        if let Some(slot) = &host.slot {
            writeln!(out, "  {:<width$}  {slot}, expected until {}", "", shown(host.ends_at()))?;
        }
    }
    Ok(())
}

fn shown(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!("{at:.0}"))
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} in window {} ({})", self.starts_at, self.opening.window, self.class)?;
        let people: Vec<_> = self.people.iter().map(PersonName::as_str).collect();
        if people.is_empty() { Ok(()) } else { write!(f, " by {}", people.join(", ")) }
    }
}

impl PlannedHost {
    /// The builds on its way, first and last included.
    #[must_use]
    pub fn builds(&self) -> Vec<BuildId> {
        let first = self.legs.first().map(|leg| leg.from.clone());
        first.into_iter().chain(self.legs.iter().map(|leg| leg.pack.to.clone())).collect()
    }
}
