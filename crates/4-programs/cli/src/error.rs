//! The one error that a command ends with: what, code, exit code, and more lines where one is not enough.

use crate::exit::{self, Exit};
use refit_names::{Coded, chain};
use std::any::Any;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub struct CliError {
    /// With a page in `docs/errors/`.
    pub(crate) code: String,
    /// The whole chain.
    pub(crate) text: String,
    /// A line for each part, such as each wrong row of an import.
    pub(crate) details: Vec<String>,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl CliError {
    /// An error of the command line's own.
    #[must_use]
    pub fn new(code: &str, exit: Exit, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: text.into(), details: Vec::new(), exit }
    }

    /// Arguments that do not fit together.
    #[must_use]
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new("cli.usage", Exit::Usage, text)
    }

    /// A file or stream that could not be read or written.
    #[must_use]
    pub fn io(verb: &str, what: impl std::fmt::Display, source: std::io::Error) -> Self {
        let exit = match source.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            std::io::ErrorKind::PermissionDenied => Exit::Denied,
            _ => Exit::Failed,
        };
        Self::new("cli.io", exit, format!("failed to {verb} {what}: {source}"))
    }

    /// The same with a line for each part.
    #[must_use]
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

impl<E: Coded + 'static> From<E> for CliError {
    fn from(error: E) -> Self {
        let exit = match (&error as &dyn Any).downcast_ref::<refit_client::ClientError>() {
            Some(client) => exit::of_client(client),
            None => exit::of_code(error.code(), error.class()),
        };
        Self { code: error.code().to_owned(), text: chain(&error), details: Vec::new(), exit }
    }
}
