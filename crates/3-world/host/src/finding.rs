//! What a check measured, held against its limit, with what to do about it.

use crate::error::StepError;
use std::fmt;

/// One measured value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was measured.
    pub(crate) what: String,
    /// What was found.
    pub(crate) measured: String,
    /// What is allowed.
    pub(crate) limit: String,
    /// What to do when it is not.
    pub(crate) remedy: String,
    /// Whether it is well.
    pub(crate) ok: bool,
    /// The error's code when it is not.
    pub(crate) code: &'static str,
}

impl Finding {
    pub(crate) fn new(
        what: impl Into<String>,
        measured: impl ToString,
        limit: impl ToString,
    ) -> Self {
        Self {
            what: what.into(),
            measured: measured.to_string(),
            limit: limit.to_string(),
            remedy: String::new(),
            ok: true,
            code: "host.check-failed",
        }
    }

    /// Whether it is well, and what to do when it is not.
    #[must_use]
    pub(crate) fn judged(mut self, ok: bool, remedy: impl Into<String>) -> Self {
        self.ok = ok;
        self.remedy = remedy.into();
        self
    }

    #[must_use]
    pub(crate) const fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, measured, limit, remedy, ok, .. } = self;
        write!(f, "{what}: {measured}, limit: {limit}")?;
        if !ok && !remedy.is_empty() {
            write!(f, "; remedy: {remedy}")?;
        }
        Ok(())
    }
}

/// One line when all is well, else an error that names all that is not.
pub(crate) fn judge(findings: &[Finding]) -> Result<String, StepError> {
    let told =
        |list: Vec<&Finding>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let bad: Vec<&Finding> = findings.iter().filter(|finding| !finding.ok).collect();
    match bad.first() {
        None => Ok(told(findings.iter().collect())),
        Some(first) => Err(StepError::Check { code: first.code, text: told(bad) }),
    }
}
