//! Errors that an operator can meet: a code with a page, a class, and one way to print the chain.

use std::error::Error;

/// What can be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Trying again later may help, by itself.
    Retry,
    /// A person has to change something first.
    NeedsOperator,
    /// It will never work as it is.
    Permanent,
}

/// An error with a code that has a page in `docs/errors/CODE.md`.
pub trait Coded: Error {
    /// `room.what-is-wrong`.
    fn code(&self) -> &'static str;
    /// What can be done.
    fn class(&self) -> ErrorClass;
}

/// The whole chain, outermost first, joined by `: `. The only place that does this.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let line = source.to_string();
        // Transparent wrappers repeat their source's line; once is enough.
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = source.source();
    }
    text
}
