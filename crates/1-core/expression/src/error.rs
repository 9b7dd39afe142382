//! What can be wrong with an expression.

use refit_names::{Coded, ErrorClass};

/// Where in the text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Character of the line.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 1 {
            write!(f, "at character {}", self.column)
        } else {
            write!(f, "in line {} at character {}", self.line, self.column)
        }
    }
}

/// Why an expression is refused or has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// It is longer than any that a person would write.
    #[error("expression has {found} bytes, expected at most {most}")]
    TooLong {
        /// Its length.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// Its parts are nested too deep.
    #[error("expression is nested deeper than {most} levels {place}")]
    TooDeep {
        /// Where the limit is passed.
        place: Place,
        /// The limit.
        most: usize,
    },
    /// It is no expression.
    #[error("expression cannot be read {place}: {what}")]
    Unreadable {
        /// Where.
        place: Place,
        /// What was found.
        what: String,
    },
    /// A name that is not known here.
    #[error("expression names `{name}` {place}, which is not known{meant}")]
    UnknownName {
        /// Where.
        place: Place,
        /// The name.
        name: String,
        /// What may have been meant.
        meant: String,
    },
    /// Something that does not fit together.
    #[error("expression does not fit together {place}: {what}")]
    Types {
        /// Where.
        place: Place,
        /// What was found and expected.
        what: String,
    },
    /// It has no answer for one subject.
    #[error("expression has no answer for `{subject}`: {what}")]
    NoAnswer {
        /// Which one.
        subject: String,
        /// Why.
        what: String,
    },
    /// The system gave no stack to work on.
    #[error("expression cannot be worked on: {what}")]
    NoRoom {
        /// What the system said.
        what: String,
    },
}

impl Coded for ExpressionError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "expression.too-long",
            Self::TooDeep { .. } => "expression.too-deep",
            Self::Unreadable { .. } => "expression.unreadable",
            Self::UnknownName { .. } => "expression.unknown-name",
            Self::Types { .. } => "expression.types",
            Self::NoAnswer { .. } => "expression.no-answer",
            Self::NoRoom { .. } => "expression.no-room",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoRoom { .. } => ErrorClass::Retry,
            _ => ErrorClass::NeedsOperator,
        }
    }
}
