//! DSSE envelopes: <https://github.com/secure-systems-lab/dsse>, protocol version 1.

use crate::canonical;
use crate::certificate::{CertificateError, Statement};
use crate::key::SigningKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The payload type of in-toto statements.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A signed payload.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    /// Base64 of the statement.
    pub(crate) payload: String,
    /// What the payload is.
    pub(crate) payload_type: String,
    /// At least one.
    pub(crate) signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signature {
    /// Which key; a hint only, never trusted.
    #[serde(default)]
    pub(crate) keyid: String,
    /// Base64 of the signature.
    pub(crate) sig: String,
}

/// Signs a statement and gives the envelope as JSON text. The same statement and key give the same text.
///
/// # Errors
/// [`CertificateError::Json`] never in practice.
pub fn sign(statement: &Statement, key: &SigningKey) -> Result<String, CertificateError> {
    let value = serde_json::to_value(statement).map_err(CertificateError::Json)?;
    let payload = canonical::bytes(&value);
    let sig = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload));
    let envelope = Envelope {
        payload: STANDARD.encode(&payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature {
            keyid: key.public().id().to_string(),
            sig: STANDARD.encode(sig),
        }],
    };
    serde_json::to_string_pretty(&envelope).map(|text| text + "\n").map_err(CertificateError::Json)
}

/// What is really signed: type and body with their lengths, so that neither can be taken for the other.
pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_that_of_the_dsse_specification() {
        // The example of the specification's protocol.md.
        let found = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(found, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
