//! The internal certificate authority: signs the server's own certificate and those of agents.

use crate::{ServerError, files};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use refit_ambient::Ambient;
use refit_names::{Digest, HostName};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use std::{net::IpAddr, path::Path};

/// The authority lives as long as the fleet: its loss means enrolling every host again.
const AUTHORITY_DAYS: i64 = 3650;
/// The server's own certificate: renewed when less than a third is left.
const SERVER_DAYS: i64 = 90;
/// Agents' certificates: short, as a lost one cannot be called back. Hosts are asked for their next one when a third is left.
const AGENT_DAYS: i64 = 30;
/// Clocks of hosts that just booted are often slow.
const CLOCK_SKEW_MINUTES: i64 = 60;
/// What the URI in an agent's certificate begins with; the host's name follows.
const HOST_URI: &str = "spiffe://refit/host/";

/// The authority with its key.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate for an agent.
pub(crate) struct AgentCertificate {
    pub(crate) pem: String,
    pub(crate) serial: String,
    pub(crate) not_after: Timestamp,
}

/// What a verified client certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    /// Whose it is.
    pub(crate) host: HostName,
    not_after: Timestamp,
}

/// Why a signing request was not signed.
#[derive(Debug, thiserror::Error)]
#[error("certificate signing request cannot be signed")]
pub(crate) struct RequestError(#[source] rcgen::Error);

impl Authority {
    /// Opens the authority in `folder`, or makes it.
    pub(crate) fn open(folder: &Path, ambient: &Ambient) -> Result<Self, ServerError> {
        let (key_file, certificate_file) = (folder.join("ca.key.pem"), folder.join("ca.pem"));
        if let (Some(key), Some(pem)) = (files::read(&key_file)?, files::read(&certificate_file)?) {
            let key = KeyPair::from_pem(&key)
                .map_err(ServerError::authority("read the authority's key"))?;
            let issuer = Issuer::from_ca_cert_pem(&pem, key)
                .map_err(ServerError::authority("read the authority's certificate"))?;
            let der = CertificateDer::from_pem_slice(pem.as_bytes())
                .map_err(ServerError::authority("read the authority's certificate"))?;
            return Ok(Self { issuer, pem, der });
        }
        let make = ServerError::authority("make the authority");
        let key = KeyPair::generate().map_err(&make)?;
        let mut params = params(ambient, "Refit authority", AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(&make)?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        // The key first: a certificate without its key would look like a whole authority at the next start.
        files::write_secret(&key_file, key.serialize_pem().as_bytes())?;
        files::write_public(&certificate_file, pem.as_bytes())?;
        Ok(Self { issuer: Issuer::new(params, key), pem, der })
    }

    /// Its certificate, PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate.
    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of its certificate: what enrolment tokens carry.
    pub(crate) fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// The server's own certificate: that in `folder` when it has long enough to live and all names, or a new one.
    pub(crate) fn server_certificate(
        &self,
        folder: &Path,
        names: &[String],
        ambient: &Ambient,
    ) -> Result<CertifiedKey, ServerError> {
        let (key_file, certificate_file) =
            (folder.join("server.key.pem"), folder.join("server.pem"));
        if let (Some(key), Some(pem)) = (files::read(&key_file)?, files::read(&certificate_file)?)
            && still_good(&pem, names, ambient.clock.now())
        {
            return self.serving(&key, &pem);
        }
        let make = ServerError::authority("make the server's certificate");
        let key = KeyPair::generate().map_err(&make)?;
        let mut params = params(ambient, "Refit server", SERVER_DAYS)?;
        params.subject_alt_names = alternative_names(names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(&make)?;
        let (key, pem) = (key.serialize_pem(), certificate.pem());
        files::write_secret(&key_file, key.as_bytes())?;
        files::write_public(&certificate_file, pem.as_bytes())?;
        self.serving(&key, &pem)
    }

    fn serving(&self, key: &str, pem: &str) -> Result<CertifiedKey, ServerError> {
        let read = "read the server's certificate";
        let leaf =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(ServerError::authority(read))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes())
            .map_err(ServerError::authority(read))?;
        let provider = aws_lc_rs::default_provider();
        CertifiedKey::from_der(vec![leaf, self.der.clone()], key.into(), &provider)
            .map_err(ServerError::authority(read))
    }

    /// Signs an agent's request. Of the request only the public key is taken: names, uses and life are the server's.
    pub(crate) fn sign_agent(
        &self,
        csr: &str,
        host: &HostName,
        ambient: &Ambient,
    ) -> Result<AgentCertificate, RequestError> {
        let request = CertificateSigningRequestParams::from_pem(csr).map_err(RequestError)?;
        let not_after = ambient.clock.now() + SignedDuration::from_hours(AGENT_DAYS * 24);
        let mut params = params(ambient, host.as_str(), AGENT_DAYS)
            .map_err(|_| RequestError(rcgen::Error::Time))?;
        let uri = format!("{HOST_URI}{host}").try_into().map_err(RequestError)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let serial = params.serial_number.as_ref().map(|serial| hex::encode(serial.to_bytes()));
        let signed = params.signed_by(&request.public_key, &self.issuer).map_err(RequestError)?;
        Ok(AgentCertificate { pem: signed.pem(), serial: serial.unwrap_or_default(), not_after })
    }
}

impl Bearer {
    /// Of a certificate: the host is named by its URI, else by its common name.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        use x509_parser::prelude::{FromDer as _, X509Certificate};
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?;
        Some(Self { host: host_of(&parsed)?, not_after })
    }

    /// Whether so little of its life is left that the host shall have the next one.
    pub(crate) fn ends_soon(&self, now: Timestamp) -> bool {
        self.not_after.duration_since(now) < SignedDuration::from_hours(AGENT_DAYS * 24 / 3)
    }
}

fn host_of(parsed: &x509_parser::certificate::X509Certificate<'_>) -> Option<HostName> {
    use x509_parser::prelude::GeneralName;
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let by_uri = alternatives.and_then(|names| {
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(HOST_URI).map(str::to_owned),
            _ => None,
        })
    });
    let by_common_name = || {
        parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .map(str::to_owned)
    };
    HostName::parse(by_uri.or_else(by_common_name)?).ok()
}

/// Parts that all our certificates share.
fn params(ambient: &Ambient, name: &str, days: i64) -> Result<CertificateParams, ServerError> {
    let now = ambient.clock.now();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before =
        std::time::SystemTime::from(now - SignedDuration::from_mins(CLOCK_SKEW_MINUTES)).into();
    params.not_after =
        std::time::SystemTime::from(now + SignedDuration::from_hours(days * 24)).into();
    let mut serial = [0; 16];
    ambient.entropy.fill(&mut serial);
    // A serial number is positive: the highest bit of its first byte is 0, the next 1 keeps its length.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn alternative_names(names: &[String]) -> Result<Vec<SanType>, ServerError> {
    let read = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            let dns =
                name.as_str().try_into().map_err(|_| ServerError::Name { name: name.clone() })?;
            Ok(SanType::DnsName(dns))
        }
    };
    names.iter().map(read).collect()
}

/// Whether a certificate has more than a third of its life left and carries every name.
fn still_good(pem: &str, names: &[String], now: Timestamp) -> bool {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok((_, parsed)) = X509Certificate::from_der(&der) else { return false };
    let left = parsed.validity().not_after.timestamp() - now.as_second();
    let Ok(Some(alternatives)) = parsed.subject_alternative_name() else { return false };
    let has = |name: &String| {
        alternatives.value.general_names.iter().any(|found| match found {
            GeneralName::DNSName(dns) => dns == name,
            GeneralName::IPAddress(bytes) => {
                name.parse::<IpAddr>().is_ok_and(|address| match address {
                    IpAddr::V4(address) => address.octets() == *bytes,
                    IpAddr::V6(address) => address.octets() == *bytes,
                })
            }
            _ => false,
        })
    };
    left > SERVER_DAYS * 24 * 3600 / 3 && names.iter().all(has)
}
