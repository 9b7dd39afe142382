//! Agents against a real server over TLS: who is let in, and who is not.

use jiff::{SignedDuration, Timestamp};
use refit_ambient::{Ambient, Boxed, Clock};
use refit_client::{AgentClient, ApiClient, CertificateRequest, ClientError, Identity, enrol};
use refit_names::{Coded as _, HostName, RoleName, SiteName};
use refit_protocol::{
    agent::{PROTOCOL, SyncRequest},
    v1::NewEnrolmentToken,
};
use refit_server::{ServerHandle, ServerOptions};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

struct Fleet {
    server: ServerHandle,
    api: ApiClient,
    dir: TempDir,
}

async fn fleet() -> Fleet {
    fleet_under(Ambient::system()).await
}

async fn fleet_under(ambient: Ambient) -> Fleet {
    let dir = tempfile::tempdir().unwrap();
    let options = ServerOptions {
        state: dir.path().join("server"),
        listen: "127.0.0.1:0".parse().unwrap(),
        names: Vec::new(),
        console: None,
        database: None,
        repository: None,
        refresh_every: Duration::from_secs(3600),
        check_jitter: Duration::ZERO,
    };
    let server = refit_server::start(options, ambient).await.unwrap();
    let token = fs::read_to_string(&server.admin_token_path).unwrap();
    let authority = fs::read_to_string(&server.ca_path).unwrap();
    let api = ApiClient::new(&server.url, &token, Some(&authority)).unwrap();
    Fleet { server, api, dir }
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn report() -> SyncRequest {
    SyncRequest {
        backups: None,
        tests: Vec::new(),
        protocol: PROTOCOL,
        agent_version: "0".to_owned(),
        facts: None,
        order: None,
        journal: Vec::new(),
        csr: None,
        seen: 0,
        wait_ms: 0,
    }
}

impl Fleet {
    async fn token(&self, name: &str) -> String {
        let new = NewEnrolmentToken {
            host: Some(host(name)),
            site: SiteName::parse("north").unwrap(),
            role: RoleName::parse("app").unwrap(),
            expires_in_ms: 600_000,
        };
        self.api.enrolment_token(&new).await.unwrap().token
    }

    async fn enrol(&self, name: &str, token: &str) -> Result<Identity, ClientError> {
        let state = self.dir.path().join(name);
        enrol(&self.server.url, token, &host(name), &state).await.map(|enrolled| enrolled.identity)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolled_host_is_heard_and_its_token_opens_no_second_door() {
    let fleet = fleet().await;
    let token = fleet.token("web1").await;
    let identity = fleet.enrol("web1", &token).await.unwrap();
    assert_eq!((identity.note.site.as_str(), identity.note.role.as_str()), ("north", "app"));
    let answer = AgentClient::new(&identity).unwrap().sync(&report()).await.unwrap();
    assert_eq!((answer.journal_acknowledged, answer.assignment), (0, None));

    // The same folder: the token is not even shown. Another folder: the server refuses it.
    let error = fleet.enrol("web1", &token).await.err().unwrap();
    assert_eq!(error.code(), "agent.already-enrolled");
    let state = fleet.dir.path().join("thief");
    let error = enrol(&fleet.server.url, &token, &host("web1"), &state).await.err().unwrap();
    assert!(matches!(&error, ClientError::Problem(problem) if problem.status == 403), "{error:?}");
    assert_eq!(error.code(), "enrol.token-used");
    assert!(!Identity::folder(&state).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn token_for_one_host_does_not_let_in_another() {
    let fleet = fleet().await;
    let token = fleet.token("web1").await;
    let error = fleet.enrol("web2", &token).await.err().unwrap();
    assert!(matches!(&error, ClientError::Problem(problem) if problem.status == 403), "{error:?}");
    fleet.enrol("web1", &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_of_another_authority_is_refused() {
    let (ours, theirs) = (fleet().await, fleet().await);
    let foreign = theirs.enrol("web1", &theirs.token("web1").await).await.unwrap();
    let own = ours.enrol("web1", &ours.token("web1").await).await.unwrap();
    let mixed = Identity { authority: own.authority, note: own.note, ..foreign };
    let client = AgentClient::new(&mixed).unwrap();
    let error = client.sync(&report()).await.err().unwrap();
    assert!(matches!(error, ClientError::CertificateRefused { .. }), "{error:?}");
    assert_eq!(error.code(), "agent.foreign-certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_the_authority_of_the_token_is_not_trusted_and_the_token_survives() {
    let (ours, theirs) = (fleet().await, fleet().await);
    let token = ours.token("web1").await;
    let state = theirs.dir.path().join("web1");
    let error = enrol(&theirs.server.url, &token, &host("web1"), &state).await.err().unwrap();
    assert!(matches!(error, ClientError::ServerNotTrusted { .. }), "{error:?}");
    assert!(refit_names::chain(&error).contains("fingerprint"), "{}", refit_names::chain(&error));
    ours.enrol("web1", &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_server_is_unreachable_and_nothing_else() {
    let fleet = fleet().await;
    let identity = fleet.enrol("web1", &fleet.token("web1").await).await.unwrap();
    fleet.server.shutdown().await;
    let error = AgentClient::new(&identity).unwrap().sync(&report()).await.err().unwrap();
    assert_eq!(error.code(), "agent.server-unreachable");
}

fn agent(arguments: &[&str], state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
    command.args(arguments).arg("--state").arg(state).stdin(Stdio::null());
    command
}

fn stop(mut child: Child) -> std::process::ExitStatus {
    let id = i32::try_from(child.id()).unwrap();
    let process = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn program_enrols_reports_facts_and_stops_when_asked() {
    let fleet = fleet().await;
    let state = fleet.dir.path().join("web1");
    let config = fleet.dir.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    let token = fleet.token("web1").await;
    let enrolled = agent(
        &["enroll", "--server", &fleet.server.url, "--token", &token, "--host", "web1"],
        &state,
    )
    .status();
    assert!(enrolled.unwrap().success());

    let config = config.to_str().unwrap();
    let running = agent(&["run", "--config", config], &state).spawn().unwrap();
    let deadline = Instant::now() + DEADLINE;
    let facts = loop {
        if let Some(facts) = fleet.api.host(&host("web1")).await.unwrap().record.facts {
            break facts;
        }
        assert!(Instant::now() < deadline, "no facts arrived");
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (facts.os.as_str(), facts.agent_version.as_str()),
        ("linux", env!("CARGO_PKG_VERSION"))
    );

    // The state folder belongs to one agent.
    let second = agent(&["run", "--config", config], &state).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("locked"), "{said}");

    assert!(stop(running).success());
    let status = agent(&["status", "--json"], &state).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&status["identity"]["host"], &status["contact_problem"]),
        (&"web1".into(), &serde_json::Value::Null)
    );
}

/// The machine's clock, so many days behind.
struct Behind(AtomicI64);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::from_hours(24 * self.0.load(Ordering::Relaxed))
    }
    fn sleep(&self, duration: Duration) -> Boxed<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_that_ends_soon_is_renewed_over_the_call_and_shown_from_then_on() {
    let clock = Arc::new(Behind(25.into()));
    let ambient = Ambient { clock: clock.clone(), ..Ambient::system() };
    let fleet = fleet_under(ambient).await;
    let state = fleet.dir.path().join("web1");
    // A stolen request gives nothing while the certificate has long to live.
    let first = fleet.enrol("web1", &fleet.token("web1").await).await.unwrap();
    let csr = CertificateRequest::new(&host("web1")).unwrap().csr;
    let early = SyncRequest { csr: Some(csr), ..report() };
    let answer = AgentClient::new(&first).unwrap().sync(&early).await.unwrap();
    assert_eq!((answer.want_csr, answer.certificate), (false, None));
    // A certificate for another key is not taken.
    let other = CertificateRequest::new(&host("web1")).unwrap();
    let error = Identity::renew(&state, other, first.certificate.clone()).err().unwrap();
    assert_eq!(error.code(), "agent.tls-setup");
    assert_eq!(Identity::load(&state).unwrap().key, first.key);

    let config = fleet.dir.path().join("agent.toml");
    fs::write(&config, "").unwrap();
    let running = agent(&["run", "--config", config.to_str().unwrap()], &state).spawn().unwrap();
    clock.0.store(0, Ordering::Relaxed);
    let deadline = Instant::now() + DEADLINE;
    let second = loop {
        let found = Identity::load(&state).unwrap();
        if found.certificate != first.certificate {
            break found;
        }
        assert!(Instant::now() < deadline, "no other certificate came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(second.key != first.key && second.note == first.note);
    assert!(stop(running).success());
    assert!(!state.join("identity.partial").exists());
    // What is on disk is what the server takes, and it wants no other.
    let answer = AgentClient::new(&second).unwrap().sync(&report()).await.unwrap();
    assert!(!answer.want_csr);
    // The one before is still good for its last days, and asked to go.
    let answer = AgentClient::new(&first).unwrap().sync(&report()).await.unwrap();
    assert!(answer.want_csr);
}
