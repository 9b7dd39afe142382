//! A server as the console sees it: one rollout in its middle, with text that tries to be markup.

use async_trait::async_trait;
use jiff::Timestamp;
use refit_console::{Answer, ConsoleSource, PackPage};
use refit_inventory::{Criticality, HostRecord, ObservedFacts, ObservedProduct, ServiceState};
use refit_journal::{Cause, OrderOutcome};
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, Percent, RolloutName, TargetName, TreePath,
};
use refit_packs::catalog::PackSummary;
use refit_packs::manifest::{IssueAction, KnownIssue, PackKind};
use refit_packs::runbook::Phase;
use refit_plan::{Advance, Excluded, Freeze, Opening, PLAN_FORMAT, PackPin, Plan, Window};
use refit_protocol::Problem;
use refit_protocol::agent::{
    Measured, OrderReport, PrepareEvidence, Progress, RunEvidence, Standing, StepRecord, TestPair,
    TestResult,
};
use refit_protocol::v1::{
    Acknowledgement, AdvisoryFinding, CertificateState, CertificateView, EventKind, EventView,
    Finding, HostRisk, HostView, PartySignature, PlanView, RepositoryView, Right, RiskEntryView,
    RolloutHostView, RolloutView, UpdateView, WaveState, WaveView, Whoami, WhyView, WindowView,
};
use refit_risk::{RiskReason, RiskScore};
use refit_rollout::{HostState, RolloutState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::Notify;

/// What a hostile author, host or person writes.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\" onload='x'";
/// The token that is good until it is taken back.
pub(crate) const TOKEN: &str = "rfu1.0123456789abcdef";

/// The server.
pub(crate) struct Sample {
    /// The one rollout.
    pub(crate) view: Mutex<RolloutView>,
    /// Whether [`TOKEN`] still counts.
    pub(crate) token_counts: Mutex<bool>,
    /// Wakes the followers.
    pub(crate) news: Notify,
}

impl Sample {
    pub(crate) fn new() -> Self {
        Self { view: Mutex::new(rollout()), token_counts: Mutex::new(true), news: Notify::new() }
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn builds(all: &[&str]) -> Vec<BuildId> {
    all.iter().map(|build| build.parse().unwrap()).collect()
}

fn risk() -> RiskScore {
    let reason = |code: &str, points, text: &str, mitigation: &str| RiskReason {
        code: code.to_owned(),
        points,
        text: text.to_owned(),
        mitigation: mitigation.to_owned(),
        ..RiskReason::default()
    };
    RiskScore {
        score: 45,
        reasons: vec![
            reason(
                "criticality",
                30,
                "criticality is high",
                "comes late, after hosts of the same role",
            ),
            reason("size", 15, HOSTILE, "backup is taken before"),
        ],
    }
}

fn evidence(after: &str) -> RunEvidence {
    let step = |step: &str, phase, kind: &str, result: &str, note: &str, took_ms| StepRecord {
        leg: 0,
        step: step.parse().unwrap(),
        phase,
        kind: kind.to_owned(),
        result: result.to_owned(),
        note: note.to_owned(),
        took_ms,
        advisory: kind == "check.memory",
    };
    RunEvidence {
        build_before: "1000".parse().unwrap(),
        build_after: after.parse().unwrap(),
        started_at: at(0),
        finished_at: at(9),
        downtime_ms: 1_834,
        prepare: PrepareEvidence {
            bytes_fetched: ByteSize(6_300_000),
            bytes_full: ByteSize(82_000_000),
            stages: Vec::new(),
            preflight: vec![Measured {
                what: "free space".to_owned(),
                found: "3.1 GiB".to_owned(),
                expected: "at least 212.0 MiB".to_owned(),
                ok: true,
            }],
        },
        tests: vec![TestPair {
            name: "serves".to_owned(),
            before: Some(TestResult { passed: true, note: "HTTP 200".to_owned(), took_ms: 9 }),
            after: Some(TestResult { passed: true, note: HOSTILE.to_owned(), took_ms: 12 }),
        }],
        steps: vec![
            step("disk", Phase::Before, "check.disk", "done", "3.1 GiB free", 3),
            step("memory", Phase::Before, "check.memory", "failed", "96 MiB available", 2),
            step("memory-again", Phase::Before, "check.memory", "failed", "95 MiB available", 2),
            step("stop", Phase::Protect, "service.stop", "done", "process 4711 left", 96),
            step("migrate", Phase::Install, "database.migrate", "failed", "left with status 1", 41),
        ],
        answers: Vec::new(),
        restored: Vec::new(),
        backups: vec![Digest::of(b"backup")],
        packs: vec![Digest::of(b"1100"), Digest::of(b"1200")],
        journal_head: Digest::of(b"journal"),
    }
}

/// One that somebody takes, one that nobody takes yet.
fn findings(after: &str) -> Vec<AdvisoryFinding> {
    let taken = |step: &str| Acknowledgement {
        host: "web-01".parse().unwrap(),
        step: step.parse().unwrap(),
        by: "owner".parse().unwrap(),
        at: at(30),
        reason: HOSTILE.to_owned(),
    };
    AdvisoryFinding::of(&evidence(after), &[taken("memory")])
}

fn host(name: &str, state: HostState, standing: Option<Standing>) -> RolloutHostView {
    let finished = match &state {
        HostState::Succeeded { build } | HostState::RolledBack { build, .. } => {
            Some(build.to_string())
        }
        _ => None,
    };
    let order = refit_plan::OrderKey {
        rollout: "ledger-1200".parse().unwrap(),
        generation: Generation::FIRST,
    };
    RolloutHostView {
        host: name.parse().unwrap(),
        risk: 10 + u32::try_from(name.len()).unwrap(),
        path: builds(&["1000", "1100", "1200"]),
        state,
        report: standing.map(|standing| OrderReport {
            key: order,
            plan: Digest::of(b"plan"),
            standing,
            stuck: None,
            at: at(4),
        }),
        reachable: name != "db-03",
        findings: finished.as_deref().map(findings).unwrap_or_default(),
        evidence: finished.as_deref().map(evidence),
        signed_off: name == "web-01",
    }
}

fn running(step_index: u32, step: &str, phase: Phase) -> Option<Standing> {
    Some(Standing::Running {
        progress: Progress {
            leg: 1,
            legs: 2,
            rolling_back: false,
            phase,
            step: step.parse().unwrap(),
            step_index,
            steps: 22,
            elapsed_ms: 4_200,
            expected_ms: 9_000,
            bytes_done: 0,
            bytes_total: 0,
            expected_left_ms: None,
            question: None,
        },
    })
}

fn rollout() -> RolloutView {
    let build = |text: &str| text.parse::<BuildId>().unwrap();
    let succeeded = || HostState::Succeeded { build: build("1200") };
    let finished = |name: &str| host(name, succeeded(), None);
    let go = |phase: &str, step: &str| HostState::Running {
        phase: phase.to_owned(),
        step: step.to_owned(),
    };
    let waiting = || HostState::Waiting { on: "wave 2".to_owned() };
    RolloutView {
        name: "ledger-1200".parse().unwrap(),
        product: "ledger".parse().unwrap(),
        target: build("1200"),
        way: Default::default(),
        state: RolloutState::Deploying { wave: 1 },
        configured: true,
        plan: Some(Digest::of(b"plan")),
        generation: Some(Generation::FIRST),
        author: "planner".parse().unwrap(),
        agreed_by: vec!["approver".parse().unwrap(), "owner".parse().unwrap()],
        authorised_by: Some("authoriser".parse().unwrap()),
        failures: 1,
        failure_budget: 1,
        deployed_at: Some(at(0)),
        waves: vec![
            WaveView {
                name: "1".parse().unwrap(),
                state: WaveState::Done,
                hosts: vec![finished("web-01"), finished("web-02")],
            },
            WaveView {
                name: "2".parse().unwrap(),
                state: WaveState::Running,
                hosts: vec![
                    host(
                        "web-03",
                        HostState::RolledBack { build: build("1100"), cause: HOSTILE.to_owned() },
                        None,
                    ),
                    host(
                        "web-04",
                        go("install", "migrate"),
                        running(15, "migrate", Phase::Install),
                    ),
                    host("db-03", go("protect", "backup"), running(6, "backup", Phase::Protect)),
                    host("db-04", HostState::Due, None),
                ],
            },
            WaveView {
                name: "3".parse().unwrap(),
                state: WaveState::Waiting,
                hosts: vec![host("db-01", waiting(), None), host("db-02", waiting(), None)],
            },
        ],
    }
}

fn missing(what: &str) -> Problem {
    Problem::new("rollout.not-found", 404, "not found", format!("there is no {what}"))
}

fn summary(to: &str) -> PackSummary {
    PackSummary {
        product: "ledger".parse().unwrap(),
        from: builds(&["1000", "1100"]).into_iter().collect(),
        to: to.parse().unwrap(),
        kind: PackKind::ServicePack,
        title: format!("Ledger {to}: faster reports {HOSTILE}"),
        record: TargetName::parse(format!("ledger-{to}.json")).unwrap(),
        record_digest: Digest::of(to.as_bytes()),
        size: ByteSize(41_000_000),
        blocked: BTreeMap::from([("900".parse().unwrap(), "has another schema".to_owned())]),
        supersedes: std::collections::BTreeSet::new(),
        floor: None,
        withdrawn: None,
        known_issues: vec![KnownIssue {
            id: "LED-17".to_owned(),
            text: "reports of closed years are slow".to_owned(),
            action: IssueAction::Warn,
            roles: BTreeSet::new(),
            facts: None,
        }],
        terms: refit_packs::manifest::Terms::default(),
    }
}

#[async_trait]
impl ConsoleSource for Sample {
    async fn whoami(&self, token: &str) -> Answer<Whoami> {
        if token == TOKEN && *self.token_counts.lock().unwrap() {
            return Ok(Whoami {
                name: "auditor".parse().unwrap(),
                rights: BTreeSet::from([Right::Auditor]),
            });
        }
        Err(Problem::new("server.unknown-token", 401, "the token is not known", "no such token"))
    }
    async fn rollouts(&self) -> Answer<Vec<RolloutView>> {
        Ok(vec![self.view.lock().unwrap().clone()])
    }
    async fn rollout(&self, name: &RolloutName) -> Answer<RolloutView> {
        let view = self.view.lock().unwrap().clone();
        if view.name == *name { Ok(view) } else { Err(missing("such rollout")) }
    }
    async fn plan(&self, name: &RolloutName) -> Answer<Option<PlanView>> {
        let pin = PackPin {
            to: "1200".parse().unwrap(),
            record: TargetName::parse("ledger-1200.json").unwrap(),
            digest: Digest::of(b"1200"),
            size: ByteSize(41_000_000),
        };
        let wave = refit_plan::PlannedWave {
            name: "1".parse().unwrap(),
            hosts: Vec::new(),
            goal: Percent::HUNDRED,
            failure_budget: 1,
            soak_ms: 60_000,
            timeout_ms: 259_200_000,
            parallel: 4,
            advance: Advance::Automatic,
        };
        let plan = Plan {
            format: PLAN_FORMAT.to_owned(),
            rollout: name.clone(),
            generation: Generation::FIRST,
            parent: None,
            made_at: at(-600),
            author: "planner".parse().unwrap(),
            product: "ledger".parse().unwrap(),
            target: "1200".parse().unwrap(),
            packs: vec![pin],
            waves: vec![wave],
            failure_budget: 1,
            excluded: vec![Excluded {
                host: "old-01".parse().unwrap(),
                because: "is retired".to_owned(),
            }],
            approvals_needed: 1,
            parts: BTreeSet::new(),
            deadline: None,
            emergency: None,
            staging: Vec::new(),
            begun: BTreeSet::new(),
            stated: BTreeSet::new(),
        };
        let report = vec![
            "8 hosts in 3 waves".to_owned(),
            "web-01 is the canary: its risk is the lowest".to_owned(),
        ];
        Ok(Some(PlanView { hash: Digest::of(b"plan"), plan, report, findings: Vec::new() }))
    }
    async fn why(&self, _: &RolloutName, host: &HostName) -> Answer<WhyView> {
        Ok(WhyView {
            host: host.clone(),
            because: "its wave has not started".to_owned(),
            unblocked_by: "wave 2 reaches its goal of 80 %".to_owned(),
            latest: Some(at(259_200)),
            placement: "risk 45, third wave".to_owned(),
            risk: risk(),
            findings: Vec::new(),
            restored: Vec::new(),
        })
    }
    async fn changed(&self) {
        self.news.notified().await;
    }
    async fn hosts(&self, filter: Option<&str>) -> Answer<Vec<HostView>> {
        if filter.is_some_and(|filter| filter != "risk > 1") {
            let text = "expression names `rsk` at character 1, which is not known";
            return Err(Problem::new("expression.unknown-name", 422, text, text));
        }
        let mut all = Vec::new();
        for name in ["web-01", "db-03"] {
            all.push(self.host(&name.parse().unwrap()).await?);
        }
        Ok(all)
    }
    async fn host(&self, name: &HostName) -> Answer<HostView> {
        let product = ObservedProduct {
            name: "ledger".parse().unwrap(),
            build: Some("1100".parse().unwrap()),
            root: "/srv/ledger".to_owned(),
            size: ByteSize(120_000_000),
            free: ByteSize(3_300_000_000),
            services: ServiceState::Running,
            parameters: BTreeMap::from([("port".parse().unwrap(), "18080".to_owned())]),
            backup_at: None,
            parts: Default::default(),
            quarantined: BTreeMap::from([("1200".parse().unwrap(), HOSTILE.to_owned())]),
        };
        let facts = ObservedFacts {
            observed_at: at(1),
            os: "linux".to_owned(),
            os_release: "Debian GNU/Linux 12".to_owned(),
            arch: "x86_64".to_owned(),
            kernel: "6.1".to_owned(),
            boot_id: "b".to_owned(),
            booted_at: Some(at(-9_000)),
            memory: ByteSize(4 << 30),
            virtualisation: None,
            agent_version: "0.1.0".to_owned(),
            products: vec![product],
        };
        let record = HostRecord {
            owner: Some("owner".parse().unwrap()),
            criticality: Criticality::High,
            tags: BTreeSet::from([HOSTILE.to_owned()]),
            last_seen: Some(at(2)),
            facts: Some(facts),
            ..HostRecord::new(name.clone(), "north".parse().unwrap(), "app".parse().unwrap())
        };
        Ok(HostView { record, reachable: name.as_str() != "db-03", risk: risk() })
    }
    async fn windows(&self) -> Answer<Vec<WindowView>> {
        let window = Window {
            name: "weekend-night".parse().unwrap(),
            about: HOSTILE.to_owned(),
            zone: "Europe/Berlin".to_owned(),
            starts: "2026-01-03T22:00".parse().unwrap(),
            rule: Some("FREQ=WEEKLY;BYDAY=SA".to_owned()),
            minutes: 360,
            class: refit_names::TimeClass::Weekend,
            except: BTreeSet::new(),
            extra: BTreeSet::new(),
        };
        let next = Opening {
            window: window.name.clone(),
            opens_at: "2026-03-28T21:00:00Z".parse().unwrap(),
            closes_at: "2026-03-29T03:00:00Z".parse().unwrap(),
        };
        Ok(vec![WindowView { window, open: None, next: Some(next), hosts: 3 }])
    }
    async fn freezes(&self) -> Answer<Vec<Freeze>> {
        Ok(vec![Freeze {
            name: "year-end".to_owned(),
            from: "2026-12-18T00:00:00Z".parse().unwrap(),
            until: "2027-01-05T05:00:00Z".parse().unwrap(),
            scope: refit_plan::Scope::default(),
            reason: HOSTILE.to_owned(),
        }])
    }
    async fn host_risk(&self, name: &HostName) -> Answer<HostRisk> {
        let level = |n| refit_risk::Level::new(n).unwrap();
        let exposure = |likelihood, impact| refit_risk::Exposure {
            likelihood: level(likelihood),
            impact: level(impact),
        };
        let entry = refit_risk::RiskEntry {
            id: 7,
            host: name.clone(),
            text: HOSTILE.to_owned(),
            exposure: exposure(4, 5),
            mitigation: "battery is replaced".to_owned(),
            status: refit_risk::RiskStatus::Mitigated {
                left: exposure(1, 3),
                by: "owner".parse().unwrap(),
                at: at(3),
            },
            owner: Some("owner".parse().unwrap()),
            due: Some(jiff::civil::date(2026, 6, 30)),
            by: "planner".parse().unwrap(),
            at: at(2),
        };
        Ok(HostRisk {
            host: name.clone(),
            site: "north".parse().unwrap(),
            role: "app".parse().unwrap(),
            risk: risk(),
            entries: vec![RiskEntryView { entry, score_before: 62, score_now: 45 }],
        })
    }
    async fn risks(&self, _: Option<&str>) -> Answer<Vec<HostRisk>> {
        Ok(vec![self.host_risk(&"db-03".parse().unwrap()).await?])
    }
    async fn updates(&self) -> Answer<Vec<UpdateView>> {
        Ok(vec![UpdateView {
            product: "ledger".parse().unwrap(),
            installed: "1000".parse().unwrap(),
            servers: 6,
            paths: vec![builds(&["1000", "1100"]), builds(&["1000", "1100", "1200"])],
            targets: Vec::new(),
            superseded_by: None,
            withdrawn: Some(HOSTILE.to_owned()),
        }])
    }
    async fn notifications(&self) -> Answer<Vec<EventView>> {
        Ok(vec![EventView {
            id: "msg_1".to_owned(),
            kind: EventKind::PackWithdrawn,
            at: at(1),
            findings: vec![Finding::Withdrawn {
                product: "ledger".parse().unwrap(),
                build: "1100".parse().unwrap(),
                reason: HOSTILE.to_owned(),
                servers: 3,
                rollouts: vec!["spring".parse().unwrap()],
            }],
            deliveries: Vec::new(),
        }])
    }
    async fn repository(&self) -> Answer<RepositoryView> {
        Ok(RepositoryView {
            url: "https://packs.example/metadata/".to_owned(),
            refreshed_at: Some(at(0)),
            problem: None,
            versions: BTreeMap::from([("root".to_owned(), 1)]),
            expires_at: Some(at(900_000)),
            packs: vec![summary("1100"), summary("1200")],
            check: None,
            absent: Vec::new(),
        })
    }
    async fn pack(&self, record: &Digest) -> Answer<PackPage> {
        let found =
            ["1100", "1200"].into_iter().map(summary).find(|pack| pack.record_digest == *record);
        Ok(PackPage {
            summary: found.ok_or_else(|| missing("such pack"))?,
            readme: format!("# Ledger\n\nFaster reports.\n\n{HOSTILE}\n"),
            web: vec![
                TreePath::parse("index.html").unwrap(),
                TreePath::parse("style.css").unwrap(),
            ],
        })
    }
    async fn pack_file(&self, _: &Digest, path: &TreePath) -> Answer<Vec<u8>> {
        match path.as_str() {
            "index.html" => Ok(b"<link rel=stylesheet href=style.css><h1>Ledger 1200</h1><script>document.body.innerHTML='script ran'</script><p>What is new.</p>".to_vec()),
            "style.css" => Ok(b"body { font-family: sans-serif; margin: 30px } h1 { color: teal }".to_vec()),
            _ => Err(missing("such page")),
        }
    }
    async fn certificates(&self, _: &RolloutName) -> Answer<Vec<CertificateView>> {
        let signed = |party| PartySignature {
            party,
            person: "owner".parse().unwrap(),
            at: at(99),
            remark: HOSTILE.to_owned(),
        };
        let view = |host: &str, state, signatures, missing| CertificateView {
            name: format!("north - {host} - 2026-09-21"),
            host: host.parse().unwrap(),
            state,
            signatures,
            missing,
            evidence: Digest::of(host.as_bytes()),
        };
        Ok(vec![
            view(
                "web-01",
                CertificateState::Final,
                vec![signed(Right::ApplicationOwner), signed(Right::Deployer)],
                BTreeSet::new(),
            ),
            view("web-02", CertificateState::Draft, Vec::new(), BTreeSet::from([Right::Deployer])),
        ])
    }
    async fn certificate_json(&self, _: &RolloutName, host: &HostName) -> Answer<Vec<u8>> {
        if host.as_str() == "web-01" {
            Ok(b"{}".to_vec())
        } else {
            Err(missing("certificate of the host"))
        }
    }
    async fn certificate_pdf(&self, _: &RolloutName, _: &HostName) -> Answer<Vec<u8>> {
        Ok(b"%PDF-1.7".to_vec())
    }
    async fn paper(&self, _: &RolloutName, file: &str) -> Answer<Vec<u8>> {
        Ok(file.as_bytes().to_vec())
    }
    async fn signing_key(&self) -> Answer<String> {
        Ok("-----BEGIN PUBLIC KEY-----\n".to_owned())
    }
}

/// Ends the host `web-04` of the rollout as `outcome` says.
pub(crate) fn finish(view: &mut RolloutView, outcome: OrderOutcome) {
    let hosts = view.waves.iter_mut().flat_map(|wave| wave.hosts.iter_mut());
    for host in hosts.filter(|host| host.host.as_str() == "web-04") {
        host.state = match &outcome {
            OrderOutcome::Succeeded { build } => HostState::Succeeded { build: build.clone() },
            OrderOutcome::RolledBack { build, cause: Cause { text, .. }, .. } => {
                HostState::RolledBack { build: build.clone(), cause: text.clone() }
            }
            OrderOutcome::NeedsPerson { cause } => {
                HostState::NeedsPerson { cause: cause.text.clone() }
            }
        };
        host.report = None;
    }
}
