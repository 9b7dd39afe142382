//! Answers, and which of them fit a question.

use super::{Decide, FillIn, Question, Upload};
use refit_names::{ByteSize, Coded, Digest, ErrorClass, ParameterName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Characters of a file's name: more than any file system takes.
const NAME_CHARS_MAX: usize = 255;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Given {
    /// Go on.
    Yes {},
    /// Do not.
    No {},
    /// Values by field.
    Values {
        /// Each field with its value.
        values: BTreeMap<ParameterName, String>,
    },
    /// A file; its bytes are kept where it was handed in.
    File {
        /// Its name.
        name: String,
        /// SHA-256 of its bytes.
        digest: Digest,
        /// How many bytes.
        size: ByteSize,
    },
    /// Nothing came, and the runbook goes on without.
    Skipped {},
    /// One of the ways on.
    Choice {
        /// Which.
        choice: ParameterName,
    },
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes {} => f.write_str("yes"),
            Self::No {} => f.write_str("no"),
            Self::Values { values } => {
                let each = values.iter().map(|(name, value)| format!("{name}={value}"));
                f.write_str(&each.collect::<Vec<_>>().join(", "))
            }
            Self::File { name, digest, size } => write!(f, "file {name}, {size}, {digest}"),
            Self::Skipped {} => f.write_str("no file"),
            Self::Choice { choice } => write!(f, "{choice}"),
        }
    }
}

impl Given {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Yes {} | Self::No {} => "yes or no",
            Self::Values { .. } => "values",
            Self::File { .. } | Self::Skipped {} => "a file",
            Self::Choice { .. } => "a choice",
        }
    }
}

/// One thing that is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Which field or part.
    pub field: String,
    /// What would be right.
    pub expected: String,
    /// What was given.
    pub found: String,
}

/// Why an answer does not fit its question: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerMisfit {
    /// The file is too large.
    #[error("file `{name}` has {found}, expected at most {expected}")]
    TooLarge {
        /// Its name.
        name: String,
        /// The limit.
        expected: ByteSize,
        /// Its size.
        found: ByteSize,
    },
    /// Anything else.
    #[error("answer does not fit the question: {}", listed(.0))]
    Unfit(Vec<Misfit>),
}

fn listed(misfits: &[Misfit]) -> String {
    let each = misfits.iter().map(|Misfit { field, expected, found }| {
        format!("`{field}`: expected {expected}, found {found}")
    });
    each.collect::<Vec<_>>().join("; ")
}

impl Coded for AnswerMisfit {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "people.upload-too-large",
            Self::Unfit(_) => "people.unfit-answer",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl Question {
    /// Whether an answer fits this question.
    ///
    /// # Errors
    /// [`AnswerMisfit`] with everything that is wrong.
    pub fn fits(&self, given: &Given) -> Result<(), AnswerMisfit> {
        let mut wrong = Vec::new();
        match (self, given) {
            (Self::Confirm(_), Given::Yes {} | Given::No {}) => {}
            (Self::FillIn(asked), Given::Values { values }) => {
                values_fit(asked, values, &mut wrong)
            }
            (Self::Upload(asked), Given::File { name, size, .. }) => {
                if size.0 > asked.max.0 {
                    let (name, expected, found) = (name.clone(), asked.max, *size);
                    return Err(AnswerMisfit::TooLarge { name, expected, found });
                }
                file_fits(asked, name, *size, &mut wrong);
            }
            (Self::Upload(asked), Given::Skipped {}) if asked.default.is_some() => {}
            (Self::Decide(asked), Given::Choice { choice }) => {
                choice_fits(asked, choice, &mut wrong)
            }
            _ => wrong.push(Misfit {
                field: "answer".to_owned(),
                expected: self.answers(),
                found: given.kind().to_owned(),
            }),
        }
        if wrong.is_empty() { Ok(()) } else { Err(AnswerMisfit::Unfit(wrong)) }
    }
}

fn values_fit(asked: &FillIn, values: &BTreeMap<ParameterName, String>, wrong: &mut Vec<Misfit>) {
    let mut push = |field: &ParameterName, expected: String, found: String| {
        wrong.push(Misfit { field: field.to_string(), expected, found });
    };
    for (name, value) in values {
        let Some(field) = asked.fields.get(name) else {
            let known: Vec<&str> = asked.fields.keys().map(ParameterName::as_str).collect();
            push(name, format!("one of the fields {}", known.join(", ")), "another field".into());
            continue;
        };
        if !field.kind.allows(value) {
            push(name, field.kind.article().to_owned(), format!("{value:?}"));
        } else if !field.one_of.is_empty() && !field.one_of.contains(value) {
            push(name, format!("one of {}", field.one_of.join(", ")), format!("{value:?}"));
        }
    }
    for (name, field) in asked.fields.iter().filter(|(_, field)| !field.optional) {
        if !values.contains_key(name) {
            push(name, field.kind.article().to_owned(), "nothing".to_owned());
        }
    }
}

fn file_fits(asked: &Upload, name: &str, size: ByteSize, wrong: &mut Vec<Misfit>) {
    let mut push = |expected: &str, found: String| {
        let (field, expected) = ("file".to_owned(), expected.to_owned());
        wrong.push(Misfit { field, expected, found });
    };
    let plain = !name.is_empty()
        && name.chars().count() <= NAME_CHARS_MAX
        && !name.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'));
    if !plain {
        push("a plain file name", format!("{name:?}"));
    }
    if size.0 == 0 {
        push("a file with content", "an empty one".to_owned());
    }
    let ends = |ending: &String| {
        name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case(ending))
    };
    if !asked.endings.is_empty() && !asked.endings.iter().any(ends) {
        push(
            &format!("a name that ends with .{}", asked.endings.join(" or .")),
            format!("`{name}`"),
        );
    }
}

fn choice_fits(asked: &Decide, choice: &ParameterName, wrong: &mut Vec<Misfit>) {
    if !asked.choices.contains_key(choice) {
        let known: Vec<&str> = asked.choices.keys().map(ParameterName::as_str).collect();
        wrong.push(Misfit {
            field: "choice".to_owned(),
            expected: format!("one of {}", known.join(", ")),
            found: format!("`{choice}`"),
        });
    }
}
