//! The check of a certificate without any server.

use crate::certificate::{
    CertificateInput, PREDICATE_TYPE, STATEMENT_TYPE, Statement, evidence_digest,
};
use crate::envelope::{Envelope, PAYLOAD_TYPE, pre_authentication_encoding};
use crate::key::{KeyError, PublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_journal::OrderOutcome;
use refit_names::{BuildId, Coded, Digest, ErrorClass};
use refit_protocol::v1::{CertificateState, Right};
use serde_json::Value;

/// Longest envelope that is read: a thousand steps with notes of some KiB fit several times.
pub const ENVELOPE_BYTES_MAX: usize = 16 << 20;

/// A certificate that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `SITE - SERVER - DATE`.
    pub name: String,
    /// What is certified, `PRODUCT@BUILD on HOST`.
    pub subject: String,
    /// SHA-256 of the evidence, as in the PDF.
    pub evidence: Digest,
    /// The key that it was checked with.
    pub key: Digest,
    /// All that it says.
    pub certificate: CertificateInput,
}

/// Why a certificate does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The key that was given is no key.
    #[error("public key is not usable")]
    Key(#[source] KeyError),
    /// Larger than any certificate.
    #[error("certificate has {found} bytes, expected at most {ENVELOPE_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        found: usize,
    },
    /// Not JSON of the expected shape.
    #[error("{what} is not readable")]
    NotReadable {
        /// Envelope, or statement.
        what: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A part that is not base64.
    #[error("{what} is not base64")]
    NotBase64 {
        /// Payload, or signature.
        what: &'static str,
        /// Where and why.
        #[source]
        source: base64::DecodeError,
    },
    /// The envelope holds something else than a statement.
    #[error("envelope holds `{found}`, expected `{PAYLOAD_TYPE}`")]
    PayloadType {
        /// What it says that it holds.
        found: String,
    },
    /// No signature at all.
    #[error("envelope has no signature, expected one of key {expected}")]
    Unsigned {
        /// The key that was given.
        expected: Digest,
    },
    /// Signed, but by another key.
    #[error("certificate is signed by key {found}, expected key {expected}")]
    OtherKey {
        /// The key that was given.
        expected: Digest,
        /// The keys that the envelope names.
        found: String,
    },
    /// The right key, but other bytes: something was changed after signing.
    #[error("signature does not match the content: either was changed after key {key} signed it")]
    Signature {
        /// The key that was given.
        key: Digest,
    },
    /// A signed statement of another kind.
    #[error("{what} is `{found}`, expected `{expected}`")]
    OtherStatement {
        /// Which field.
        what: &'static str,
        /// What a certificate has.
        expected: String,
        /// What it has.
        found: String,
    },
    /// The evidence is not what the subject says.
    #[error("evidence has the digest {found}, expected {expected} as the subject says")]
    EvidenceDigest {
        /// In the subject.
        expected: String,
        /// Recomputed.
        found: Digest,
    },
    /// The evidence is not anchored in the host's journal.
    #[error("evidence has no journal: {entries} entries, head {head}")]
    NoJournal {
        /// Entries.
        entries: u64,
        /// Head.
        head: Digest,
    },
    /// The server's copy of the journal and the host's word differ.
    #[error("journal head is {found}, expected {expected} as the host reported")]
    JournalHead {
        /// As the host reported.
        expected: Digest,
        /// As the server holds it.
        found: Digest,
    },
    /// The outcome and the build that runs differ.
    #[error("build after is {found}, expected {expected} as the outcome says")]
    Outcome {
        /// The outcome's build.
        expected: BuildId,
        /// The evidence's build.
        found: BuildId,
    },
    /// Not all parties signed.
    #[error("certificate is {found}, expected final; signatures missing of: {missing}")]
    NotFinal {
        /// Its state.
        found: &'static str,
        /// Parties, joined by commas.
        missing: String,
    },
}

impl Coded for VerifyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "certificate.bad-key",
            Self::TooLarge { .. } | Self::NotReadable { .. } | Self::NotBase64 { .. } => {
                "certificate.not-readable"
            }
            Self::PayloadType { .. } | Self::OtherStatement { .. } => "certificate.other-statement",
            Self::Unsigned { .. } | Self::OtherKey { .. } => "certificate.other-key",
            Self::Signature { .. } => "certificate.bad-signature",
            Self::EvidenceDigest { .. } => "certificate.digest-differs",
            Self::NoJournal { .. } | Self::JournalHead { .. } => "certificate.journal-differs",
            Self::Outcome { .. } => "certificate.outcome-differs",
            Self::NotFinal { .. } => "certificate.not-final",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Key(_)
            | Self::Unsigned { .. }
            | Self::OtherKey { .. }
            | Self::NotFinal { .. } => ErrorClass::NeedsOperator,
            _ => ErrorClass::Permanent,
        }
    }
}

/// Checks an envelope against the public key that signs certificates; needs no server and no clock.
///
/// Order: key, shape, payload type, signature, kind of statement, evidence digest, journal, outcome, signatures of parties.
///
/// # Errors
/// [`VerifyError`]: the first check that fails, with expected and found.
pub fn verify(envelope: &[u8], public_key_pem: &str) -> Result<Verified, VerifyError> {
    let key = PublicKey::from_pem(public_key_pem).map_err(VerifyError::Key)?;
    let payload = signed_payload(envelope, &key)?;
    let value: Value = read("statement", &payload)?;
    let expected = value
        .pointer("/subject/0/digest/sha256")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let evidence = evidence_digest(value.pointer("/predicate/evidence").unwrap_or(&Value::Null));
    check_kind(&value)?;
    let statement: Statement = read("statement", &payload)?;
    if expected != evidence.to_hex() {
        return Err(VerifyError::EvidenceDigest { expected, found: evidence });
    }
    let certificate = statement.predicate.certificate;
    check_content(&certificate)?;
    let subject =
        statement.subject.into_iter().next().map(|subject| subject.name).unwrap_or_default();
    same("subject", certificate.subject(), &subject)?;
    same("name", certificate.name(), &statement.predicate.name)?;
    check_final(&certificate)?;
    Ok(Verified { name: certificate.name(), subject, evidence, key: key.id(), certificate })
}

/// The payload, once a signature of `key` over it was found.
fn signed_payload(envelope: &[u8], key: &PublicKey) -> Result<Vec<u8>, VerifyError> {
    if envelope.len() > ENVELOPE_BYTES_MAX {
        return Err(VerifyError::TooLarge { found: envelope.len() });
    }
    let envelope: Envelope = read("envelope", envelope)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::PayloadType { found: envelope.payload_type });
    }
    let decode = |what, text: &str| {
        STANDARD.decode(text).map_err(|source| VerifyError::NotBase64 { what, source })
    };
    let payload = decode("payload", &envelope.payload)?;
    let message = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
    let expected = key.id();
    let mut named = Vec::new();
    for signature in &envelope.signatures {
        if key.is_signature(&message, &decode("signature", &signature.sig)?) {
            return Ok(payload);
        }
        named.push(signature.keyid.clone());
    }
    if named.is_empty() {
        return Err(VerifyError::Unsigned { expected });
    }
    // The key id is a hint that anybody can write: it only chooses the words of the refusal.
    if named.contains(&expected.to_string()) {
        return Err(VerifyError::Signature { key: expected });
    }
    Err(VerifyError::OtherKey { expected, found: named.join(", ") })
}

fn check_kind(statement: &Value) -> Result<(), VerifyError> {
    let text =
        |field: &str| statement.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    same("_type", STATEMENT_TYPE.to_owned(), &text("_type"))?;
    same("predicateType", PREDICATE_TYPE.to_owned(), &text("predicateType"))
}

fn check_content(certificate: &CertificateInput) -> Result<(), VerifyError> {
    let evidence = &certificate.evidence;
    let journal = evidence.journal;
    if journal.entries == 0 || journal.head == Digest::ZERO {
        return Err(VerifyError::NoJournal { entries: journal.entries, head: journal.head });
    }
    let reported = evidence.run.journal_head;
    if journal.head != reported {
        return Err(VerifyError::JournalHead { expected: reported, found: journal.head });
    }
    match &evidence.outcome {
        OrderOutcome::Succeeded { build } | OrderOutcome::RolledBack { build, .. }
            if *build != evidence.run.build_after =>
        {
            Err(VerifyError::Outcome {
                expected: build.clone(),
                found: evidence.run.build_after.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn check_final(certificate: &CertificateInput) -> Result<(), VerifyError> {
    let found = match certificate.state() {
        CertificateState::Final => return Ok(()),
        CertificateState::Draft => "a draft",
        CertificateState::PartlySigned => "partly signed",
    };
    let missing: Vec<&str> = certificate.missing().into_iter().map(party_name).collect();
    Err(VerifyError::NotFinal { found, missing: missing.join(", ") })
}

/// A party as it stands in JSON and on the command line.
pub(crate) fn party_name(party: Right) -> &'static str {
    match party {
        Right::Administrator => "administrator",
        Right::Planner => "planner",
        Right::Approver => "approver",
        Right::Preparer => "preparer",
        Right::Authoriser => "authoriser",
        Right::Configurer => "configurer",
        Right::Deployer => "deployer",
        Right::ApplicationOwner => "application-owner",
        Right::Auditor => "auditor",
    }
}

fn read<T: serde::de::DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, VerifyError> {
    serde_json::from_slice(bytes).map_err(|source| VerifyError::NotReadable { what, source })
}

fn same(what: &'static str, expected: String, found: &str) -> Result<(), VerifyError> {
    if expected == found {
        return Ok(());
    }
    Err(VerifyError::OtherStatement { what, expected, found: found.to_owned() })
}
