//! One host of a rollout: why it stands where it stands, and what was proven.

use super::{frame, names};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words::{self, Bar, Word};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use refit_protocol::agent::{RunEvidence, StepRecord, TestResult};
use refit_protocol::question::AnswerRecord;
use refit_protocol::v1::{AdvisoryFinding, RolloutHostView, RolloutView, WhyView};
use refit_risk::RiskReason;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "rollout_host.html")]
struct HostPage {
    frame: Frame,
    rollout: String,
    host: String,
    path: String,
    state: Word,
    bar: Bar,
    reachable: bool,
    heard: String,
    because: String,
    unblocked_by: String,
    latest: String,
    placement: String,
    restored: Vec<String>,
    score: u32,
    reasons: Vec<RiskReason>,
    signed_off: bool,
    findings: Vec<FindingLine>,
    proof: Option<Proof>,
}

struct FindingLine {
    step: String,
    found: String,
    /// Who takes it, why and when; empty: nobody yet.
    taken: String,
}

struct Proof {
    times: String,
    downtime: String,
    bytes: String,
    journal: String,
    backups: Vec<String>,
    tests: Vec<(String, Seen, Seen)>,
    preflight: Vec<(String, String, String, bool)>,
    answers: Vec<[String; 4]>,
    steps: Vec<StepLine>,
}

struct Seen {
    label: &'static str,
    tone: &'static str,
    note: String,
}

struct StepLine {
    leg: u32,
    phase: &'static str,
    step: String,
    kind: String,
    result: String,
    tone: &'static str,
    note: String,
    took: String,
}

/// `GET /rollouts/{name}/hosts/{host}`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let (rollout, name) = names(path)?;
    let view = console.source.rollout(&rollout).await?;
    let Some(host) = words::hosts(&view).find(|host| host.host == name) else {
        return Err(reply::not_found(format!("rollout `{rollout}` has no host `{name}`")));
    };
    let why = console.source.why(&rollout, &name).await?;
    let frame = frame(&person, "rollouts", format!("{name} in {rollout}"));
    Ok(reply::html(&page(frame, &view, host, why)))
}

fn page(frame: Frame, rollout: &RolloutView, host: &RolloutHostView, why: WhyView) -> HostPage {
    HostPage {
        frame,
        rollout: rollout.name.to_string(),
        host: host.host.to_string(),
        path: words::path(&host.path),
        state: words::host(&host.state),
        bar: words::bar(host, words::measure(rollout)),
        reachable: host.reachable,
        heard: host.report.as_ref().map(|report| words::moment(report.at)).unwrap_or_default(),
        because: why.because,
        unblocked_by: why.unblocked_by,
        latest: why.latest.map(words::moment).unwrap_or_default(),
        placement: why.placement,
        restored: why.restored,
        score: why.risk.score,
        reasons: why.risk.reasons,
        signed_off: host.signed_off,
        findings: host.findings.iter().map(finding_line).collect(),
        proof: host.evidence.as_ref().map(proof),
    }
}

fn finding_line(finding: &AdvisoryFinding) -> FindingLine {
    let taken = finding.taken.as_ref();
    FindingLine {
        step: finding.step.to_string(),
        found: finding.found.clone(),
        taken: taken.map_or_else(String::new, |taken| {
            format!("{}, {}: {}", taken.by, words::moment(taken.at), taken.reason)
        }),
    }
}

fn proof(evidence: &RunEvidence) -> Proof {
    let prepare = &evidence.prepare;
    Proof {
        times: format!(
            "{} to {}",
            words::moment(evidence.started_at),
            words::moment(evidence.finished_at)
        ),
        downtime: refit_names::span(evidence.downtime_ms),
        bytes: format!("{} of {}", prepare.bytes_fetched, prepare.bytes_full),
        journal: evidence.journal_head.to_string(),
        backups: evidence.backups.iter().map(ToString::to_string).collect(),
        tests: evidence
            .tests
            .iter()
            .map(|pair| (pair.name.clone(), seen(pair.before.as_ref()), seen(pair.after.as_ref())))
            .collect(),
        preflight: prepare
            .preflight
            .iter()
            .map(|seen| (seen.what.clone(), seen.found.clone(), seen.expected.clone(), seen.ok))
            .collect(),
        answers: evidence.answers.iter().map(answer).collect(),
        steps: evidence.steps.iter().map(step_line).collect(),
    }
}

/// Step, whom it asked for what, the answer, and when.
fn answer(record: &AnswerRecord) -> [String; 4] {
    let answer = &record.answer;
    [
        record.step.to_string(),
        format!("{}: {}", record.asked, record.question),
        answer.to_string(),
        words::moment(answer.at),
    ]
}

fn seen(result: Option<&TestResult>) -> Seen {
    match result {
        None => Seen { label: "not run", tone: "idle", note: String::new() },
        Some(found) => Seen {
            label: if found.passed { "passed" } else { "failed" },
            tone: if found.passed { "good" } else { "bad" },
            note: words::note(&found.note, found.took_ms),
        },
    }
}

fn step_line(step: &StepRecord) -> StepLine {
    StepLine {
        leg: step.leg.saturating_add(1),
        phase: words::phase(step.phase),
        step: step.step.to_string(),
        kind: step.kind.clone(),
        result: step.result.clone(),
        tone: match step.result.as_str() {
            "done" => "good",
            "failed" => "bad",
            "undone" => "warn",
            _ => "idle",
        },
        note: step.note.clone(),
        took: refit_names::span(step.took_ms),
    }
}
