//! A server with a signed repository of two packs and one person per right.

use refit_ambient::Ambient;
use refit_client::{ApiClient, ClientError};
use refit_names::{HostName, PersonName, RolloutName};
use refit_protocol::{
    Problem,
    v1::{NewEnrolmentToken, NewRollout, NewUser, Right, WaveShape},
};
use refit_server::{RepositoryOptions, ServerHandle, ServerOptions, start};
use std::{collections::BTreeSet, fs, path::Path, time::Duration};
use tempfile::TempDir;

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) server: ServerHandle,
    pub(crate) ca: String,
    pub(crate) admin: ApiClient,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::on(None).await
    }

    /// On another database than the default.
    pub(crate) async fn on(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = repository(folder.path()).await;
        let server = serve(folder.path(), &root, database).await;
        let ca = fs::read_to_string(&server.ca_path).unwrap();
        let token = fs::read_to_string(&server.admin_token_path).unwrap();
        let admin = ApiClient::new(&server.url, &token, Some(&ca)).unwrap();
        Self { folder, server, ca, admin }
    }

    /// Stops the server and starts it again on the same state.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, server, ca, .. } = self;
        let token = fs::read_to_string(&server.admin_token_path).unwrap();
        server.shutdown().await;
        let root = folder.path().join("root.json");
        let server = serve(folder.path(), &root, None).await;
        let admin = ApiClient::new(&server.url, &token, Some(&ca)).unwrap();
        Self { folder, server, ca, admin }
    }

    pub(crate) async fn person(&self, name: &str, rights: &[Right]) -> ApiClient {
        let name = PersonName::parse(name).unwrap();
        let new = NewUser { name, rights: rights.iter().copied().collect() };
        let created = self.admin.add_user(&new).await.unwrap();
        ApiClient::new(&self.server.url, &created.token, Some(&self.ca)).unwrap()
    }

    /// A token for `host`, or for any.
    pub(crate) async fn token(&self, host: Option<&str>, expires_in_ms: u64) -> String {
        let new = NewEnrolmentToken {
            host: host.map(|host| HostName::parse(host).unwrap()),
            site: "north".parse().unwrap(),
            role: "app".parse().unwrap(),
            expires_in_ms,
        };
        self.admin.enrolment_token(&new).await.unwrap().token
    }
}

pub(crate) fn new_rollout(name: &str) -> NewRollout {
    NewRollout {
        name: rollout_name(name),
        product: "ledger".parse().unwrap(),
        target: "1200".parse().unwrap(),
        way: Default::default(),
        hosts: BTreeSet::new(),
        waves: WaveShape { soak_ms: 1, ..WaveShape::default() },
        failure_budget: 1,
        approvals_needed: 1,
        demands: Default::default(),
    }
}

pub(crate) fn rollout_name(name: &str) -> RolloutName {
    RolloutName::parse(name).unwrap()
}

/// The problem that a call ended with.
pub(crate) fn problem<T>(answer: Result<T, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Problem(problem)) => problem,
        Err(other) => panic!("expected a problem, found {other}"),
        Ok(_) => panic!("expected a problem, found an answer"),
    }
}

async fn serve(folder: &Path, root: &Path, database: Option<String>) -> ServerHandle {
    let url = |name: &str| url::Url::from_directory_path(folder.join("repo").join(name)).unwrap();
    let options = ServerOptions {
        state: folder.join("server"),
        listen: "127.0.0.1:0".parse().unwrap(),
        names: vec!["refit.example".to_owned()],
        console: Some("127.0.0.1:0".parse().unwrap()),
        database,
        repository: Some(RepositoryOptions {
            metadata: url("metadata"),
            targets: url("targets"),
            root: root.to_owned(),
        }),
        refresh_every: Duration::from_secs(3600),
        check_jitter: Duration::ZERO,
    };
    start(options, Ambient::system()).await.unwrap()
}

/// Publishes `ledger` 1000 → 1100 → 1200; returns the pinned root.
async fn repository(folder: &Path) -> std::path::PathBuf {
    let (repo, keys) = (folder.join("repo"), folder.join("keys"));
    let now = jiff::Timestamp::now();
    let options = refit_forge::repo::InitOptions::default();
    let root = refit_forge::repo::init(&repo, &keys, &options, now).await.unwrap();
    let mut packs = Vec::new();
    for (from, to) in [("1000", "1100"), ("1100", "1200")] {
        let source = folder.join(format!("pack-{to}"));
        fs::create_dir_all(source.join("payload/bin")).unwrap();
        fs::create_dir_all(source.join("web")).unwrap();
        fs::write(source.join("payload/bin/ledger"), format!("build {to}")).unwrap();
        fs::write(source.join("web/index.html"), format!("<h1>ledger {to}</h1>")).unwrap();
        fs::write(source.join("README.md"), "what is new").unwrap();
        fs::write(source.join("pack.yaml"), manifest(from, to)).unwrap();
        fs::write(source.join("runbook.yaml"), runbook()).unwrap();
        let built = refit_forge::pack::build(&source).unwrap();
        let file = folder.join(built.file_name());
        refit_forge::pack_file::write(&built, &file, None).unwrap();
        packs.push(file);
    }
    let life = jiff::SignedDuration::from_hours(24);
    let published =
        refit_forge::repo::publish(&repo, &keys, &packs, None, life, now).await.unwrap();
    assert_eq!(published.added.len(), 2);
    let pinned = folder.join("root.json");
    fs::copy(root, &pinned).unwrap();
    pinned
}

/// The usual one, with a check that does not end an order. JSON is YAML.
fn runbook() -> String {
    let mut runbook = refit_packs::runbook::default_for_plain_service();
    let load = r#"{"id":"load","phase":"stage","severity":"advisory","do":{"check.command":{"run":["uptime"]}}}"#;
    runbook.steps.insert(0, serde_json::from_str(load).unwrap());
    serde_json::to_string(&runbook).unwrap()
}

fn manifest(from: &str, to: &str) -> String {
    format!(
        "format: refit.pack/1\nproduct: ledger\nfrom: [{from}]\nto: {to}\nkind: service-pack\n\
         title: Ledger {to}\nreadme: README.md\npayload: payload\nweb: web\nrunbook: runbook.yaml\nunit:\n  data: [data]\n"
    )
}
