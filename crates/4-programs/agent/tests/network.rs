//! The agent's network is an argument: here it has none, and a server that is a few lines.

use refit_agent::{Answer, Control, RunOptions, run};
use refit_ambient::Ambient;
use refit_client::{ClientError, Identity, IdentityNote, RepositorySource};
use refit_host::journal::{Journal, StepLog as _};
use refit_inventory::ObservedFacts;
use refit_names::{BuildId, ProductName};
use refit_protocol::agent::{ClearedBuild, SyncRequest, SyncResponse};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Hears every report, and only says which builds may come again.
#[derive(Clone, Default)]
struct Ear {
    heard: Arc<Mutex<Vec<SyncRequest>>>,
    cleared: Vec<ClearedBuild>,
}

impl Ear {
    /// Waits until a report is as wished.
    async fn until(&self, agent: &JoinHandle<Ended>, wished: impl Fn(&ObservedFacts) -> bool) {
        let began = Instant::now();
        let heard = |request: &SyncRequest| request.facts.as_ref().is_some_and(&wished);
        while !self.heard.lock().unwrap().iter().any(heard) {
            assert!(began.elapsed() < Duration::from_secs(20), "no such facts were reported");
            assert!(!agent.is_finished(), "the agent ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Control for Ear {
    fn sync<'a>(&'a self, request: &'a SyncRequest) -> Answer<'a> {
        self.heard.lock().unwrap().push(request.clone());
        let heard = request.journal.last().map_or(0, |entry| entry.seq);
        let answer = SyncResponse {
            backups: Default::default(),
            answers: Vec::new(),
            tests: Vec::new(),
            cleared: self.cleared.clone(),
            journal_acknowledged: heard,
            seen: 1,
            assignment: None,
            want_facts: false,
            want_csr: false,
            certificate: None,
        };
        Box::pin(async move { Ok(answer) })
    }

    fn repository(&self) -> Result<RepositorySource, ClientError> {
        let nowhere = |name: &str| format!("file:///nowhere/{name}/").parse().unwrap();
        Ok(RepositorySource {
            metadata: nowhere("metadata"),
            targets: nowhere("targets"),
            http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
        })
    }

    fn show(&self, _: &Identity) -> Result<(), ClientError> {
        unreachable!("it gives no certificate")
    }
}

type Ended = Result<(), refit_agent::AgentError>;

/// A host that was let in; its agent runs with what `toml` configures.
fn start(state: PathBuf, toml: &str, ear: &Ear) -> JoinHandle<Ended> {
    let config = state.with_file_name("agent.toml");
    std::fs::write(&config, toml).unwrap();
    let note = IdentityNote {
        host: "web-1".parse().unwrap(),
        server: "https://nobody.invalid".to_owned(),
        site: "north".parse().unwrap(),
        role: "app".parse().unwrap(),
    };
    // No key opens anything here: whoever tried to use it would fail.
    let identity = Identity {
        key: String::new(),
        certificate: String::new(),
        authority: String::new(),
        tuf_root: String::new(),
        note,
    };
    identity.save(&state).unwrap();
    let control: Arc<dyn Control> = Arc::new(ear.clone());
    tokio::spawn(run(RunOptions { state, config }, Ambient::system(), |_| Ok(control)))
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_reports_through_the_network_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let ear = Ear::default();
    let agent = start(state, "", &ear);
    ear.until(&agent, |_| true).await;
    agent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn build_in_quarantine_comes_again_once_a_person_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (state, root) = (dir.path().join("state"), dir.path().join("ledger"));
    std::fs::create_dir(&state).unwrap();
    std::fs::create_dir_all(root.join("releases/1000")).unwrap();
    std::os::unix::fs::symlink("releases/1000", root.join("current")).unwrap();
    let product = ProductName::parse("ledger").unwrap();
    let build = |name: &str| BuildId::parse(name).unwrap();
    let journal = Journal::open(&state).unwrap();
    for name in ["1100", "1200"] {
        journal.quarantine(&product, &build(name), "the disk was full").unwrap();
    }
    drop(journal);
    let toml = format!(
        "[[product]]\nname = \"ledger\"\nroot = \"{}\"\n[product.service]\nkind = \"supervised\"\nrun = [\"/bin/sleep\", \"600\"]\n",
        root.display()
    );
    let cleared = vec![ClearedBuild { product, build: build("1200") }];
    let ear = Ear { cleared, ..Ear::default() };
    let agent = start(state, &toml, &ear);
    let kept = |facts: &ObservedFacts| facts.products[0].quarantined.clone();
    ear.until(&agent, |facts| kept(facts).keys().eq([&build("1100")])).await;
    agent.abort();
}
