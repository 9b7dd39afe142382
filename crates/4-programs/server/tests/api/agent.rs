//! An agent that keeps the protocol and does nothing else: reports, a hash-chained journal, no host behind it.

use crate::stage::Stage;
use jiff::Timestamp;
use refit_client::{AgentClient, ClientError, Identity, request_certificate};
use refit_inventory::{ObservedFacts, ObservedProduct, ServiceState};
use refit_journal::{Entry, EntryBody, OrderOutcome};
use refit_names::{BuildId, ByteSize, Digest, HostName};
use refit_protocol::agent::{
    OrderReport, PROTOCOL, PrepareEvidence, RunEvidence, Standing, StepRecord, SyncRequest,
    SyncResponse,
};
use std::collections::BTreeMap;

/// What the advisory check of the runbook found.
fn too_busy() -> StepRecord {
    StepRecord {
        leg: 0,
        step: "load".parse().unwrap(),
        phase: refit_packs::runbook::Phase::Stage,
        kind: "check.command".to_owned(),
        result: "failed".to_owned(),
        note: "92, expected at most 80".to_owned(),
        took_ms: 3,
        advisory: true,
    }
}

pub(crate) struct Agent {
    pub(crate) identity: Identity,
    pub(crate) client: AgentClient,
    journal: Vec<Entry>,
}

impl Agent {
    pub(crate) async fn enrol(stage: &Stage, host: &str) -> Self {
        let token = stage.token(Some(host), 60_000).await;
        Self::with_token(stage, host, &token).await.unwrap()
    }

    pub(crate) async fn with_token(
        stage: &Stage,
        host: &str,
        token: &str,
    ) -> Result<Self, ClientError> {
        let host = HostName::parse(host).unwrap();
        let enrolled = request_certificate(&stage.server.url, token, &host).await?;
        let client = AgentClient::new(&enrolled.identity)?;
        Ok(Self { identity: enrolled.identity, client, journal: Vec::new() })
    }

    pub(crate) async fn observe(&self, build: &str) -> SyncResponse {
        self.client.sync(&SyncRequest { facts: Some(facts(build)), ..quiet() }).await.unwrap()
    }

    /// As [`Agent::observe`], with a build in quarantine.
    pub(crate) async fn observe_kept_away(&self, build: &str, because: &str) -> SyncResponse {
        let mut facts = facts("1000");
        let build = BuildId::parse(build).unwrap();
        facts.products[0].quarantined.insert(build, because.to_owned());
        self.client.sync(&SyncRequest { facts: Some(facts), ..quiet() }).await.unwrap()
    }

    pub(crate) async fn ask(&self) -> SyncResponse {
        self.client.sync(&quiet()).await.unwrap()
    }

    /// Takes the order of the last answer and reports a standing on it.
    pub(crate) async fn report(&self, order: &SyncResponse, standing: Standing) -> SyncResponse {
        let order = &order.assignment.as_ref().unwrap().order;
        let report = OrderReport {
            key: order.key.clone(),
            plan: order.plan,
            standing,
            stuck: None,
            at: Timestamp::now(),
        };
        self.client.sync(&SyncRequest { order: Some(report), ..quiet() }).await.unwrap()
    }

    /// Writes the end of the order in the journal and reports it, as after a run from 1000 to `build`.
    pub(crate) async fn finish(
        &mut self,
        order: &SyncResponse,
        outcome: OrderOutcome,
        build: &str,
    ) {
        let key = order.assignment.as_ref().unwrap().order.key.clone();
        let now = Timestamp::now();
        for body in [EntryBody::DeployStarted {}, EntryBody::Finished { outcome: outcome.clone() }]
        {
            let last = self.journal.last().map(|entry| (entry.seq, entry.hash));
            self.journal.push(Entry::new(last, now, key.clone(), body).unwrap());
        }
        let evidence = RunEvidence {
            build_before: BuildId::parse("1000").unwrap(),
            build_after: BuildId::parse(build).unwrap(),
            started_at: now,
            finished_at: now,
            downtime_ms: 7,
            prepare: PrepareEvidence::default(),
            tests: Vec::new(),
            steps: vec![too_busy()],
            answers: Vec::new(),
            restored: Vec::new(),
            backups: Vec::new(),
            packs: Vec::new(),
            journal_head: self.journal.last().unwrap().hash,
        };
        let answer = self.send_journal(self.journal.clone()).await.unwrap();
        assert_eq!(answer.journal_acknowledged, self.journal.len() as u64);
        self.report(order, Standing::Finished { outcome, evidence: Box::new(evidence) }).await;
    }

    pub(crate) async fn send_journal(
        &self,
        journal: Vec<Entry>,
    ) -> Result<SyncResponse, ClientError> {
        self.client.sync(&SyncRequest { journal, ..quiet() }).await
    }

    /// Syncs as agents do, until the assignment is as wished.
    pub(crate) async fn until(&self, wished: impl Fn(&SyncResponse) -> bool) -> SyncResponse {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let mut seen = 0;
        while std::time::Instant::now() < deadline {
            let request = SyncRequest { seen, wait_ms: 2_000, ..quiet() };
            let answer = self.client.sync(&request).await.unwrap();
            if wished(&answer) {
                return answer;
            }
            seen = answer.seen;
        }
        panic!("the assignment did not come in time");
    }
}

pub(crate) fn quiet() -> SyncRequest {
    SyncRequest {
        backups: None,
        tests: Vec::new(),
        protocol: PROTOCOL,
        agent_version: "0.1.0".to_owned(),
        facts: None,
        order: None,
        journal: Vec::new(),
        csr: None,
        seen: 0,
        wait_ms: 0,
    }
}

pub(crate) fn entry(last: Option<(u64, Digest)>) -> Entry {
    let rollout = crate::stage::rollout_name("spring");
    let key = refit_plan::OrderKey { rollout, generation: refit_names::Generation::FIRST };
    Entry::new(last, Timestamp::now(), key, EntryBody::Prepared {}).unwrap()
}

fn facts(build: &str) -> ObservedFacts {
    let size = |n| ByteSize(n);
    ObservedFacts {
        observed_at: Timestamp::now(),
        os: "linux".to_owned(),
        os_release: "Debian GNU/Linux 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1".to_owned(),
        boot_id: "boot".to_owned(),
        booted_at: None,
        memory: size(1 << 30),
        virtualisation: None,
        agent_version: "0.1.0".to_owned(),
        products: vec![ObservedProduct {
            name: "ledger".parse().unwrap(),
            build: Some(BuildId::parse(build).unwrap()),
            root: "/srv/ledger".to_owned(),
            size: size(1 << 20),
            free: size(1 << 34),
            services: ServiceState::Running,
            parameters: BTreeMap::new(),
            backup_at: None,
            parts: Default::default(),
            quarantined: BTreeMap::new(),
        }],
    }
}
