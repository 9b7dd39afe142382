//! States, moments and quantities as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use refit_names::{BuildId, ByteSize, WaveName, span};
use refit_packs::runbook::Phase;
use refit_protocol::agent::{Progress, Standing};
use refit_protocol::v1::{HostView, RolloutHostView, RolloutView, WaveState};
use refit_rollout::{HostState, PrepareStage, RolloutState};

/// A state in one word, with its colour and what more there is to say.
pub(crate) struct Word {
    /// One or two words.
    pub(crate) label: &'static str,
    /// `idle`, `busy`, `good`, `warn` or `bad`: a class of the style sheet.
    pub(crate) tone: &'static str,
    /// Why, or where exactly; may be empty.
    pub(crate) detail: String,
}

fn word(label: &'static str, tone: &'static str, detail: impl Into<String>) -> Word {
    Word { label, tone, detail: detail.into() }
}

/// A rollout's state; the detail says what unblocks it.
pub(crate) fn rollout(view: &RolloutView) -> Word {
    let name = &view.name;
    let prepared = hosts(view).filter(|host| host.state == HostState::Prepared).count();
    let wave = |at: &u32| {
        let found = usize::try_from(*at).ok().and_then(|at| view.waves.get(at));
        let by_place = || format!("wave {}", at.saturating_add(1));
        found.map_or_else(by_place, |wave| wave_title(&wave.name))
    };
    match &view.state {
        RolloutState::Draft => {
            word("draft", "idle", format!("Needs a plan: refit rollout plan {name}"))
        }
        RolloutState::Planned => word(
            "planned",
            "idle",
            format!("Needs people to agree to the plan: refit rollout agree {name}"),
        ),
        RolloutState::Agreed => word(
            "agreed",
            "idle",
            format!("Can be prepared, without any downtime: refit rollout prepare {name}"),
        ),
        RolloutState::Preparing => word(
            "preparing",
            "busy",
            format!(
                "{prepared} of {} hosts hold everything; nothing is down, it goes on by itself",
                hosts(view).count()
            ),
        ),
        RolloutState::Prepared => word(
            "prepared",
            "idle",
            format!("Needs to be authorised: refit rollout authorise {name}"),
        ),
        RolloutState::Authorised if view.configured => {
            word("authorised", "idle", format!("Can be deployed: refit rollout deploy {name}"))
        }
        RolloutState::Authorised => word(
            "authorised",
            "idle",
            format!("Needs to be configured: refit rollout configure {name}"),
        ),
        RolloutState::Deploying { wave: at } => {
            word("deploying", "busy", format!("{} runs; it goes on by itself", capital(&wave(at))))
        }
        RolloutState::Paused { wave: at, because } => word(
            "paused",
            "warn",
            format!("In {}: {because}. Goes on with: refit rollout resume {name}", wave(at)),
        ),
        RolloutState::Halted { wave: at, because } => word(
            "halted",
            "bad",
            format!(
                "In {}: {because}. Look at the hosts, then: refit rollout resume {name}, or cancel",
                wave(at)
            ),
        ),
        RolloutState::Completed => word("completed", "good", "Every wave is done"),
        RolloutState::Cancelled { because } => word("cancelled", "warn", because.clone()),
    }
}

/// All hosts of a rollout.
pub(crate) fn hosts(view: &RolloutView) -> impl Iterator<Item = &RolloutHostView> {
    view.waves.iter().flat_map(|wave| wave.hosts.iter())
}

/// Whether a host takes part and is heard of.
pub(crate) fn presence(host: &HostView) -> Word {
    match (host.record.retired_because(), host.reachable, host.record.last_seen) {
        (Some(because), _, _) => {
            let by = host.record.retired.as_ref();
            let by = by.map(|retired| format!(" by {}", retired.by)).unwrap_or_default();
            word("retired", "idle", format!("Retired{by}: {because}"))
        }
        (None, true, _) => word("reachable", "good", ""),
        (None, false, Some(_)) => word("silent", "warn", ""),
        (None, false, None) => word("never seen", "idle", ""),
    }
}

/// A wave's state.
pub(crate) fn wave(state: WaveState) -> Word {
    match state {
        WaveState::Waiting => word("waiting", "idle", ""),
        WaveState::Running => word("running", "busy", ""),
        WaveState::Soaking => word("soaking", "busy", "all hosts are finished; it is watched"),
        WaveState::Done => word("done", "good", ""),
    }
}

/// A host's state.
pub(crate) fn host(state: &HostState) -> Word {
    match state {
        HostState::Waiting { on } => word("waiting", "idle", on.clone()),
        HostState::Preparing { stage } => word("preparing", "busy", prepare_stage(*stage)),
        HostState::PrepareFailed { stage, cause } => {
            word("prepare failed", "warn", format!("{}: {cause}", prepare_stage(*stage)))
        }
        HostState::Prepared => word("prepared", "idle", "holds everything that it needs"),
        HostState::Due => word("due", "busy", "was told to go"),
        HostState::Running { phase, step } => word("running", "busy", format!("{phase} · {step}")),
        HostState::Succeeded { build } => word("succeeded", "good", format!("runs {build}")),
        HostState::RolledBack { build, cause } => {
            word("rolled back", "warn", format!("runs {build}: {cause}"))
        }
        HostState::NeedsPerson { cause } => word("needs a person", "bad", cause.clone()),
        HostState::Ignored { because } => word("ignored", "idle", because.clone()),
    }
}

/// How far a host came, for its bar.
pub(crate) struct Bar {
    /// Of a hundred.
    pub(crate) percent: u64,
    /// Phase and step, or sub-stage and bytes; may be empty.
    pub(crate) what: String,
    /// Elapsed and expected time; may be empty.
    pub(crate) time: String,
}

/// What the bars of a rollout measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How far hosts are with fetching and checking.
    Preparation,
    /// How far hosts are with the change itself.
    Change,
}

/// What the bars of a rollout measure now.
pub(crate) fn measure(view: &RolloutView) -> Measure {
    match view.state {
        RolloutState::Draft
        | RolloutState::Planned
        | RolloutState::Agreed
        | RolloutState::Preparing
        | RolloutState::Prepared
        | RolloutState::Authorised => Measure::Preparation,
        RolloutState::Deploying { .. }
        | RolloutState::Paused { .. }
        | RolloutState::Halted { .. }
        | RolloutState::Completed
        | RolloutState::Cancelled { .. } => Measure::Change,
    }
}

/// How far a host came.
pub(crate) fn bar(host: &RolloutHostView, measure: Measure) -> Bar {
    let mut bar = moving(host, measure);
    if let Some(cause) = host.report.as_ref().and_then(|report| report.stuck.as_ref()) {
        bar.what = format!("cannot go on: {cause}");
        bar.time.clear();
    }
    bar
}

fn moving(host: &RolloutHostView, measure: Measure) -> Bar {
    let done = matches!(
        host.state,
        HostState::Succeeded { .. } | HostState::RolledBack { .. } | HostState::Ignored { .. }
    );
    let standing = host.report.as_ref().map(|report| &report.standing);
    let plain = |percent| Bar { percent, what: String::new(), time: String::new() };
    match standing {
        _ if done => plain(100),
        Some(Standing::Preparing { stage, done, total, .. }) => {
            let places = PrepareStage::ALL.len() as u64;
            let place =
                PrepareStage::ALL.iter().position(|other| other == stage).unwrap_or(0) as u64;
            let come = done.0.min(total.0).saturating_mul(100);
            let within = come.checked_div(total.0).unwrap_or(0);
            Bar {
                percent: (place * 100 + within) / places,
                what: format!("{} of {}", done, total),
                time: String::new(),
            }
        }
        Some(Standing::Running { progress }) => {
            let steps = u64::from(progress.steps.max(1));
            let way = if progress.rolling_back { "back: " } else { "" };
            let leg = if progress.legs > 1 {
                format!("leg {}/{} · ", progress.leg.saturating_add(1), progress.legs)
            } else {
                String::new()
            };
            Bar {
                percent: (u64::from(progress.step_index) * 100 / steps).min(100),
                what: format!("{leg}{way}{} · {}", phase(progress.phase), progress.step),
                time: run_time(progress),
            }
        }
        Some(Standing::Prepared { .. }) if measure == Measure::Preparation => plain(100),
        Some(Standing::Finished { .. }) => plain(100),
        _ => plain(0),
    }
}

/// How long it runs, what is left, how many bytes the step has done, and whom it waits for.
fn run_time(progress: &Progress) -> String {
    let spent = span(progress.elapsed_ms);
    let mut text = match progress.expected_left_ms {
        Some(left) => format!("{spent}, about {} left", span(left)),
        None => format!("{spent} of {}", span(progress.expected_ms)),
    };
    if progress.bytes_total > 0 {
        let (done, total) = (ByteSize(progress.bytes_done), ByteSize(progress.bytes_total));
        text.push_str(&format!(" · {done} of {total}"));
    }
    if let Some(asked) = &progress.question {
        let question = &asked.question;
        text.push_str(&format!(
            " · waits for {} until {}, asks: {}",
            question.ask(),
            moment(asked.until),
            question.text()
        ));
    }
    text
}

/// A sub-stage of prepare.
pub(crate) fn prepare_stage(stage: PrepareStage) -> &'static str {
    match stage {
        PrepareStage::ReplicateContent => "replicate content",
        PrepareStage::DeployPages => "deploy pages",
        PrepareStage::UpgradeUpdater => "upgrade updater",
        PrepareStage::PersistCommands => "persist commands",
        PrepareStage::Finalise => "finalise",
    }
}

/// A phase of a runbook.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Stage => "stage",
        Phase::Before => "before",
        Phase::Protect => "protect",
        Phase::Install => "install",
        Phase::After => "after",
        Phase::Finish => "finish",
    }
}

/// Builds with arrows between them.
pub(crate) fn path(builds: &[BuildId]) -> String {
    builds.iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ")
}

/// Names, or `nobody`.
pub(crate) fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = all.into_iter().map(|name| name.to_string()).collect();
    if all.is_empty() { "nobody".to_owned() } else { all.join(", ") }
}

/// A moment in UTC.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago, roughly.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    match u64::try_from(now.duration_since(at).as_millis()) {
        Ok(0..5_000) | Err(_) => "now".to_owned(),
        Ok(ms) => format!("{} ago", span(ms - ms % 1_000)),
    }
}

/// A word of the wire (`partly-signed`) as people write it.
pub(crate) fn wire(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text.replace('-', " "),
        _ => String::new(),
    }
}

/// What a wave is called in a sentence: planners often name it `wave-1` already.
pub(crate) fn wave_title(name: &WaveName) -> String {
    format!("wave {}", name.as_str().strip_prefix("wave-").unwrap_or(name.as_str()))
}

/// What was seen, and how long it took unless that was said already.
pub(crate) fn note(seen: &str, took_ms: u64) -> String {
    let took = span(took_ms);
    if seen.ends_with(&took) { seen.to_owned() } else { format!("{seen} · {took}") }
}

/// The text with a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether nothing more happens to a rollout by itself.
pub(crate) fn is_over(view: &RolloutView) -> bool {
    matches!(view.state, RolloutState::Completed | RolloutState::Cancelled { .. })
}

/// Whether nothing more happens to a host by itself.
pub(crate) fn is_finished(state: &HostState) -> bool {
    matches!(
        state,
        HostState::Succeeded { .. }
            | HostState::RolledBack { .. }
            | HostState::NeedsPerson { .. }
            | HostState::Ignored { .. }
    )
}
