//! The agent's calls, with its certificate.

use crate::{
    error::ClientError,
    http,
    identity::Identity,
    trust::{self, Shown},
};
use refit_protocol::agent::{
    METADATA_PATH, SYNC_PATH, SyncRequest, SyncResponse, TARGETS_PATH, WAIT_MS_MAX,
};
use std::{sync::Arc, time::Duration};
use url::Url;

/// What an answer may take beyond the time for which the server was asked to hold it.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Tries of one call whose connection ended before the answer. With TLS 1.3 a server refuses a certificate after the client's
/// part of the handshake is over: the refusal may be lost with the connection, and the next try tells it.
const TRIES_MAX: u32 = 4;

/// A connection of one host to its server.
#[derive(Clone)]
pub struct AgentClient {
    http: reqwest::Client,
    server: Url,
    sync: Url,
    shown: Arc<Shown>,
}

/// Where the server serves the signed repository, and with which client.
#[derive(Clone)]
pub struct RepositorySource {
    /// TUF metadata.
    pub metadata: Url,
    /// TUF targets.
    pub targets: Url,
    /// Shows the host's certificate.
    pub http: reqwest::Client,
}

impl AgentClient {
    /// Sets the connection up; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError`] when key, certificate or address cannot be used.
    pub fn new(identity: &Identity) -> Result<Self, ClientError> {
        let server = http::address(&identity.note.server)?;
        let shown = Arc::new(Shown::new(&identity.certificate, &identity.key)?);
        let config = trust::mutual_config(&identity.authority, Arc::<Shown>::clone(&shown))?;
        let sync = http::join(&server, SYNC_PATH)?;
        Ok(Self { http: http::client(Some(config))?, server, sync, shown })
    }

    /// Shows the renewed certificate from the next handshake on; connections that are open stay as they are.
    ///
    /// # Errors
    /// [`ClientError`] when key and certificate cannot be used; the former ones stay.
    pub fn show(&self, renewed: &Identity) -> Result<(), ClientError> {
        self.shown.replace(Shown::new(&renewed.certificate, &renewed.key)?);
        Ok(())
    }

    /// Carries a report up and desired state down; the server may hold it for `wait_ms`.
    ///
    /// # Errors
    /// [`ClientError`]; repeating the call is always right.
    pub async fn sync(&self, request: &SyncRequest) -> Result<SyncResponse, ClientError> {
        for _ in 1..TRIES_MAX {
            match self.call(request).await {
                Err(ClientError::Unreachable { source, .. })
                    if !source.is_connect() && !source.is_timeout() => {}
                answer => return answer,
            }
        }
        self.call(request).await
    }

    async fn call(&self, request: &SyncRequest) -> Result<SyncResponse, ClientError> {
        let wait = Duration::from_millis(request.wait_ms.min(WAIT_MS_MAX));
        http::send_json(self.http.post(self.sync.clone()).timeout(wait + ANSWER_TIME).json(request))
            .await
    }

    /// Where this host gets content from.
    ///
    /// # Errors
    /// [`ClientError::Address`] when the server's address cannot carry paths.
    pub fn source(&self) -> Result<RepositorySource, ClientError> {
        Ok(RepositorySource {
            metadata: http::join(&self.server, METADATA_PATH)?,
            targets: http::join(&self.server, TARGETS_PATH)?,
            http: self.http.clone(),
        })
    }

    /// The server's address.
    #[must_use]
    pub const fn server(&self) -> &Url {
        &self.server
    }
}
