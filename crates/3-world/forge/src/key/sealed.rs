//! Private keys that a passphrase seals: PKCS#8 with PKCS#5 (scrypt, AES-256), readable by OpenSSL and written by it.

use crate::ForgeError;
use aws_lc_rs::rand;
use pkcs8::{
    EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument,
    der::pem::{LineEnding, PemLabel},
    pkcs5::{pbes2, scrypt},
};
use std::{fmt, path::Path};

/// log2 of scrypt's work: 2^15 takes 32 MiB and about a tenth of a second.
const SCRYPT_LOG_N: u8 = 15;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
const SALT_BYTES: usize = 16;
const IV_BYTES: usize = 16;
/// A key file has a few hundred bytes.
const KEY_FILE_BYTES_MAX: usize = 16 << 10;

/// What opens a sealed key. Never printed.
#[derive(Clone)]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes the text of a passphrase file; the line's end does not belong to it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The PEM form of a key that only the passphrase opens.
pub(super) fn seal(
    document: &[u8],
    passphrase: &Passphrase,
    path: &Path,
) -> Result<String, ForgeError> {
    let (mut salt, mut iv) = ([0; SALT_BYTES], [0; IV_BYTES]);
    for bytes in [&mut salt[..], &mut iv[..]] {
        rand::fill(bytes).map_err(|_| wrong(path, "no randomness"))?;
    }
    let work = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, 32)
        .map_err(|error| wrong(path, error))?;
    let scheme = pbes2::Parameters::scrypt_aes256cbc(work, &salt, &iv)
        .map_err(|error| wrong(path, error))?;
    let key = PrivateKeyInfo::try_from(document).map_err(|error| wrong(path, error))?;
    let sealed =
        key.encrypt_with_params(scheme, &passphrase.0).map_err(|error| wrong(path, error))?;
    let text = sealed
        .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
        .map_err(|error| wrong(path, error))?;
    Ok(text.to_string())
}

/// The PKCS#8 DER form of what a key file holds.
pub(super) fn open(
    bytes: Vec<u8>,
    passphrase: Option<&Passphrase>,
    path: &Path,
) -> Result<Vec<u8>, ForgeError> {
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(wrong(path, "it is larger than any key"));
    }
    if !bytes.starts_with(b"-----BEGIN ") {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(path, error))?;
    let (label, document) = SecretDocument::from_pem(text).map_err(|error| wrong(path, error))?;
    match label {
        PrivateKeyInfo::PEM_LABEL => Ok(document.as_bytes().to_vec()),
        EncryptedPrivateKeyInfo::PEM_LABEL => {
            let passphrase = passphrase
                .ok_or_else(|| wrong(path, "a passphrase seals it: give --passphrase-file"))?;
            let sealed = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
                .map_err(|error| wrong(path, error))?;
            let opened = sealed
                .decrypt(&passphrase.0)
                .map_err(|_| wrong(path, "the passphrase does not open it"))?;
            Ok(opened.as_bytes().to_vec())
        }
        other => Err(wrong(path, format!("expected a private key, found `{other}`"))),
    }
}

fn wrong(path: &Path, why: impl fmt::Display) -> ForgeError {
    ForgeError::Key { path: path.to_owned(), why: why.to_string() }
}
