//! What one server bears: authenticated syncs per CPU second, and memory per idle agent.

use crate::child::{Measured, programs, until};
use crate::peers::GooseBit;
use crate::row::{Better, Row};
use crate::{ROUNDS, peers};
use anyhow::{Context, Result};
use refit_client::{AgentClient, ApiClient, Identity, request_certificate};
use refit_inventory::ObservedFacts;
use refit_names::{ByteSize, HostName, RoleName, SiteName};
use refit_protocol::agent::{PROTOCOL, SyncRequest};
use refit_protocol::v1::NewEnrolmentToken;
use refit_testkit::free_port;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Agents that sync without pause, and connections that poll the peer: as many as the peer was measured with before.
const CONNECTIONS: usize = 16;
/// How long one round counts.
const ROUND: Duration = Duration::from_secs(5);
/// Idle agents whose memory is counted: enough that the server's own start does not show.
const IDLE_AGENTS: usize = 500;

/// Both cases.
pub async fn run() -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let server = Server::start(dir.path(), free_port()).await?;
    let mut identities = Vec::new();
    for number in 0..IDLE_AGENTS {
        identities.push(server.enrol(number).await?);
    }
    let syncs = syncs(&server, &identities, dir.path()).await?;
    let port = server.port;
    drop(server);
    let memory = memory(port, &identities, dir.path()).await?;
    Ok(vec![syncs, memory])
}

async fn syncs(server: &Server, identities: &[Identity], dir: &Path) -> Result<Row> {
    let peer_dir = dir.join("goosebit");
    std::fs::create_dir(&peer_dir)?;
    let peer = GooseBit::start(&peer_dir).await?;
    let clients: Vec<AgentClient> =
        identities.iter().take(CONNECTIONS).map(AgentClient::new).collect::<Result<_, _>>()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = server.process.cpu_seconds()?;
        let count = hammer(&clients, async |client: &AgentClient, _| {
            client.sync(&idle_request(0, 0)).await.map(|_| ()).map_err(Into::into)
        })
        .await?;
        ours.push(count as f64 / (server.process.cpu_seconds()? - before));
        let before = peer.process.cpu_seconds()?;
        let polls: Vec<(reqwest::Client, String)> = (0..CONNECTIONS)
            .map(|number| (reqwest::Client::new(), format!("{}device-{number}", peer.poll_url)))
            .collect();
        let count = hammer(&polls, async |(http, url): &(reqwest::Client, String), _| {
            http.get(url).send().await?.error_for_status()?;
            Ok(())
        })
        .await?;
        theirs.push(count as f64 / (peer.process.cpu_seconds()? - before));
    }
    Ok(Row::compare(
        ("sync", "authenticated idle syncs"),
        Better::More,
        (&ours, &theirs),
        &format!("{} (plain HTTP, no authentication)", peers::GOOSEBIT),
        "per server CPU second",
        0.1,
    ))
}

/// Lets every client repeat `call` for one round; how many calls were answered.
async fn hammer<C, F>(clients: &[C], call: F) -> Result<u64>
where
    C: Clone + Send + Sync + 'static,
    F: AsyncFn(&C, u64) -> Result<()>,
{
    let started = Instant::now();
    let each = clients.iter().map(async |client| {
        let mut count = 0;
        while started.elapsed() < ROUND {
            call(client, count).await?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let mut total = 0;
    for count in futures_util::future::join_all(each).await {
        total += count?;
    }
    Ok(total)
}

async fn memory(port: u16, identities: &[Identity], dir: &Path) -> Result<Row> {
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    // What a first call makes once and for all is not the agents'.
    let (warm_up, counted) = identities.split_at(identities.len() / 10);
    for _ in 0..ROUNDS {
        // A server that has served before holds freed memory, which would hide what the agents need.
        let server = Server::start(dir, port).await?;
        let mut held = JoinSet::new();
        hold(warm_up, &mut held).await?;
        settle(&server.process).await?;
        let before = server.process.resident_bytes()?;
        hold(counted, &mut held).await?;
        settle(&server.process).await?;
        let grown = server.process.resident_bytes()? - before;
        ours.push(grown / counted.len() as f64 / 1024.0);
        held.shutdown().await;
        floor.push(raw_task_kib(counted.len(), dir).await?);
    }
    Ok(Row::compare(
        ("sync", "memory per idle agent"),
        Better::Less,
        (&ours, &floor),
        "bare rustls connection in a tokio task",
        "KiB",
        3.0,
    ))
}

/// Connects agents, lets them report what they see, and leaves each in a sync that the server holds.
async fn hold(identities: &[Identity], held: &mut JoinSet<()>) -> Result<()> {
    for identity in identities {
        let client = AgentClient::new(identity)?;
        let report = SyncRequest { facts: Some(facts()), ..idle_request(0, 0) };
        let mut seen = client.sync(&report).await?.seen;
        held.spawn(async move {
            // The connection lives as long as this task: until the round ends.
            while let Ok(answer) = client.sync(&idle_request(seen, 50_000)).await {
                seen = answer.seen;
            }
        });
    }
    Ok(())
}

/// What a small host reports.
fn facts() -> ObservedFacts {
    ObservedFacts {
        observed_at: jiff::Timestamp::now(),
        os: "linux".to_owned(),
        os_release: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0".to_owned(),
        boot_id: "bench".to_owned(),
        booted_at: None,
        memory: ByteSize(1 << 30),
        virtualisation: None,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        products: Vec::new(),
    }
}

/// Waits until resident memory has stopped growing.
async fn settle(process: &Measured) -> Result<()> {
    let mut last = 0.0;
    until("memory at rest", Duration::from_secs(30), async || {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = process.resident_bytes().unwrap_or_default();
        let rests = (now - last).abs() < 64.0 * 1024.0;
        last = now;
        rests
    })
    .await
}

async fn raw_task_kib(connections: usize, dir: &Path) -> Result<f64> {
    let port = free_port();
    let certificate = dir.join(format!("raw-{port}.pem"));
    let mut command = Command::new(std::env::current_exe()?);
    let process =
        Measured::start(command.args(["raw-tls-server", &port.to_string()]).arg(&certificate))?;
    until("the bare server's certificate", Duration::from_secs(20), async || certificate.exists())
        .await?;
    let connector = connector(&certificate)?;
    let mut held = Vec::new();
    let before = process.resident_bytes()?;
    for _ in 0..connections {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        held.push(connector.connect("localhost".try_into()?, socket).await?);
    }
    settle(&process).await?;
    Ok((process.resident_bytes()? - before) / connections as f64 / 1024.0)
}

fn connector(certificate: &Path) -> Result<tokio_rustls::TlsConnector> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}

fn idle_request(seen: u64, wait_ms: u64) -> SyncRequest {
    SyncRequest {
        backups: None,
        tests: Vec::new(),
        protocol: PROTOCOL,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        facts: None,
        order: None,
        journal: Vec::new(),
        csr: None,
        seen,
        wait_ms,
    }
}

/// A control server of our own, with its defaults.
struct Server {
    process: Measured,
    port: u16,
    url: String,
    api: ApiClient,
}

impl Server {
    async fn start(dir: &Path, port: u16) -> Result<Self> {
        let state = dir.join("server");
        let process = Measured::start(
            Command::new(programs()?.join("refit"))
                .args(["server", "--listen", &format!("127.0.0.1:{port}"), "--state"])
                .arg(&state)
                .stdout(std::fs::File::create(dir.join("server.out"))?)
                .stderr(std::fs::File::create(dir.join("server.log"))?),
        )?;
        let url = format!("https://127.0.0.1:{port}");
        let (token, authority) = (state.join("admin.token"), state.join("ca.pem"));
        until("the server's first start", Duration::from_secs(60), async || {
            token.exists() && authority.exists()
        })
        .await?;
        let read =
            |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
        let api = ApiClient::new(&url, read(&token)?.trim(), Some(&read(&authority)?))?;
        until("the server's readiness", Duration::from_secs(60), async || {
            api.readyz().await.is_ok()
        })
        .await?;
        Ok(Self { process, port, url, api })
    }

    async fn enrol(&self, number: usize) -> Result<Identity> {
        let host = HostName::parse(format!("agent-{number}"))?;
        let token = self
            .api
            .enrolment_token(&NewEnrolmentToken {
                host: Some(host.clone()),
                site: SiteName::parse("bench")?,
                role: RoleName::parse("app")?,
                expires_in_ms: 600_000,
            })
            .await?;
        Ok(request_certificate(&self.url, &token.token, &host).await?.identity)
    }
}
