//! What people answered, and what follows of it.

use crate::{Cause, StepResult};
use jiff::Timestamp;
use refit_names::PersonName;
use refit_packs::runbook::{AskedRole, Given, Question, Then};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whoever has a step repeated this often wants something else.
pub(crate) const REPEATS_MAX: u32 = 20;

/// An answer to a step's question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// What was answered; none: nothing came until the deadline, and the runbook has no default.
    pub given: Option<Given>,
    /// Who answered.
    pub by: AnsweredBy,
    /// When.
    pub at: Timestamp,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AnsweredBy {
    /// A person.
    Person {
        /// Who.
        name: PersonName,
        /// As what.
        role: AskedRole,
    },
    /// Nobody: the deadline passed, by the host's own clock.
    Deadline {},
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some(given) => write!(f, "{given}")?,
            None => f.write_str("no answer")?,
        }
        match &self.by {
            AnsweredBy::Person { name, role } => write!(f, ", by {name} as {role}")?,
            AnsweredBy::Deadline {} => f.write_str(", because the deadline passed")?,
        }
        write!(f, " at {}", self.at)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// How the step ends with this answer. One that asks for a repetition ends nothing, until there were too many.
pub(crate) fn concluded(question: &Question, answer: &Answer) -> StepResult {
    let asked = question.text();
    let failed = |code: &str, text: String| StepResult::Failed {
        cause: Cause { code: code.to_owned(), text },
    };
    let Some(given) = &answer.given else {
        let (role, ms) = (question.ask(), question.within_ms());
        let text = format!("`{asked}` has no answer after {ms} ms, expected one of the {role}");
        return failed("people.no-answer", text);
    };
    match given {
        Given::No {} => {
            failed("people.declined", format!("`{asked}` was answered with {answer}, expected yes"))
        }
        Given::Choice { choice } => match question.then(choice) {
            Some(Then::GoOn) => StepResult::Done { note: answer.to_string() },
            Some(Then::RollBack) => failed(
                "people.roll-back-chosen",
                format!("`{asked}` was answered with {answer}, which takes the leg back"),
            ),
            Some(Then::Repeat) => failed(
                "people.too-many-repeats",
                format!("`{asked}` was answered with {answer} more than {REPEATS_MAX} times"),
            ),
            None => failed(
                "people.unfit-answer",
                format!("`{asked}` was answered with {answer}, expected {}", question.answers()),
            ),
        },
        _ => StepResult::Done { note: answer.to_string() },
    }
}

/// Whether the answer has the step before done once more.
pub(crate) fn repeats(question: &Question, answer: &Answer) -> bool {
    matches!(&answer.given, Some(Given::Choice { choice }) if question.then(choice) == Some(Then::Repeat))
}
