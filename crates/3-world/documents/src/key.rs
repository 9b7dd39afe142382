//! Ed25519 keys in the forms that `openssl` reads: PKCS#8 and SPKI, as PEM.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_names::Digest;

/// What stands before the 32 bytes of an Ed25519 key in SPKI (RFC 8410).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a text is not a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No PEM block of the expected kind.
    #[error("key is not PEM, expected a block `{expected}`")]
    NotPem {
        /// The label of the block.
        expected: &'static str,
    },
    /// A key of another algorithm, or damaged.
    #[error(
        "key is not an Ed25519 key, expected {expected}, found {found} bytes that are something else"
    )]
    NotEd25519 {
        /// What it should be.
        expected: &'static str,
        /// The length of what it is.
        found: usize,
    },
}

/// The key that signs certificates.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes the key of 32 random bytes; the caller brings them, so that nothing here asks for randomness.
    ///
    /// # Errors
    /// [`KeyError::NotEd25519`] never in practice: any 32 bytes are a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let wrong = |_| KeyError::NotEd25519 { expected: "a seed of 32 bytes", found: seed.len() };
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(wrong)
    }

    /// Reads `-----BEGIN PRIVATE KEY-----`.
    ///
    /// # Errors
    /// [`KeyError`] when the text is not PEM or not an Ed25519 key.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, KeyError> {
        let der = from_pem(text, "PRIVATE KEY")?;
        let wrong =
            |_| KeyError::NotEd25519 { expected: "PKCS#8 with an Ed25519 key", found: der.len() };
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(wrong)
    }

    /// Writes `-----BEGIN PRIVATE KEY-----`, version 1, as `openssl genpkey` does. To be stored with mode 0600.
    ///
    /// # Errors
    /// [`KeyError::NotEd25519`] never in practice.
    pub fn to_pkcs8_pem(&self) -> Result<String, KeyError> {
        let wrong = |_| KeyError::NotEd25519 { expected: "a key that can be written", found: 0 };
        let der = self.0.to_pkcs8v1().map_err(wrong)?;
        Ok(to_pem(der.as_ref(), "PRIVATE KEY"))
    }

    /// The half that everybody may have.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut raw = [0; 32];
        for (to, from) in raw.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(raw)
    }

    /// Signs `message`: 64 bytes, the same each time.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// The key that checks certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// [`KeyError`] when the text is not PEM or not an Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = from_pem(text, "PUBLIC KEY")?;
        let raw = der.strip_prefix(&SPKI_PREFIX).and_then(|rest| rest.try_into().ok());
        let wrong = KeyError::NotEd25519 { expected: "44 bytes of SPKI", found: der.len() };
        raw.map(Self).ok_or(wrong)
    }

    /// Writes `-----BEGIN PUBLIC KEY-----`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem(&self.to_spki(), "PUBLIC KEY")
    }

    /// SHA-256 of the key in SPKI: its name in envelopes.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.to_spki())
    }

    /// Whether `signature` is of `message` and of this key.
    pub(crate) fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    fn to_spki(self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), self.0.as_slice()].concat()
    }
}

fn to_pem(der: &[u8], label: &str) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // 64 is the line length of RFC 7468; base64 is ASCII, so any place is a boundary.
        let (line, next) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn from_pem(text: &str, label: &'static str) -> Result<Vec<u8>, KeyError> {
    let wrong = || KeyError::NotPem { expected: label };
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----")).ok_or_else(wrong)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or_else(wrong)?;
    let body: String = body.split_whitespace().collect();
    STANDARD.decode(body).map_err(|_| wrong())
}
