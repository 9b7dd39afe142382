//! A certificate of a host that took two legs, as tests need it.

use jiff::Timestamp;
use refit_documents::certificate::{
    CertificateEvidence, CertificateInput, JournalEvidence, People,
};
use refit_journal::{Cause, OrderOutcome};
use refit_names::{ByteSize, Digest, Generation, TargetName};
use refit_packs::runbook::Phase;
use refit_plan::PackPin;
use refit_protocol::agent::{
    Measured, PrepareEvidence, RunEvidence, StepRecord, TestPair, TestResult,
};
use refit_protocol::v1::{Acknowledgement, PartySignature, Right};
use refit_risk::{RiskReason, RiskScore};
use std::collections::BTreeSet;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn test_result(note: &str, passed: bool) -> Option<TestResult> {
    Some(TestResult { passed, note: note.to_owned(), took_ms: 12 })
}

fn pin(to: &str) -> PackPin {
    PackPin {
        to: to.parse().unwrap(),
        record: TargetName::parse(format!("ledger-{to}.record.json")).unwrap(),
        digest: Digest::of(to.as_bytes()),
        size: ByteSize(41_000_000),
    }
}

fn steps() -> Vec<StepRecord> {
    let rows = [
        ("disk", Phase::Before, "check.disk", "done", "3.1 GiB free, 212.0 MiB needed", 3),
        (
            "load",
            Phase::Before,
            "check.command",
            "failed",
            "host.check-failed: 92, at most 80: a report runs",
            7,
        ),
        ("serves-before", Phase::Before, "test", "done", "HTTP 200 on 127.0.0.1:18080/health", 11),
        ("close", Phase::Protect, "traffic.close", "done", "closed to writes", 24),
        ("stop", Phase::Protect, "service.stop", "done", "process 4711 left after 90 ms", 96),
        ("backup", Phase::Protect, "backup.take", "done", "3 files and 1 database, 18.4 MiB", 310),
        ("backup-check", Phase::Protect, "backup.verify", "done", "read back, 3 files equal", 120),
        ("switch", Phase::Install, "install.switch", "done", "current leads to the new release", 2),
        (
            "migrate",
            Phase::Install,
            "database.migrate",
            "not needed",
            "schema is that of the build already",
            41,
        ),
        ("start", Phase::After, "service.start", "done", "ready after 140 ms", 152),
        ("serves", Phase::After, "test", "done", "HTTP 200 on 127.0.0.1:18080/health", 9),
        ("open", Phase::Finish, "traffic.open", "done", "open to writes", 18),
    ];
    (0..2)
        .flat_map(|leg| rows.iter().map(move |row| (leg, row)))
        .map(|(leg, (step, phase, kind, result, note, took_ms))| StepRecord {
            leg,
            step: step.parse().unwrap(),
            phase: *phase,
            kind: (*kind).to_owned(),
            result: (*result).to_owned(),
            note: (*note).to_owned(),
            took_ms: *took_ms,
            advisory: *kind == "check.command",
        })
        .collect()
}

fn run() -> RunEvidence {
    let measured = |what: &str, found: &str, expected: &str, ok| Measured {
        what: what.to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
        ok,
    };
    RunEvidence {
        build_before: "1000".parse().unwrap(),
        build_after: "1200".parse().unwrap(),
        started_at: at(0),
        finished_at: at(9),
        downtime_ms: 1_834,
        prepare: PrepareEvidence {
            bytes_fetched: ByteSize(6_300_000),
            bytes_full: ByteSize(82_000_000),
            stages: Vec::new(),
            preflight: vec![
                measured(
                    "free space on the product's volume",
                    "3.1 GiB",
                    "at least 212.0 MiB",
                    true,
                ),
                measured("installed build", "1000", "1000", true),
                measured("architecture", "x86_64", "x86_64", true),
            ],
        },
        tests: vec![
            TestPair {
                name: "serves".to_owned(),
                before: test_result("HTTP 200", true),
                after: test_result("HTTP 200", true),
            },
            TestPair {
                name: "report".to_owned(),
                before: None,
                after: test_result("body has `balance`", true),
            },
        ],
        steps: steps(),
        answers: Vec::new(),
        restored: Vec::new(),
        backups: vec![Digest::of(b"backup 1"), Digest::of(b"backup 2")],
        packs: vec![Digest::of(b"1100"), Digest::of(b"1200")],
        journal_head: Digest::of(b"journal"),
    }
}

/// A certificate that all parties signed.
pub(crate) fn signed() -> CertificateInput {
    let signature = |party, person: &str, second, remark: &str| PartySignature {
        party,
        person: person.parse().unwrap(),
        at: at(second),
        remark: remark.to_owned(),
    };
    CertificateInput {
        evidence: CertificateEvidence {
            host: "web-07".parse().unwrap(),
            site: "north".parse().unwrap(),
            role: "app".parse().unwrap(),
            product: "ledger".parse().unwrap(),
            rollout: "ledger-1200".parse().unwrap(),
            plan: Digest::of(b"plan"),
            generation: Generation::FIRST,
            outcome: OrderOutcome::Succeeded { build: "1200".parse().unwrap() },
            run: run(),
            journal: JournalEvidence { entries: 61, head: Digest::of(b"journal") },
            way: Default::default(),
            packs: vec![pin("1100"), pin("1200")],
            risk: RiskScore {
                score: 35,
                reasons: vec![RiskReason {
                    code: "criticality".to_owned(),
                    points: 30,
                    text: "criticality is high".to_owned(),
                    mitigation: "place it in a late wave, after hosts of the same role".to_owned(),
                    ..RiskReason::default()
                }],
            },
            people: People {
                author: "planner".parse().unwrap(),
                approvers: vec!["approver".parse().unwrap(), "owner".parse().unwrap()],
                authoriser: Some("authoriser".parse().unwrap()),
                deployer: Some("deployer".parse().unwrap()),
            },
            acknowledged: vec![Acknowledgement {
                host: "web-07".parse().unwrap(),
                step: "load".parse().unwrap(),
                by: "owner".parse().unwrap(),
                at: at(50),
                reason: "the nightly report runs".to_owned(),
            }],
        },
        parties: BTreeSet::from([Right::Deployer, Right::ApplicationOwner]),
        signatures: vec![
            signature(Right::Deployer, "deployer", 60, "no remarks"),
            signature(
                Right::ApplicationOwner,
                "owner",
                95,
                "month-end report printed and compared",
            ),
        ],
    }
}

/// The same host, taken back to the build of the first leg, signed by one party only.
pub(crate) fn rolled_back() -> CertificateInput {
    let mut input = signed();
    input.evidence.host = "db-02".parse().unwrap();
    input.evidence.acknowledged.clear();
    input.evidence.outcome = OrderOutcome::RolledBack {
        build: "1100".parse().unwrap(),
        refused: "1200".parse().unwrap(),
        cause: Cause {
            code: "host.step-failed".to_owned(),
            text: "step `migrate` failed: `bin/ledger migrate` left with status 1, expected 0: account `A-17` has two owners".to_owned(),
        },
    };
    let run = &mut input.evidence.run;
    run.build_after = "1100".parse().unwrap();
    if let Some(step) = run.steps.iter_mut().rev().find(|step| step.step.as_str() == "migrate") {
        step.result = "failed".to_owned();
        step.note = "status 1: account `A-17` has two owners".to_owned();
    }
    run.tests[1].after = test_result("status 500", false);
    input.signatures.pop();
    input
}
