//! The journal of the system, through `journalctl`: its answers go into files, for they may be long.

use crate::{command::Run, error::StepError};
use jiff::Timestamp;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

/// Messages that are looked at: more are told as "at least".
const MESSAGES_MAX: usize = 100_000;

/// Writes what `journalctl` says into `into`.
pub(crate) fn write(arguments: &[&str], into: &Path, limit: Duration) -> Result<(), StepError> {
    // The shell only leads the output into the file; nothing of the arguments is text of the script.
    let script = "exec journalctl \"$@\" > \"$REFIT_OUT\"";
    let words: Vec<&str> =
        ["sh", "-c", script, "journalctl"].into_iter().chain(arguments.iter().copied()).collect();
    let mut run = Run::of_host(&words);
    run.environment.insert("REFIT_OUT".to_owned(), into.display().to_string());
    run.succeed(limit).map(drop)
}

/// Takes away what the journal has: it must be kept elsewhere before.
pub(crate) fn clear(limit: Duration) -> Result<(), StepError> {
    for words in [&["journalctl", "--rotate"][..], &["journalctl", "--vacuum-time=1s"]] {
        Run::of_host(words).succeed(limit)?;
    }
    Ok(())
}

/// Messages of priority `err` and worse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    pub(crate) count: u64,
    /// How often each kind came: who said it, and what, with its numbers left out.
    pub(crate) kinds: BTreeMap<String, u64>,
}

/// One line of the journal's JSON. A message that is no text arrives as a list of bytes.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "MESSAGE", default)]
    message: serde_json::Value,
    #[serde(rename = "SYSLOG_IDENTIFIER", default)]
    identifier: String,
}

/// Counts errors since `since`; of `units` only, or of all. `scratch` is written and removed.
pub(crate) fn errors_since(
    since: Timestamp,
    units: &[String],
    scratch: &Path,
    limit: Duration,
) -> Result<Errors, StepError> {
    let since = format!("--since=@{}", since.as_second());
    let mut arguments = vec!["--priority=err", "--output=json", "--quiet", "--no-pager", &since];
    for unit in units {
        arguments.extend(["--unit", unit]);
    }
    write(&arguments, scratch, limit)?;
    let file = File::open(scratch).map_err(StepError::io("read", scratch))?;
    let found = count(BufReader::new(file));
    std::fs::remove_file(scratch).map_err(StepError::io("remove", scratch))?;
    Ok(found)
}

fn count(lines: impl BufRead) -> Errors {
    let mut found = Errors::default();
    for line in lines.lines().map_while(Result::ok).take(MESSAGES_MAX) {
        let Ok(Line { message, identifier }) = serde_json::from_str(&line) else { continue };
        let message = message.as_str().unwrap_or("a message that is no text").to_owned();
        found.count += 1;
        *found.kinds.entry(kind(&format!("{identifier}: {message}"))).or_default() += 1;
    }
    found
}

/// A message with its numbers left out: two of a kind differ in ids and times only.
pub(crate) fn kind(message: &str) -> String {
    let mut told = String::new();
    for c in message.chars().take(200) {
        if c.is_ascii_digit() {
            if !told.ends_with('#') {
                told.push('#');
            }
        } else {
            told.push(if c.is_control() { ' ' } else { c });
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_kind_are_counted_together() {
        let text = concat!(
            "{\"MESSAGE\":\"disk 7 failed at 12:30\",\"SYSLOG_IDENTIFIER\":\"kernel\"}\n",
            "{\"MESSAGE\":\"disk 12 failed at 1:05\",\"SYSLOG_IDENTIFIER\":\"kernel\"}\n",
            "{\"MESSAGE\":[104,105]}\n",
            "-- No entries --\n",
        );
        let found = count(text.as_bytes());
        assert_eq!(found.count, 3);
        assert_eq!(found.kinds.get("kernel: disk # failed at #:#"), Some(&2));
    }
}
