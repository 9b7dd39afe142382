//! How a host is let in: once, with a token that also says whom to trust.

use crate::{
    error::ClientError,
    http,
    identity::{CertificateRequest, Identity, IdentityNote},
    token::TokenText,
    trust,
};
use refit_names::HostName;
use refit_protocol::agent::{ENROL_PATH, EnrolRequest, EnrolResponse};
use rustls::pki_types::CertificateDer;
use std::path::Path;

/// What enrolment gave.
pub struct Enrolled {
    /// Who the host is now.
    pub identity: Identity,
}

/// Enrols `host` and stores its identity below `state`.
///
/// The server is trusted only if its chain has the authority whose fingerprint stands in the token.
///
/// # Errors
/// [`ClientError`]: the token is malformed, used or expired; the server is not reachable or not trusted; the host is enrolled already.
pub async fn enrol(
    server: &str,
    token: &str,
    host: &HostName,
    state: &Path,
) -> Result<Enrolled, ClientError> {
    let dir = Identity::folder(state);
    // Asked before the token is used up.
    if dir.exists() {
        return Err(crate::IdentityError::Exists { dir }.into());
    }
    let enrolled = request_certificate(server, token, host).await?;
    enrolled.identity.save(state)?;
    Ok(enrolled)
}

/// As [`enrol`], but keeps everything in memory.
///
/// # Errors
/// As [`enrol`].
pub async fn request_certificate(
    server: &str,
    token: &str,
    host: &HostName,
) -> Result<Enrolled, ClientError> {
    let token = TokenText::parse(token)?;
    let base = http::address(server)?;
    if base.scheme() != "https" {
        let what = "enrolment needs https".to_owned();
        return Err(ClientError::Address { url: server.to_owned(), what });
    }
    let made = CertificateRequest::new(host)?;
    let (config, pinned) = trust::pinned_config(token.authority())?;
    let client = http::client(Some(config))?;
    let request =
        EnrolRequest { token: token.as_str().to_owned(), host: host.clone(), csr: made.csr };
    let url = http::join(&base, ENROL_PATH)?;
    let answer: EnrolResponse =
        http::send_json(client.post(url.clone()).timeout(http::CALL_TIMEOUT).json(&request))
            .await?;
    // The certificate that the token's fingerprint vouches for, not whatever the answer says.
    let Some(authority) = pinned.authority() else {
        let what = "it came over a connection without the pinned authority".to_owned();
        return Err(ClientError::BadAnswer { url: url.to_string(), what });
    };
    let identity = Identity {
        key: made.key,
        certificate: answer.certificate,
        authority: pem(authority),
        tuf_root: answer.tuf_root,
        note: IdentityNote {
            host: host.clone(),
            server: base.to_string(),
            site: answer.site,
            role: answer.role,
        },
    };
    // A certificate that does not fit the key would only be noticed at the first sync, with the token already used.
    trust::Shown::new(&identity.certificate, &identity.key)?;
    Ok(Enrolled { identity })
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    const LINE: usize = 64;
    let text = base64(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0u32, |n, at| n << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_round_trips_through_pem() {
        for length in [1, 2, 3, 47, 48, 49, 500] {
            let bytes: Vec<u8> = (0..length).map(|n| (n * 7 % 251) as u8).collect();
            let text = pem(&CertificateDer::from(bytes.clone()));
            assert_eq!(trust::certificates(&text).unwrap()[0].as_ref(), bytes);
        }
    }
}
