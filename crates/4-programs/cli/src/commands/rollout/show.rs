//! Rollouts and plans as text.

use crate::{
    CliError, Exit,
    context::Context,
    output::{moment, table},
    span,
};
use refit_names::{BuildId, ByteSize, RolloutName};
use refit_plan::Way;
use refit_protocol::agent::{Progress, Standing};
use refit_protocol::v1::{AdvisoryFinding, PlanView, RolloutHostView, RolloutView, WhyView};
use refit_rollout::{HostState, RolloutState};

pub(super) fn plan(context: &Context, view: &PlanView) -> Result<Exit, CliError> {
    context.output.data(view, plan_text)?;
    // A plan that its judge objects to cannot be agreed to: scripts see that at once.
    Ok(if view.findings.is_empty() { Exit::Done } else { Exit::Blocked })
}

/// The plan as the plan itself tells it, then what planner and second judge say.
pub(super) fn plan_text(view: &PlanView) -> String {
    let mut lines = vec![format!("plan {}", view.hash), view.plan.describe().trim_end().to_owned()];
    lines.extend(view.report.iter().map(|remark| format!("planner: {remark}")));
    lines.extend(view.findings.iter().map(|finding| format!("second judge OBJECTS: {finding}")));
    lines.join("\n")
}

pub(super) fn rollouts(context: &Context, views: &[RolloutView]) -> Result<Exit, CliError> {
    context.output.data(views, |views| {
        let rows = views.iter().map(|view| {
            let hosts: usize = view.waves.iter().map(|wave| wave.hosts.len()).sum();
            [
                view.name.to_string(),
                view.product.to_string(),
                match view.way {
                    Way::Forward => view.target.to_string(),
                    Way::Removal => format!("back to {}", view.target),
                },
                state(&view.state),
                hosts.to_string(),
                view.failures.to_string(),
            ]
        });
        table(["rollout", "product", "target", "state", "hosts", "failures"], rows.collect())
    })?;
    Ok(Exit::Done)
}

pub(super) fn why(
    context: &Context,
    rollout: &RolloutName,
    view: &WhyView,
) -> Result<Exit, CliError> {
    context.output.data(view, |why| {
        let mut lines = vec![
            format!("{}: {}", why.host, why.because),
            format!("unblocked by: {}", why.unblocked_by),
            format!("at the latest: {}", why.latest.map_or("when that happens".to_owned(), moment)),
            format!("placed there because: {}", why.placement),
        ];
        lines.extend(
            why.risk.reasons.iter().map(|r| format!("  {:>3}  {}: {}", r.points, r.code, r.text)),
        );
        lines.extend(why.restored.iter().map(|told| format!("restored: {told}")));
        lines.extend(why.findings.iter().map(|finding| finding_line(why, rollout, finding)));
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

/// An advisory finding, with who takes it or how it is taken.
fn finding_line(why: &WhyView, rollout: &RolloutName, finding: &AdvisoryFinding) -> String {
    let AdvisoryFinding { step, found, taken, .. } = finding;
    let text = match taken {
        Some(taken) => {
            format!("acknowledged by {} on {}: {}", taken.by, taken.at, taken.reason)
        }
        None => format!(
            "nobody acknowledged it yet: refit rollout acknowledge {rollout} {} {step} --reason …",
            why.host
        ),
    };
    format!("advisory finding {step}: {found}\n  {text}")
}

/// Where a rollout stands, a row per host.
pub(super) fn status(view: &RolloutView) -> String {
    let mut lines = vec![format!("{}: {}, {}", view.name, view.goal(), state(&view.state))];
    if let (Some(plan), Some(generation)) = (&view.plan, view.generation) {
        let agreed: Vec<_> = view.agreed_by.iter().map(|person| person.as_str()).collect();
        let authorised = view.authorised_by.as_ref().map_or("nobody", |person| person.as_str());
        lines.push(format!(
            "plan {plan} (generation {generation}), agreed by {}, authorised by {authorised}",
            if agreed.is_empty() { "nobody".to_owned() } else { agreed.join(", ") }
        ));
    }
    lines.push(format!("{} of {} failures", view.failures, view.failure_budget));
    for wave in &view.waves {
        lines.push(format!("\n{} {:?}", wave.name, wave.state).to_lowercase());
        let rows = wave.hosts.iter().map(|host| {
            [
                format!("  {}", host.host),
                host.risk.to_string(),
                path(host.path.iter()),
                host_text(host),
            ]
        });
        lines.push(table(["  host", "risk", "path", "state"], rows.collect()));
    }
    lines.join("\n")
}

/// A rollout's state with its why.
pub(super) fn state(state: &RolloutState) -> String {
    match state {
        RolloutState::Deploying { wave } => format!("deploying wave {}", wave + 1),
        RolloutState::Paused { wave, because } => format!("paused in wave {}: {because}", wave + 1),
        RolloutState::Halted { wave, because } => format!("halted in wave {}: {because}", wave + 1),
        RolloutState::Cancelled { because } => format!("cancelled: {because}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// A host's state with its why and, while it runs, how far it is.
pub(super) fn host_text(host: &RolloutHostView) -> String {
    let report = host.report.as_ref().map(|report| &report.standing);
    let text = match (&host.state, report) {
        (HostState::Running { phase, step }, Some(Standing::Running { progress })) => {
            running(phase, step, progress)
        }
        // Only a stage that fetches has bytes to count.
        (HostState::Preparing { .. }, Some(Standing::Preparing { stage, done, total, pace }))
            if total.0 > 0 =>
        {
            let pace = pace.map_or_else(String::new, |pace| {
                format!(", {}/s, {} left", pace.per_second, span::text(pace.left_ms))
            });
            format!("preparing: {} {done} of {total}{pace}", kebab(stage))
        }
        (HostState::Waiting { on }, _) => format!("waiting for {on}"),
        (HostState::Preparing { stage }, _) => format!("preparing: {}", kebab(stage)),
        (HostState::PrepareFailed { stage, cause }, _) => {
            format!("prepare failed in {}: {cause}", kebab(stage))
        }
        (HostState::Prepared, _) => "prepared".to_owned(),
        (HostState::Due, _) => "due".to_owned(),
        (HostState::Running { phase, step }, _) => format!("{phase} {step}"),
        (HostState::Succeeded { build }, _) => format!("succeeded at build {build}"),
        (HostState::RolledBack { build, cause }, _) => {
            format!("rolled back to build {build}: {cause}")
        }
        (HostState::NeedsPerson { cause }, _) => format!("needs a person: {cause}"),
        (HostState::Ignored { because }, _) => format!("ignored: {because}"),
    };
    let open = host.findings.iter().filter(|finding| finding.taken.is_none());
    let open: Vec<_> = open.map(|finding| finding.step.as_str()).collect();
    let text = if open.is_empty() {
        text
    } else {
        format!("{text}; to be acknowledged: {}", open.join(", "))
    };
    let stuck = host.report.as_ref().and_then(|report| report.stuck.as_ref());
    let text = match stuck {
        Some(cause) => format!("{text}; cannot go on: {cause}"),
        None => text,
    };
    if host.reachable { text } else { format!("{text} (agent unreachable)") }
}

fn running(phase: &str, step: &str, progress: &Progress) -> String {
    let back = if progress.rolling_back { "rolling back: " } else { "" };
    let (at, of) = (progress.step_index + 1, progress.steps);
    let spent = span::text(progress.elapsed_ms);
    let left = match progress.expected_left_ms {
        Some(left) => format!("{spent}, about {} left", span::text(left)),
        None => format!("{spent} of about {}", span::text(progress.expected_ms)),
    };
    let mut text = format!("{back}{phase} {step}, step {at} of {of}");
    if progress.bytes_total > 0 {
        let (done, total) = (ByteSize(progress.bytes_done), ByteSize(progress.bytes_total));
        let share = u128::from(done.0) * 100 / u128::from(total.0);
        text.push_str(&format!(", {done} of {total} ({share} %)"));
    }
    if let Some(asked) = &progress.question {
        let (question, until) = (&asked.question, asked.until);
        text.push_str(&format!(
            ", waits for {} until {until}, asks: {} [{}]",
            question.ask(),
            question.text(),
            question.answers()
        ));
    }
    format!("{text}, {left}")
}

fn kebab<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn path<'a>(builds: impl IntoIterator<Item = &'a BuildId>) -> String {
    builds.into_iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ")
}
