//! What stands on the pages, as texts that are ready to be set.

use crate::certificate::{CertificateError, CertificateEvidence, CertificateInput};
use crate::verify::party_name;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use refit_journal::{Cause, OrderOutcome};
use refit_names::{Digest, StepId, span};
use refit_plan::Way;
use refit_protocol::agent::{RunEvidence, TestPair, TestResult};
use refit_protocol::question::AnswerRecord;
use refit_protocol::v1::{Acknowledgement, AdvisoryFinding, CertificateState};
use serde::Serialize;

/// Longest text of one cell; the signed JSON has all of it.
const CELL_CHARS_MAX: usize = 160;

/// Longest root cause: it stands over the whole width and is what people look for first.
const CAUSE_CHARS_MAX: usize = 700;

/// All texts of the pages.
#[derive(Serialize)]
pub(super) struct Pages {
    title: &'static str,
    no_tests: &'static str,
    name: String,
    state: &'static str,
    year: i16,
    month: i8,
    day: i8,
    outcome: Outcome,
    facts: Vec<(&'static str, String)>,
    figures: Vec<(&'static str, String)>,
    risk: Vec<(String, String, String)>,
    tests: Vec<(String, Seen, Seen)>,
    preflight: Vec<(String, String, String, bool)>,
    answers: Vec<[String; 4]>,
    findings: Vec<[String; 5]>,
    steps: Vec<StepLine>,
    people: Vec<(&'static str, String)>,
    signatures: Vec<[String; 4]>,
    missing: Vec<String>,
    digests: Vec<(String, String)>,
    evidence: String,
}

#[derive(Serialize)]
struct Outcome {
    kind: &'static str,
    title: &'static str,
    before: String,
    after: String,
    text: String,
}

#[derive(Serialize)]
struct Seen {
    /// `passed`, `failed` or `not run`.
    result: &'static str,
    note: String,
}

#[derive(Serialize)]
struct StepLine {
    leg: u32,
    phase: String,
    step: String,
    kind: String,
    result: String,
    note: String,
    took: String,
}

impl Pages {
    /// Makes the texts of a certificate.
    pub(super) fn of(input: &CertificateInput) -> Result<Self, CertificateError> {
        let evidence = &input.evidence;
        let run = &evidence.run;
        let date = run.finished_at.to_zoned(TimeZone::UTC).date();
        let digest = input.evidence_digest()?;
        Ok(Self {
            title: match evidence.way {
                Way::Forward => "Certificate of upgrade",
                Way::Removal => "Certificate of removal",
            },
            no_tests: match evidence.way {
                Way::Forward => "No client tests were declared for this product.",
                Way::Removal => "No client tests were run: those of a pack are for its own build.",
            },
            name: input.name(),
            state: match input.state() {
                CertificateState::Draft => "draft",
                CertificateState::PartlySigned => "partly signed",
                CertificateState::Final => "final",
            },
            year: date.year(),
            month: date.month(),
            day: date.day(),
            outcome: outcome(evidence),
            facts: facts(evidence),
            figures: figures(evidence),
            risk: evidence
                .risk
                .reasons
                .iter()
                .map(|reason| {
                    (format!("+{}", reason.points), cell(&reason.text), cell(&reason.mitigation))
                })
                .collect(),
            tests: run.tests.iter().map(test).collect(),
            preflight: run
                .prepare
                .preflight
                .iter()
                .map(|seen| (cell(&seen.what), cell(&seen.found), cell(&seen.expected), seen.ok))
                .collect(),
            answers: run.answers.iter().map(answer).collect(),
            findings: findings(evidence),
            steps: steps(run),
            people: people(evidence),
            signatures: input
                .signatures
                .iter()
                .map(|signed| {
                    let party = party_name(signed.party).replace('-', " ");
                    [party, signed.person.to_string(), moment(signed.at), cell(&signed.remark)]
                })
                .collect(),
            missing: input
                .missing()
                .into_iter()
                .map(|party| party_name(party).replace('-', " "))
                .collect(),
            digests: digests(evidence),
            evidence: digest.to_string(),
        })
    }
}

/// Step, whom it asked for what, the answer, and when.
fn answer(record: &AnswerRecord) -> [String; 4] {
    let asked = format!("{}: {}", record.asked, record.question);
    let (step, answer) = (record.step.to_string(), record.answer.to_string());
    [step, cell(&asked), cell(&answer), moment(record.answer.at)]
}

/// Step, what it found, reason, who took it, and when; first what was found, then what was taken beforehand.
fn findings(evidence: &CertificateEvidence) -> Vec<[String; 5]> {
    let found = AdvisoryFinding::of(&evidence.run, &evidence.acknowledged);
    let beforehand = evidence.acknowledged.iter().filter(|taken| {
        let of_it = |finding: &AdvisoryFinding| finding.step == taken.step;
        !found.iter().any(of_it)
    });
    let said = |taken: Option<&Acknowledgement>| match taken {
        Some(taken) => [cell(&taken.reason), taken.by.to_string(), moment(taken.at)],
        None => ["not acknowledged".to_owned(), String::new(), String::new()],
    };
    let row = |step: &StepId, found: String, taken: Option<&Acknowledgement>| {
        let [reason, who, at] = said(taken);
        [step.to_string(), found, reason, who, at]
    };
    let rows = found.iter().map(|one| row(&one.step, cell(&one.found), one.taken.as_ref()));
    let nothing = beforehand.map(|taken| row(&taken.step, "found nothing".to_owned(), Some(taken)));
    rows.chain(nothing).collect()
}

fn outcome(evidence: &CertificateEvidence) -> Outcome {
    let run = &evidence.run;
    let why = |cause: &Cause| {
        format!("Cause: {} ({}).", line(&cause.text, CAUSE_CHARS_MAX), cell(&cause.code))
    };
    let (kind, title, text) = match &evidence.outcome {
        OrderOutcome::Succeeded { build } if evidence.way == Way::Removal => (
            "succeeded",
            "Removed",
            format!(
                "Build {} of {} was removed; build {build} runs again and was verified.",
                run.build_before, evidence.product
            ),
        ),
        OrderOutcome::RolledBack { build, cause, .. } if evidence.way == Way::Removal => (
            "rolled-back",
            "Not removed",
            format!(
                "Build {build} was not removed: it is in place again, with files and databases of one moment. {}",
                why(cause)
            ),
        ),
        OrderOutcome::Succeeded { build } => (
            "succeeded",
            "Upgraded",
            format!("Build {build} of {} runs and was verified.", evidence.product),
        ),
        OrderOutcome::RolledBack { build, refused, cause } => (
            "rolled-back",
            "Rolled back",
            format!(
                "Build {refused} was taken back; files and databases are those of build {build}, of one moment. {}",
                why(cause)
            ),
        ),
        OrderOutcome::NeedsPerson { cause } => (
            "needs-person",
            "Needs a person",
            format!("Neither forward nor back by itself. {}", why(cause)),
        ),
    };
    Outcome {
        kind,
        title,
        before: run.build_before.to_string(),
        after: run.build_after.to_string(),
        text,
    }
}

fn facts(evidence: &CertificateEvidence) -> Vec<(&'static str, String)> {
    vec![
        ("Server", evidence.host.to_string()),
        ("Site", evidence.site.to_string()),
        ("Role", evidence.role.to_string()),
        ("Product", evidence.product.to_string()),
        ("Rollout", format!("{}, plan generation {}", evidence.rollout, evidence.generation)),
        ("Began", moment(evidence.run.started_at)),
        ("Ended", moment(evidence.run.finished_at)),
    ]
}

fn figures(evidence: &CertificateEvidence) -> Vec<(&'static str, String)> {
    let run = &evidence.run;
    let whole = run.finished_at.duration_since(run.started_at).as_millis();
    let passed = |pair: &&TestPair| pair.after.as_ref().is_some_and(|after| after.passed);
    vec![
        ("downtime", span(run.downtime_ms)),
        ("from begin to end", span(u64::try_from(whole).unwrap_or_default())),
        ("fetched", format!("{} of {}", run.prepare.bytes_fetched, run.prepare.bytes_full)),
        (
            "tests passed",
            format!("{} of {}", run.tests.iter().filter(passed).count(), run.tests.len()),
        ),
        ("risk", format!("{} of 100", evidence.risk.score)),
    ]
}

fn test(pair: &TestPair) -> (String, Seen, Seen) {
    let seen = |result: &Option<TestResult>| match result {
        None => Seen { result: "not run", note: String::new() },
        Some(found) => Seen {
            result: if found.passed { "passed" } else { "failed" },
            note: note(&found.note, found.took_ms),
        },
    };
    (cell(&pair.name), seen(&pair.before), seen(&pair.after))
}

fn steps(run: &RunEvidence) -> Vec<StepLine> {
    let phase = |value| match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    };
    run.steps
        .iter()
        .map(|step| StepLine {
            leg: step.leg.saturating_add(1),
            phase: phase(step.phase),
            step: step.step.to_string(),
            kind: cell(&step.kind),
            result: cell(&step.result),
            note: cell(&step.note),
            took: span(step.took_ms),
        })
        .collect()
}

fn people(evidence: &CertificateEvidence) -> Vec<(&'static str, String)> {
    let people = &evidence.people;
    let nobody = || "nobody".to_owned();
    let approvers: Vec<String> = people.approvers.iter().map(ToString::to_string).collect();
    vec![
        ("Author of the plan", people.author.to_string()),
        ("Agreed to the plan", if approvers.is_empty() { nobody() } else { approvers.join(", ") }),
        ("Authorised", people.authoriser.as_ref().map_or_else(nobody, ToString::to_string)),
        ("Deployed", people.deployer.as_ref().map_or_else(nobody, ToString::to_string)),
    ]
}

fn digests(evidence: &CertificateEvidence) -> Vec<(String, String)> {
    let mut lines = vec![("Plan".to_owned(), evidence.plan.to_string())];
    for pack in &evidence.packs {
        let what = match evidence.way {
            Way::Forward => format!("Pack to {}", pack.to),
            Way::Removal => format!("Removed pack to {}", evidence.run.build_before),
        };
        lines.push((what, pack.digest.to_string()));
    }
    for (leg, backup) in evidence.run.backups.iter().enumerate() {
        lines.push((format!("Backup, leg {}", leg + 1), backup.to_string()));
    }
    let journal: Digest = evidence.journal.head;
    lines.push((format!("Journal, {} entries", evidence.journal.entries), journal.to_string()));
    lines
}

/// Text of people or programs for one cell: no control characters, not endless.
fn cell(text: &str) -> String {
    line(text, CELL_CHARS_MAX)
}

/// What a test saw, and how long it took unless that was said already.
fn note(seen: &str, took_ms: u64) -> String {
    let (seen, took) = (cell(seen), span(took_ms));
    if seen.ends_with(&took) { seen } else { format!("{seen} · {took}") }
}

fn line(text: &str, chars_max: usize) -> String {
    let mut short: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(chars_max).collect();
    if text.chars().nth(chars_max).is_some() {
        short.push('…');
    }
    short.trim().to_owned()
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
