//! The agent's network is an argument: here it has none, and a server that is a few lines.

use refit_agent::{Answer, Control, RunOptions, run};
use refit_ambient::Ambient;
use refit_client::{ClientError, Identity, IdentityNote, RepositorySource};
use refit_protocol::agent::{SyncRequest, SyncResponse};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Hears every report and has nothing to say.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<SyncRequest>>>);

impl Control for Ear {
    fn sync<'a>(&'a self, request: &'a SyncRequest) -> Answer<'a> {
        self.0.lock().unwrap().push(request.clone());
        let heard = request.journal.last().map_or(0, |entry| entry.seq);
        let answer = SyncResponse {
            backups: Default::default(),
            answers: Vec::new(),
            tests: Vec::new(),
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

#[tokio::test(flavor = "multi_thread")]
async fn agent_reports_through_the_network_that_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (state, config) = (dir.path().join("state"), dir.path().join("agent.toml"));
    std::fs::create_dir(&state).unwrap();
    std::fs::write(&config, "").unwrap();
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
    let ear = Ear::default();
    let control: Arc<dyn Control> = Arc::new(ear.clone());
    let agent = tokio::spawn(run(RunOptions { state, config }, Ambient::system(), |_| Ok(control)));
    let began = Instant::now();
    while !ear.0.lock().unwrap().iter().any(|request| request.facts.is_some()) {
        assert!(began.elapsed() < Duration::from_secs(20), "no facts were reported");
        assert!(!agent.is_finished(), "the agent ended: {:?}", agent.await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    agent.abort();
}
