//! The text of a one-time enrolment token: `rft1.AUTHORITY.SECRET`.

use refit_names::{Coded, Digest, ErrorClass};

/// Why a text is not an enrolment token. Never shows the text: it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin as tokens do.
    #[error("enrolment token does not begin with `rft1.`")]
    Prefix,
    /// It has not three parts.
    #[error("enrolment token has {found} parts separated by `.`, expected 3")]
    Parts {
        /// How many it has.
        found: usize,
    },
    /// The fingerprint or the secret is cut off or mistyped.
    #[error(
        "the {part} of the enrolment token is not 64 hexadecimal digits (it has {found} characters)"
    )]
    Digits {
        /// Which part.
        part: &'static str,
        /// Its length.
        found: usize,
    },
}

impl Coded for TokenError {
    fn code(&self) -> &'static str {
        "agent.token-malformed"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// A well-formed enrolment token.
#[derive(Clone)]
pub struct TokenText {
    text: String,
    authority: Digest,
}

impl TokenText {
    /// Reads what a person pasted; space around it is ignored.
    ///
    /// # Errors
    /// [`TokenError`] when it is cut off or no token at all.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if !text.starts_with("rft1.") {
            return Err(TokenError::Prefix);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [_, authority, secret] = parts[..] else {
            return Err(TokenError::Parts { found: parts.len() });
        };
        let digits = |part, text: &str| {
            Digest::parse(text).map_err(|_| TokenError::Digits { part, found: text.len() })
        };
        digits("secret", secret)?;
        let authority = digits("authority's fingerprint", authority)?;
        Ok(Self { text: text.to_owned(), authority })
    }

    /// What is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the certificate of the authority that the server must show.
    #[must_use]
    pub const fn authority(&self) -> Digest {
        self.authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_off_token_is_refused_without_showing_it() {
        let whole = format!("rft1.{}.{}", "a".repeat(64), "b".repeat(64));
        assert_eq!(TokenText::parse(&format!(" {whole}\n")).unwrap().as_str(), whole);
        for wrong in ["", "rft1.ab.cd", "rft2.a.b", &whole[..100], &format!("{whole}.x")] {
            let error = TokenText::parse(wrong).err().unwrap().to_string();
            assert!(!error.contains("bbbb"), "{error}");
        }
    }
}
