//! Ed25519 keys as files: the private one as PKCS#8 (DER, PEM, or PEM that a passphrase opens), the public one as PEM.

mod keyring;
mod sealed;

use crate::ForgeError;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, ED25519_PUBLIC_KEY_LEN, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{collections::HashMap, fmt, fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};
use tough::{
    schema::key::{Ed25519Key, Ed25519Scheme, Key},
    sign::Sign as _,
};

pub use keyring::Keyring;
pub use sealed::Passphrase;

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PEM_HEAD: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_FOOT: &str = "-----END PUBLIC KEY-----";

/// A key that signs packs.
pub struct SigningKey(Ed25519KeyPair);

/// A key that proves who signed a pack. Text form: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; ED25519_PUBLIC_KEY_LEN]);

impl SigningKey {
    /// Makes a key from the machine's randomness and writes it to a new file that only its owner can read: PKCS#8 DER.
    ///
    /// # Errors
    /// [`ForgeError::Exists`] when there is such a file: a key is never overwritten.
    pub fn create(path: &Path) -> Result<Self, ForgeError> {
        let document = Self::generate(path)?;
        write_new(path, &document)?;
        Self::from_pkcs8(&document, path)
    }

    /// As [`SigningKey::create`], but as PEM that only the passphrase opens (PKCS#5, as OpenSSL writes it).
    ///
    /// # Errors
    /// As [`SigningKey::create`].
    pub fn create_sealed(path: &Path, passphrase: &Passphrase) -> Result<Self, ForgeError> {
        let document = Self::generate(path)?;
        write_new(path, sealed::seal(&document, passphrase, path)?.as_bytes())?;
        Self::from_pkcs8(&document, path)
    }

    /// Reads a PKCS#8 file that no passphrase seals.
    ///
    /// # Errors
    /// [`ForgeError::Key`] when it is none of Ed25519.
    pub fn read(path: &Path) -> Result<Self, ForgeError> {
        Self::read_with(path, None)
    }

    /// Reads a PKCS#8 file: DER, PEM, or PEM that the passphrase opens.
    ///
    /// # Errors
    /// [`ForgeError::Key`] when it is none of Ed25519, or the passphrase is missing or wrong.
    pub fn read_with(path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, ForgeError> {
        let bytes = fs::read(path).map_err(ForgeError::read(path))?;
        let document = sealed::open(bytes, passphrase, path)?;
        Self::from_pkcs8(&document, path)
    }

    fn generate(path: &Path) -> Result<Vec<u8>, ForgeError> {
        Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| ForgeError::Key { path: path.to_owned(), why: "no randomness".to_owned() })
    }

    fn from_pkcs8(document: &[u8], path: &Path) -> Result<Self, ForgeError> {
        let pair = Ed25519KeyPair::from_pkcs8(document).map_err(|error| ForgeError::Key {
            path: path.to_owned(),
            why: format!("expected an Ed25519 key as PKCS#8: {error}"),
        })?;
        Ok(Self(pair))
    }

    /// The key's other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; ED25519_PUBLIC_KEY_LEN];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    /// The key as TUF metadata name it.
    pub(crate) fn tuf_key(&self) -> Key {
        self.0.tuf_key()
    }
}

/// Writes a file that was not there and that only its owner can read.
fn write_new(path: &Path, content: &[u8]) -> Result<(), ForgeError> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(ForgeError::Exists { path: path.to_owned() });
        }
        other => other.map_err(ForgeError::write(path))?,
    };
    file.write_all(content).and_then(|()| file.sync_all()).map_err(ForgeError::write(path))
}

impl PublicKey {
    /// Wraps the 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; ED25519_PUBLIC_KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ED25519_PUBLIC_KEY_LEN] {
        &self.0
    }

    /// Reads a PEM file, or 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`ForgeError::Key`] when it is neither.
    pub fn read(path: &Path) -> Result<Self, ForgeError> {
        let text = fs::read_to_string(path).map_err(ForgeError::read(path))?;
        Self::parse(&text).ok_or_else(|| ForgeError::Key {
            path: path.to_owned(),
            why: "expected an Ed25519 public key as PEM or 64 hexadecimal digits".to_owned(),
        })
    }

    /// Reads the PEM form, or 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut bytes = [0; ED25519_PUBLIC_KEY_LEN];
        if hex::decode_to_slice(text, &mut bytes).is_ok() {
            return Some(Self(bytes));
        }
        let body: String =
            text.strip_prefix(PEM_HEAD)?.strip_suffix(PEM_FOOT)?.split_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        bytes.copy_from_slice(
            der.strip_prefix(&SPKI_PREFIX).filter(|rest| rest.len() == ED25519_PUBLIC_KEY_LEN)?,
        );
        Some(Self(bytes))
    }

    /// The PEM form, as every tool reads it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [SPKI_PREFIX.as_slice(), &self.0].concat();
        format!("{PEM_HEAD}\n{}\n{PEM_FOOT}\n", STANDARD.encode(der))
    }

    /// The key as TUF metadata name it.
    pub(crate) fn tuf_key(&self) -> Key {
        Key::Ed25519 {
            keyval: Ed25519Key { public: self.0.to_vec().into(), _extra: HashMap::new() },
            scheme: Ed25519Scheme::Ed25519,
            _extra: HashMap::new(),
        }
    }

    /// The text form of a key that metadata hold, as far as it is one of ours.
    pub(crate) fn of_tuf(key: &Key) -> String {
        match key {
            Key::Ed25519 { keyval, .. } => hex::encode(&keyval.public),
            _ => String::new(),
        }
    }

    /// The id by which TUF metadata name the key.
    ///
    /// # Errors
    /// [`ForgeError::Metadata`] when it cannot be computed.
    pub fn id(&self) -> Result<String, ForgeError> {
        let id = self.tuf_key().key_id();
        id.map(hex::encode)
            .map_err(|error| ForgeError::Metadata { why: refit_names::chain(&error) })
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", hex::encode(self.0))
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn key_survives_its_files_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.der");
        let key = SigningKey::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SigningKey::read(&path).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(PublicKey::parse(&key.public().to_pem()), Some(key.public()));
        assert_eq!(PublicKey::parse(&key.public().to_string()), Some(key.public()));
        assert!(key.public().accepts(b"x", &again.sign(b"x")));
        assert!(!key.public().accepts(b"y", &again.sign(b"x")));
        assert!(matches!(SigningKey::create(&path), Err(ForgeError::Exists { .. })));
    }
}
