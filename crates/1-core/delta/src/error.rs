//! Why a delta cannot be read.

/// Why a delta cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// It says something that no delta for these bytes says.
    #[error("delta is damaged or for other content: {what}, expected {expected}, found {found}")]
    Unsound {
        /// What is wrong.
        what: &'static str,
        /// What would be right.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Its compressed part does not expand.
    #[error("delta is damaged: its {what} cannot be expanded")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Whoever takes the new content refused.
    #[error("failed to hand on the new content")]
    Write {
        /// Why.
        source: std::io::Error,
    },
}

impl DeltaError {
    pub(crate) fn unsound(
        what: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Unsound { what, expected: expected.to_string(), found: found.to_string() }
    }
}
