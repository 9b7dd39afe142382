//! The server's own certificate, as handshakes show it: a renewed one takes its place while the server runs.

use crate::{ServerError, authority::Authority};
use refit_ambient::Ambient;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

/// What is shown, and what the next one is made of.
#[derive(Debug)]
pub(crate) struct Serving {
    folder: PathBuf,
    names: Vec<String>,
    shown: RwLock<Arc<CertifiedKey>>,
}

impl Serving {
    /// Takes the certificate in `folder`, or makes one that carries `names`.
    pub(crate) fn open(
        authority: &Authority,
        folder: PathBuf,
        names: Vec<String>,
        ambient: &Ambient,
    ) -> Result<Self, ServerError> {
        let first = authority.server_certificate(&folder, &names, ambient)?;
        Ok(Self { folder, names, shown: RwLock::new(Arc::new(first)) })
    }

    /// Shows another one from now on, when the life of this one is nearly over; true when it did.
    pub(crate) fn renew(
        &self,
        authority: &Authority,
        ambient: &Ambient,
    ) -> Result<bool, ServerError> {
        let current = authority.server_certificate(&self.folder, &self.names, ambient)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = shown.cert != current.cert;
        *shown = Arc::new(current);
        Ok(is_new)
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
