//! Live progress: a bar per wave and host on a terminal, a line per change without one.

use crate::{Talk, clients::Clients};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use refit_names::HostName;
use refit_plan::Plan;
use refit_protocol::{
    agent::{Progress as Running, Standing},
    v1::{RolloutHostView, RolloutView, WaveState, WaveView},
};
use refit_rollout::{HostState, PrepareStage, RolloutState};
use std::{collections::BTreeMap, time::Instant};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// Bars that move.
    Bars,
    /// A line per change.
    Lines,
}

/// More bars than a common terminal has lines would scroll.
const HOST_BARS_MAX: usize = 24;
/// A host's bar in parts.
const PARTS: u64 = 1_000;

/// Shows a rollout as it changes.
pub(crate) struct Progress<'a> {
    multi: MultiProgress,
    display: Display,
    waves: Vec<ProgressBar>,
    hosts: BTreeMap<HostName, ProgressBar>,
    told: BTreeMap<HostName, String>,
    told_waves: BTreeMap<String, WaveState>,
    clients: &'a Clients,
    talk: &'a Talk,
    began: Instant,
}

fn style(template: &str) -> ProgressStyle {
    // The templates are literals; a wrong one would show the default bar.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

impl<'a> Progress<'a> {
    pub(crate) fn new(display: Display, plan: &Plan, clients: &'a Clients, talk: &'a Talk) -> Self {
        let multi = MultiProgress::new();
        let (mut waves, mut hosts) = (Vec::new(), BTreeMap::new());
        if display == Display::Bars {
            let all = plan.hosts().count();
            for wave in &plan.waves {
                let bar = multi.add(ProgressBar::new(wave.hosts.len() as u64));
                bar.set_style(style(
                    "{prefix:10.bold} {bar:24.green/dim} {pos:>2} of {len:2} {msg}",
                ));
                bar.set_prefix(wave.name.to_string());
                bar.tick();
                waves.push(bar);
                for host in wave.hosts.iter().filter(|_| all <= HOST_BARS_MAX) {
                    let bar = multi.add(ProgressBar::new(PARTS));
                    bar.set_style(style("  {prefix:8} {bar:24.cyan/dim} {wide_msg}"));
                    bar.set_prefix(host.host.to_string());
                    bar.tick();
                    hosts.insert(host.host.clone(), bar);
                }
            }
        }
        let (told, told_waves) = (BTreeMap::new(), BTreeMap::new());
        Self {
            multi,
            display,
            waves,
            hosts,
            told,
            told_waves,
            clients,
            talk,
            began: Instant::now(),
        }
    }

    /// Shows what changed.
    pub(crate) fn show(&mut self, view: &RolloutView) {
        match self.display {
            Display::Bars => self.move_bars(view),
            Display::Lines => self.tell(view),
        }
    }

    /// Says a line above the bars.
    pub(crate) fn say(&self, line: &str) {
        self.multi.suspend(|| (self.talk)(line));
    }

    /// Leaves the bars as they are.
    pub(crate) fn end(self) {
        for bar in self.waves.iter().chain(self.hosts.values()) {
            bar.abandon();
        }
        drop(self.multi);
    }

    fn move_bars(&self, view: &RolloutView) {
        for (bar, wave) in self.waves.iter().zip(&view.waves) {
            bar.set_position(wave.hosts.iter().filter(|host| is_settled(host)).count() as u64);
            bar.set_message(wave_text(wave));
        }
        let is_deploying =
            matches!(view.state, RolloutState::Deploying { .. } | RolloutState::Completed);
        for host in view.waves.iter().flat_map(|wave| &wave.hosts) {
            if let Some(bar) = self.hosts.get(&host.host) {
                if let Some(position) = position(host, is_deploying) {
                    bar.set_position(position);
                }
                bar.set_message(self.text(host));
            }
        }
    }

    fn tell(&mut self, view: &RolloutView) {
        let at = self.began.elapsed().as_secs_f64();
        for wave in &view.waves {
            let name = wave.name.to_string();
            if wave.state != WaveState::Waiting && self.told_waves.get(&name) != Some(&wave.state) {
                (self.talk)(&format!("[{at:5.1} s] {name}: {}", wave_text(wave)));
                self.told_waves.insert(name, wave.state);
            }
            for host in &wave.hosts {
                let change = change(host);
                if !change.is_empty() && self.told.get(&host.host) != Some(&change) {
                    (self.talk)(&format!(
                        "[{at:5.1} s] {} {}: {}",
                        wave.name,
                        host.host,
                        self.text(host)
                    ));
                    self.told.insert(host.host.clone(), change);
                }
            }
        }
    }

    /// Where a host stands, for people.
    fn text(&self, host: &RolloutHostView) -> String {
        let down = || self.clients.longest_gap(&host.host).as_millis();
        match (&host.state, host.report.as_ref().map(|report| &report.standing)) {
            (HostState::Waiting { on }, _) => format!("waits: {on}"),
            (HostState::Preparing { stage }, Some(Standing::Preparing { done, total, .. }))
                if total.0 > 0 =>
            {
                format!("{}: {done} of {total}", stage_name(*stage))
            }
            (HostState::Preparing { stage }, _) => stage_name(*stage).to_owned(),
            (HostState::PrepareFailed { stage, cause }, _) => {
                format!("{} failed: {cause}", stage_name(*stage))
            }
            (HostState::Prepared, _) => "prepared".to_owned(),
            (HostState::Due, _) => "is told to go".to_owned(),
            (HostState::Running { .. }, Some(Standing::Running { progress })) => running(progress),
            (HostState::Running { phase, step }, _) => format!("{phase}: {step}"),
            (HostState::Succeeded { build }, _) => format!("✓ build {build}, down {} ms", down()),
            (HostState::RolledBack { build, cause }, _) => {
                format!("↶ back on build {build}, down {} ms: {}", down(), flat(cause))
            }
            (HostState::NeedsPerson { cause }, _) => format!("needs a person: {}", flat(cause)),
            (HostState::Ignored { because }, _) => format!("ignored: {because}"),
        }
    }
}

/// A cause on one line.
fn flat(cause: &str) -> String {
    cause.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn running(progress: &Running) -> String {
    let direction = if progress.rolling_back { "back" } else { "leg" };
    format!(
        "{direction} {}/{} {}: {} {:.1} s of about {:.1} s",
        progress.leg + 1,
        progress.legs,
        phase_name(progress),
        progress.step,
        seconds(progress.elapsed_ms),
        seconds(progress.expected_ms),
    )
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

fn phase_name(progress: &Running) -> String {
    format!("{:?}", progress.phase).to_lowercase()
}

fn stage_name(stage: PrepareStage) -> &'static str {
    match stage {
        PrepareStage::ReplicateContent => "1/5 replicate content",
        PrepareStage::DeployPages => "2/5 deploy pages",
        PrepareStage::UpgradeUpdater => "3/5 upgrade updater",
        PrepareStage::PersistCommands => "4/5 persist commands",
        PrepareStage::Finalise => "5/5 finalise",
    }
}

const fn is_settled(host: &RolloutHostView) -> bool {
    matches!(
        host.state,
        HostState::Succeeded { .. }
            | HostState::RolledBack { .. }
            | HostState::NeedsPerson { .. }
            | HostState::Ignored { .. }
    )
}

fn wave_text(wave: &WaveView) -> String {
    let back =
        wave.hosts.iter().filter(|host| matches!(host.state, HostState::RolledBack { .. })).count();
    let state = match wave.state {
        WaveState::Waiting => "waits",
        WaveState::Running => "runs",
        WaveState::Soaking => "is watched",
        WaveState::Done => "done",
    };
    if back == 0 { state.to_owned() } else { format!("{state}, {back} rolled back") }
}

/// How far a host's bar is: one way for prepare, one for the deployment. None: where it was.
fn position(host: &RolloutHostView, is_deploying: bool) -> Option<u64> {
    match (&host.state, host.report.as_ref().map(|report| &report.standing)) {
        (HostState::Preparing { stage }, _) => Some(PARTS * (*stage as u64) / 5),
        (HostState::Running { .. }, Some(Standing::Running { progress })) => {
            Some(PARTS * u64::from(progress.step_index) / u64::from(progress.steps.max(1)))
        }
        (HostState::Running { .. } | HostState::PrepareFailed { .. }, _) => None,
        (HostState::Prepared, _) if !is_deploying => Some(PARTS),
        (HostState::Succeeded { .. } | HostState::RolledBack { .. }, _) => Some(PARTS),
        _ => Some(0),
    }
}

/// What counts as a change for lines: state, sub-stage, leg and phase, not each step and not each second. Empty: not worth a line.
fn change(host: &RolloutHostView) -> String {
    match (&host.state, host.report.as_ref().map(|report| &report.standing)) {
        (HostState::Waiting { .. } | HostState::Due, _) => String::new(),
        (HostState::Running { .. }, Some(Standing::Running { progress })) => {
            format!("{} {} {}", progress.leg, progress.rolling_back, phase_name(progress))
        }
        (HostState::Running { phase, .. }, _) => phase.clone(),
        (state, _) => format!("{state:?}"),
    }
}
