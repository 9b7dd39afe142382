//! Digests: SHA-256 for what is signed and shown, BLAKE3 for chunks.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    fmt,
    io::{self, Read},
};

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("digest `{text}` is not {expected}")]
pub struct DigestError {
    text: String,
    expected: &'static str,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps the 32 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 hexadecimal digits without the algorithm's name.
            #[must_use]
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }

            /// Reads the text form, with or without the algorithm's name.
            ///
            /// # Errors
            /// [`DigestError`] when the text is not 64 hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, DigestError> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                let mut bytes = [0; 32];
                hex::decode_to_slice(digits, &mut bytes)
                    .map_err(|_| DigestError { text: text.to_owned(), expected: $expected })?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = DigestError;
            fn try_from(text: String) -> Result<Self, DigestError> {
                Self::parse(&text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = DigestError;
            fn from_str(text: &str) -> Result<Self, DigestError> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_string()
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": concat!("^(", $prefix, ")?[0-9A-Fa-f]{64}$"),
                    "description": $expected,
                })
            }
        }
    };
}

digest!(/** SHA-256 of something that is signed, stored or shown. Text form `sha256:` and 64 digits. */ Digest, "sha256:", "`sha256:` and 64 hexadecimal digits");
digest!(/** BLAKE3 of a chunk's content. Text form `blake3:` and 64 digits. */ ChunkId, "blake3:", "`blake3:` and 64 hexadecimal digits");

impl Digest {
    /// The digest of no predecessor: how hash chains begin.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Hashes what is read through it.
#[derive(Debug)]
pub struct DigestReader<R> {
    source: R,
    hash: Sha256,
}

impl<R: Read> DigestReader<R> {
    /// Of nothing so far.
    pub fn new(source: R) -> Self {
        Self { source, hash: Sha256::new() }
    }

    /// Reads to the end, and tells the digest of all that was read.
    ///
    /// # Errors
    /// What the source meets.
    pub fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest(self.hash.finalize().into()))
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_nothing_is_the_known_value() {
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), text);
        assert_eq!(Digest::parse(text), Ok(Digest::of(b"")));
        assert!(Digest::parse("sha256:00").is_err());
    }

    #[test]
    fn what_is_read_through_is_hashed_to_its_end() {
        let mut reader = DigestReader::new(&b"some words"[..]);
        reader.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(reader.finish().unwrap(), Digest::of(b"some words"));
    }
}
