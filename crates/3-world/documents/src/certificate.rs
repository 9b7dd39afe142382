//! What a certificate says, and its in-toto statement.

use crate::canonical;
use jiff::tz::TimeZone;
use refit_journal::OrderOutcome;
use refit_names::{
    Coded, Digest, ErrorClass, Generation, HostName, PersonName, ProductName, RoleName,
    RolloutName, SiteName,
};
use refit_plan::{PackPin, Way};
use refit_protocol::agent::RunEvidence;
use refit_protocol::v1::{Acknowledgement, CertificateState, PartySignature, Right};
use refit_risk::RiskScore;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The `_type` of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The `predicateType` of a certificate; the number is raised when a meaning changes.
pub const PREDICATE_TYPE: &str = "urn:refit:certificate:1";

/// Everything that a certificate is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInput {
    /// What was measured and who did it: fixed when the host finished.
    pub evidence: CertificateEvidence,
    /// Functions whose signature it needs.
    pub parties: BTreeSet<Right>,
    /// Who signed, in the order of signing.
    pub signatures: Vec<PartySignature>,
}

/// The part that the evidence digest covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateEvidence {
    /// The host.
    pub host: HostName,
    /// Where it stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// What was upgraded.
    pub product: ProductName,
    /// The campaign.
    pub rollout: RolloutName,
    /// The hash of the plan that was agreed to and carried out.
    pub plan: Digest,
    /// The plan's generation.
    pub generation: Generation,
    /// How the order ended.
    pub outcome: OrderOutcome,
    /// Preflight, steps, tests, durations, backups.
    pub run: RunEvidence,
    /// The host's journal as the server holds it.
    pub journal: JournalEvidence,
    /// Whether it was upgraded or a pack was removed.
    #[serde(default, skip_serializing_if = "Way::is_forward")]
    pub way: Way,
    /// The packs by their exact content, in the order of the legs; of a removal: the one that went.
    pub packs: Vec<PackPin>,
    /// How risky the change was, and why.
    pub risk: RiskScore,
    /// Who decided.
    pub people: People,
    /// Advisory findings that people took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledgement>,
}

/// What the server holds of the host's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEvidence {
    /// Its entries up to the head.
    pub entries: u64,
    /// The hash of the last one: it pins all before it.
    pub head: Digest,
}

/// Who decided what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Who made the rollout.
    pub author: PersonName,
    /// Who agreed to the plan.
    pub approvers: Vec<PersonName>,
    /// Who authorised it.
    pub authoriser: Option<PersonName>,
    /// Who said go.
    pub deployer: Option<PersonName>,
}

/// An in-toto statement about one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// What is certified: one build on one host, with the evidence digest.
    pub subject: Vec<Subject>,
    /// Always [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What is said about it.
    pub predicate: Predicate,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// `PRODUCT@BUILD on HOST`.
    pub name: String,
    /// `sha256` and the evidence digest in hexadecimal.
    pub digest: BTreeMap<String, String>,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicate {
    /// `SITE - SERVER - DATE`.
    pub name: String,
    /// Where the certificate stands.
    pub state: CertificateState,
    /// Everything; its `evidence` is what the digest covers.
    #[serde(flatten)]
    pub certificate: CertificateInput,
}

/// Why a certificate cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Never in practice: all keys are texts.
    #[error("failed to write the certificate as JSON")]
    Json(#[source] serde_json::Error),
}

impl Coded for CertificateError {
    fn code(&self) -> &'static str {
        "certificate.not-writable"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

impl CertificateInput {
    /// `SITE - SERVER - DATE`, the date being the day, in UTC, on which the host finished. Also a safe file name.
    #[must_use]
    pub fn name(&self) -> String {
        let evidence = &self.evidence;
        let date = evidence.run.finished_at.to_zoned(TimeZone::UTC).date();
        format!("{} - {} - {date}", evidence.site, evidence.host)
    }

    /// SHA-256 over the canonical JSON of [`CertificateInput::evidence`]; signatures of parties do not change it.
    ///
    /// # Errors
    /// [`CertificateError::Json`] never in practice.
    pub fn evidence_digest(&self) -> Result<Digest, CertificateError> {
        let value = serde_json::to_value(&self.evidence).map_err(CertificateError::Json)?;
        Ok(evidence_digest(&value))
    }

    /// Parties that have not signed.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<Right> {
        let signed: BTreeSet<Right> =
            self.signatures.iter().map(|signature| signature.party).collect();
        self.parties.difference(&signed).copied().collect()
    }

    /// Where it stands. A certificate that needs nobody is never final: somebody has to answer for it.
    #[must_use]
    pub fn state(&self) -> CertificateState {
        if self.signatures.is_empty() {
            CertificateState::Draft
        } else if self.missing().is_empty() {
            CertificateState::Final
        } else {
            CertificateState::PartlySigned
        }
    }

    /// `PRODUCT@BUILD on HOST`, the build being the one that runs afterwards.
    #[must_use]
    pub fn subject(&self) -> String {
        let evidence = &self.evidence;
        format!("{}@{} on {}", evidence.product, evidence.run.build_after, evidence.host)
    }
}

/// Makes the in-toto statement of a certificate, in whatever state it is.
///
/// # Errors
/// [`CertificateError::Json`] never in practice.
pub fn statement(input: &CertificateInput) -> Result<Statement, CertificateError> {
    let digest = input.evidence_digest()?;
    Ok(Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject: vec![Subject {
            name: input.subject(),
            digest: BTreeMap::from([("sha256".to_owned(), digest.to_hex())]),
        }],
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate: Predicate {
            name: input.name(),
            state: input.state(),
            certificate: input.clone(),
        },
    })
}

/// The digest of evidence that is JSON already: what a verifier recomputes, fields that it does not know included.
pub(crate) fn evidence_digest(evidence: &Value) -> Digest {
    Digest::of(&canonical::bytes(evidence))
}
