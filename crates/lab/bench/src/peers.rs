//! Peers that are installed and started by the benchmark itself.

use crate::child::{Measured, until};
use anyhow::{Context, Result, bail};
use refit_testkit::free_port;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The hawkBit-compatible update server that is installed from PyPI.
pub const GOOSEBIT: &str = "goosebit==0.2.12";

const GOOSEBIT_SCHEMA: &str = "
import asyncio
from tortoise import Tortoise
from goosebit.db.config import TORTOISE_CONF
async def main():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
asyncio.run(main())
";

/// gooseBit with SQLite and its one worker, on loopback.
pub struct GooseBit {
    /// The process.
    pub process: Measured,
    /// Where devices poll, without their name.
    pub poll_url: String,
}

impl GooseBit {
    /// Installs it below `dir` and starts it.
    pub async fn start(dir: &Path) -> Result<Self> {
        let venv = dir.join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip")).args(["install", "-q", GOOSEBIT]))?;
        let python = venv.join("bin/python");
        let environment = [
            ("GOOSEBIT_DB_URI", format!("sqlite:///{}", dir.join("db.sqlite3").display())),
            ("GOOSEBIT_ARTIFACTS_DIR", dir.join("artifacts").display().to_string()),
        ];
        run(Command::new(&python)
            .args(["-c", GOOSEBIT_SCHEMA])
            .envs(environment.clone())
            .current_dir(dir))?;
        let port = free_port();
        let log = std::fs::File::create(dir.join("goosebit.log"))?;
        let process = Measured::start(
            Command::new(&python)
                .args([
                    "-m",
                    "uvicorn",
                    "goosebit:app",
                    "--host",
                    "127.0.0.1",
                    "--log-level",
                    "error",
                ])
                .args(["--port", &port.to_string()])
                .envs(environment)
                .current_dir(dir)
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        let poll_url = format!("http://127.0.0.1:{port}/DEFAULT/controller/v1/");
        let first = format!("{poll_url}first");
        until("gooseBit's first answer", Duration::from_secs(60), async || {
            reqwest::get(&first).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await?;
        Ok(Self { process, poll_url })
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// The floor for held connections: one task per TLS connection that waits for a byte. Runs until it is ended.
///
/// Prints the certificate's path first, so that the parent knows that it listens.
pub async fn raw_tls_server(port: u16, certificate_out: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(
        vec![made.cert.der().clone()],
        rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(anyhow::Error::msg)?,
    )?;
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    let mut file = std::fs::File::create(certificate_out)?;
    file.write_all(made.cert.pem().as_bytes())?;
    loop {
        let (socket, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(socket).await else { return };
            let mut byte = [0; 1];
            while stream.read_exact(&mut byte).await.is_ok() {
                if stream.write_all(&byte).await.is_err() {
                    return;
                }
            }
        });
    }
}
