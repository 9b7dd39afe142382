//! The only module that prints: data to standard output, talk to standard error.
//!
//! A reader that goes away (`refit … | head`) is no error: what is left is not printed.

use crate::{CliError, Exit};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};

/// Prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

/// How much a text is worth printing; what came out so far is enough when the reader is gone.
fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::io("write", "standard output", error))
        }
        _ => Ok(()),
    }
}

impl Output {
    /// Prints text, or JSON.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the answer: as JSON, or as the text that `text` makes of it.
    ///
    /// # Errors
    /// [`CliError`] when standard output cannot be written.
    pub fn data<T: Serialize + ?Sized>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json {
            let json = serde_json::to_string_pretty(value).map_err(|error| {
                CliError::new("cli.io", Exit::Failed, format!("failed to write JSON: {error}"))
            })?;
            return self.text(&json);
        }
        self.text(&text(value))
    }

    /// Prints one line of a stream: a compact JSON document, or the text that `text` makes of it.
    ///
    /// # Errors
    /// [`CliError`] when standard output cannot be written.
    pub fn event<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), CliError> {
        let json = serde_json::to_string(value).map_err(|error| {
            CliError::new("cli.io", Exit::Failed, format!("failed to write JSON: {error}"))
        })?;
        self.text(&json)
    }

    /// Prints text to standard output, with a line break at its end.
    ///
    /// # Errors
    /// [`CliError`] when standard output cannot be written.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let line_break = if text.ends_with('\n') { "" } else { "\n" };
        written(write!(out, "{text}{line_break}").and_then(|()| out.flush()))
    }

    /// Prints bytes to standard output as they are.
    ///
    /// # Errors
    /// [`CliError`] when standard output cannot be written.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// Says something to the person; nobody who reads data sees it.
    pub fn say(&self, line: &str) {
        // Talk that nobody can hear is not worth failing for.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Whether a person looks at standard error: bars instead of lines.
    #[must_use]
    pub fn talks_to_terminal(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Whether a person can be asked.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a yes-or-no question; anything but `y` or `yes` is a no.
    ///
    /// # Errors
    /// [`CliError`] when standard input cannot be read.
    pub fn ask(&self, question: &str) -> Result<bool, CliError> {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        let mut line = String::new();
        io::stdin()
            .read_line(&mut line)
            .map_err(|error| CliError::io("read", "standard input", error))?;
        Ok(matches!(line.trim(), "y" | "Y" | "yes"))
    }

    /// Tells an error and how the program ends.
    #[must_use]
    pub fn error(&self, error: &CliError) -> Exit {
        if self.json {
            let json = json!({ "error": {
                "code": error.code, "text": error.text, "details": error.details, "exit": error.exit as u8,
            }});
            self.say(&json.to_string());
            return error.exit;
        }
        self.say(&format!("refit: {}", error.text));
        for detail in &error.details {
            self.say(&format!("  {detail}"));
        }
        self.say(&format!("  what to do: docs/errors/{}.md", error.code));
        error.exit
    }
}

/// Tells what clap thinks of the arguments; help and version go to standard output and are no error.
#[must_use]
pub(crate) fn usage(error: &clap::Error) -> Exit {
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

/// A moment in UTC, to the second: what people compare and type again.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A table without lines, headers first; cells are texts.
#[must_use]
pub(crate) fn table<const N: usize>(headers: [&str; N], rows: Vec<[String; N]>) -> String {
    columns(&headers, rows.into_iter().map(Vec::from).collect())
}

/// The same with as many columns as there are headers.
#[must_use]
pub(crate) fn columns(headers: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|header| header.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
