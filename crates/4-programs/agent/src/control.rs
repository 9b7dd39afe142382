//! The agent's only way to the outside: its server, as one call and one source of content.

use refit_client::{AgentClient, ClientError, Identity, RepositorySource};
use refit_protocol::agent::{SyncRequest, SyncResponse};
use std::{future::Future, pin::Pin, sync::Arc};

/// An answer that is on its way.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<SyncResponse, ClientError>> + Send + 'a>>;

/// The server as an agent sees it. A simulated fleet has one of its own.
pub trait Control: Send + Sync + 'static {
    /// Carries a report up and desired state down.
    fn sync<'a>(&'a self, request: &'a SyncRequest) -> Answer<'a>;

    /// Where content comes from.
    ///
    /// # Errors
    /// [`ClientError::Address`] when the server's address cannot carry paths.
    fn repository(&self) -> Result<RepositorySource, ClientError>;

    /// Shows a renewed certificate from now on.
    ///
    /// # Errors
    /// [`ClientError`] when key and certificate cannot be used; the former ones stay.
    fn show(&self, renewed: &Identity) -> Result<(), ClientError>;
}

/// The real one: mutual TLS to the server that the host was enrolled with.
///
/// # Errors
/// [`ClientError`] when key, certificate or address cannot be used.
pub fn over_tls(identity: &Identity) -> Result<Arc<dyn Control>, ClientError> {
    Ok(Arc::new(AgentClient::new(identity)?))
}

impl Control for AgentClient {
    fn sync<'a>(&'a self, request: &'a SyncRequest) -> Answer<'a> {
        Box::pin(Self::sync(self, request))
    }

    fn repository(&self) -> Result<RepositorySource, ClientError> {
        self.source()
    }

    fn show(&self, renewed: &Identity) -> Result<(), ClientError> {
        Self::show(self, renewed)
    }
}
