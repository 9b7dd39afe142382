//! Secrets at rest: AES-256-GCM with a key in the state folder, so that a copy of the database alone gives nothing away.

use crate::{ServerError, files};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_ambient::{Ambient, Entropy};
use std::{path::Path, sync::Arc};

/// Seals and unseals.
pub(crate) struct Seal {
    key: LessSafeKey,
    entropy: Arc<dyn Entropy>,
}

impl Seal {
    /// Reads the key of `state`, or makes one.
    pub(crate) fn open(state: &Path, ambient: &Ambient) -> Result<Self, ServerError> {
        let path = state.join("seal.key");
        let text = match files::read(&path)? {
            Some(text) => text,
            None => {
                let text = ambient.token();
                files::write_secret(&path, text.as_bytes())?;
                text
            }
        };
        let damaged = || {
            let kind = std::io::ErrorKind::InvalidData;
            ServerError::file(
                "use the key in",
                &path,
                std::io::Error::new(kind, "expected 64 hexadecimal digits"),
            )
        };
        let bytes = hex::decode(text.trim()).map_err(|_| damaged())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| damaged())?;
        Ok(Self { key: LessSafeKey::new(key), entropy: Arc::clone(&ambient.entropy) })
    }

    /// Text that only this server's key opens. Nothing stays nothing.
    pub(crate) fn seal(&self, secret: &str) -> Result<String, String> {
        if secret.is_empty() {
            return Ok(String::new());
        }
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .map_err(|_| "secret could not be sealed".to_owned())?;
        Ok(STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed.
    pub(crate) fn unseal(&self, text: &str) -> Result<String, String> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let wrong = || "stored secret does not open with this server's seal.key".to_owned();
        let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut sealed = sealed.to_vec();
        let plain =
            self.key.open_in_place(nonce, Aad::empty(), &mut sealed).map_err(|_| wrong())?;
        String::from_utf8(plain.to_vec()).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_opens_with_its_own_key_only() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ambient = Ambient::system();
        let seal = Seal::open(one.path(), &ambient).unwrap();
        let sealed = seal.seal("whsec_abc").unwrap();
        assert!(!sealed.contains("whsec"));
        assert_ne!(sealed, seal.seal("whsec_abc").unwrap(), "two seals of one text look alike");
        let again = Seal::open(one.path(), &ambient).unwrap();
        assert_eq!(again.unseal(&sealed).unwrap(), "whsec_abc");
        assert!(Seal::open(other.path(), &ambient).unwrap().unseal(&sealed).is_err());
    }
}
