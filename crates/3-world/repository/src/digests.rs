//! The digests of a file that signed metadata give: SHA-256, SHA-512 or both; each that is given must fit.

use crate::RepositoryError;
use sha2::{Digest as _, Sha256, Sha512};
use tough::schema::Hashes;

/// What signed metadata say of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    sha256: Option<String>,
    sha512: Option<String>,
}

/// The digests of a file that arrives in pieces. Only what is asked for is computed.
pub(crate) struct Hasher {
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
}

impl Digests {
    pub(crate) fn of(hashes: &Hashes) -> Result<Self, RepositoryError> {
        let sha256 = Some(hex::encode(&hashes.sha256)).filter(|digest| !digest.is_empty());
        let sha512 = hashes._extra.get("sha512").and_then(serde_json::Value::as_str);
        if sha256.is_none() && sha512.is_none() {
            let what = "a file has no digest that this client knows".to_owned();
            return Err(RepositoryError::Unlawful { what });
        }
        Ok(Self { sha256, sha512: sha512.map(str::to_ascii_lowercase) })
    }

    /// The one that is part of the file's name with consistent snapshots.
    pub(crate) fn first(&self) -> &str {
        self.sha256.as_deref().or(self.sha512.as_deref()).unwrap_or_default()
    }

    pub(crate) fn hasher(&self) -> Hasher {
        Hasher {
            sha256: self.sha256.as_ref().map(|_| Sha256::new()),
            sha512: self.sha512.as_ref().map(|_| Sha512::new()),
        }
    }

    pub(crate) fn check(&self, what: &str, content: &[u8]) -> Result<(), RepositoryError> {
        let mut hasher = self.hasher();
        hasher.update(content);
        hasher.check(what, self)
    }
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    pub(crate) fn check(self, what: &str, expected: &Digests) -> Result<(), RepositoryError> {
        let found = [
            (&expected.sha256, self.sha256.map(|hasher| hex::encode(hasher.finalize()))),
            (&expected.sha512, self.sha512.map(|hasher| hex::encode(hasher.finalize()))),
        ];
        for (expected, found) in found {
            if let (Some(expected), Some(found)) = (expected, found)
                && *expected != found
            {
                return Err(RepositoryError::HashMismatch {
                    what: what.to_owned(),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        Ok(())
    }
}
