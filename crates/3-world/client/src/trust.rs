//! Whom a client trusts: an authority known by certificate, or only by its fingerprint.

use crate::error::ClientError;
use refit_names::Digest;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::CertifiedKey,
};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Certificates of a PEM text.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match all {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(ClientError::Trust { what: "there is no certificate in the PEM text".into() }),
        Err(error) => Err(ClientError::Trust { what: error.to_string() }),
    }
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> Result<Arc<RootCertStore>, ClientError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(ClientError::Tls)?;
    }
    Ok(Arc::new(roots))
}

/// A client that trusts servers under `authority` (PEM) and shows no certificate.
pub(crate) fn config(authority: &str) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    Ok(http1(
        builder.with_root_certificates(roots(certificates(authority)?)?).with_no_client_auth(),
    ))
}

/// A client that trusts servers under `authority` (PEM) and shows what is `shown`.
pub(crate) fn mutual_config(
    authority: &str,
    shown: Arc<Shown>,
) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = builder
        .with_root_certificates(roots(certificates(authority)?)?)
        .with_client_cert_resolver(shown);
    Ok(http1(config))
}

/// The certificate that a client shows with its key; a renewed one takes its place while connections live.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// Of `chain` and `key`, both PEM, which have to belong together.
    pub(crate) fn new(chain: &str, key: &str) -> Result<Self, ClientError> {
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| ClientError::Trust { what: error.to_string() })?;
        let certified = CertifiedKey::from_der(certificates(chain)?, key, &provider())
            .map_err(ClientError::Tls)?;
        Ok(Self(RwLock::new(Arc::new(certified))))
    }

    pub(crate) fn replace(&self, by: Self) {
        let new = by.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A client that trusts the authority with this fingerprint, wherever it stands in the chain that the server shows.
pub(crate) fn pinned_config(
    fingerprint: Digest,
) -> Result<(ClientConfig, Arc<Pinned>), ClientError> {
    let pinned = Arc::new(Pinned { fingerprint, provider: provider(), seen: OnceLock::new() });
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Pinned>::clone(&pinned))
        .with_no_client_auth();
    Ok((http1(config), pinned))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// HTTP/1.1 only: an idle agent costs the server a fraction of an HTTP/2 session, and no call here gains from one.
fn http1(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Trusts one authority by its fingerprint.
#[derive(Debug)]
pub(crate) struct Pinned {
    fingerprint: Digest,
    provider: Arc<CryptoProvider>,
    seen: OnceLock<CertificateDer<'static>>,
}

/// Why a chain does not have the pinned authority.
#[derive(Debug, thiserror::Error)]
#[error(
    "none of the {shown} certificates that the server shows is the authority with fingerprint {expected}"
)]
struct NotInChain {
    expected: Digest,
    shown: usize,
}

impl Pinned {
    /// The certificate of the authority, once a connection was made.
    pub(crate) fn authority(&self) -> Option<&CertificateDer<'static>> {
        self.seen.get()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = rest.iter().find(|shown| Digest::of(shown) == self.fingerprint);
        let Some(authority) = authority else {
            let error = NotInChain { expected: self.fingerprint, shown: rest.len() + 1 };
            return Err(CertificateError::Other(OtherError(Arc::new(error))).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
        let verified = verifier.verify_server_cert(leaf, rest, name, ocsp, now)?;
        // A second connection sees the same certificate: the fingerprint says so.
        let _ = self.seen.set(authority.clone().into_owned());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
