//! Questions to people: what a step may ask, of whom, until when, and which answers fit.

mod answer;

use super::{ParameterType, Phase, Runbook, StepKind};
use refit_names::{ByteSize, ParameterName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

pub use answer::{AnswerMisfit, Given, Misfit};

/// Who is asked. Each role stands for one right on the server, which knows who has it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AskedRole {
    /// The owner of the host's application; where a host names one, only that person.
    ApplicationOwner,
    /// Whoever deploys.
    Operator,
    /// Whoever makes plans.
    Planner,
    /// Whoever agrees to plans.
    Approver,
    /// Whoever authorises.
    Authoriser,
    /// Whoever configures.
    Configurer,
}

impl AskedRole {
    /// As it stands in runbooks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApplicationOwner => "application-owner",
            Self::Operator => "operator",
            Self::Planner => "planner",
            Self::Approver => "approver",
            Self::Authoriser => "authoriser",
            Self::Configurer => "configurer",
        }
    }
}

impl fmt::Display for AskedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `people.confirm`: a yes goes on, a no fails the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Who is asked.
    pub ask: AskedRole,
    /// What is asked.
    pub question: String,
    /// How long an answer is waited for, in milliseconds from the first asking on.
    pub within_ms: u64,
    /// How often people are reminded, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<u64>,
    /// What silence means; absent: the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<YesOrNo>,
}

/// The answers to a `people.confirm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum YesOrNo {
    /// Go on.
    Yes,
    /// Fail.
    No,
}

/// `people.fill-in`: values that only a person knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillIn {
    /// Who is asked.
    pub ask: AskedRole,
    /// What is asked.
    pub question: String,
    /// How long an answer is waited for, in milliseconds from the first asking on.
    pub within_ms: u64,
    /// How often people are reminded, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<u64>,
    /// What is to be filled in.
    pub fields: BTreeMap<ParameterName, Field>,
    /// What silence means: a value for each field that must have one; absent: the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<BTreeMap<ParameterName, String>>,
}

/// One value to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// What values are allowed.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// What it is for.
    pub about: String,
    /// It may be left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Only these values; empty: any of the type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<String>,
}

/// `people.upload` and `evidence.upload`: a photo, a screenshot, a form; kept with its digest as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Who is asked.
    pub ask: AskedRole,
    /// What is asked.
    pub question: String,
    /// How long an answer is waited for, in milliseconds from the first asking on.
    pub within_ms: u64,
    /// How often people are reminded, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<u64>,
    /// The largest file.
    #[serde(default = "default_upload_max")]
    pub max: ByteSize,
    /// How its name may end, without the point; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endings: Vec<String>,
    /// What silence means; absent: the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<WithoutFile>,
}

/// What silence means where a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutFile {
    /// Go on without it; the evidence says so.
    Skip,
}

/// Eight megabytes: a photo of a telephone.
fn default_upload_max() -> ByteSize {
    ByteSize(8 << 20)
}

/// The most that a runbook may allow for one file: the server keeps it in its database.
pub const UPLOAD_BYTES_MAX: u64 = 16 << 20;

/// `people.decide`: one of some named ways on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Who is asked.
    pub ask: AskedRole,
    /// What is asked.
    pub question: String,
    /// How long an answer is waited for, in milliseconds from the first asking on.
    pub within_ms: u64,
    /// How often people are reminded, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_ms: Option<u64>,
    /// The ways on, by name.
    pub choices: BTreeMap<ParameterName, Choice>,
    /// What silence means; absent: the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParameterName>,
}

/// One way on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What it says to people.
    pub about: String,
    /// What it does.
    pub then: Then,
}

/// What a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Goes on.
    GoOn,
    /// Takes the leg back.
    RollBack,
    /// Does the step before once more, then asks again.
    Repeat,
}

/// A question of any kind: what is asked of people, wherever it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Question {
    /// Yes or no.
    Confirm(Confirm),
    /// Values.
    FillIn(FillIn),
    /// A file.
    Upload(Upload),
    /// One of some ways on.
    Decide(Decide),
}

impl StepKind {
    /// What the step asks of people; none when it asks nothing.
    #[must_use]
    pub fn question(&self) -> Option<Question> {
        Some(match self {
            Self::PeopleConfirm(asked) => Question::Confirm(asked.clone()),
            Self::PeopleFillIn(asked) => Question::FillIn(asked.clone()),
            Self::PeopleUpload(asked) | Self::EvidenceUpload(asked) => {
                Question::Upload(asked.clone())
            }
            Self::PeopleDecide(asked) => Question::Decide(asked.clone()),
            _ => return None,
        })
    }
}

/// What does not keep a runbook from running, and should be looked at: questions that hold up a product that is down.
#[must_use]
pub fn advice(runbook: &Runbook) -> Vec<String> {
    let down = Phase::Protect..=Phase::After;
    let asking = runbook.steps.iter().filter(|step| down.contains(&step.phase));
    let silent = asking.filter_map(|step| {
        let question = step.kind.question()?;
        question.default().is_none().then(|| {
            format!(
                "step `{}` asks the {} while the product may be down, waits {} s, and has no default: silence takes the leg back",
                step.id,
                question.ask(),
                question.within_ms() / 1000
            )
        })
    });
    silent.collect()
}

impl Question {
    /// Who is asked.
    #[must_use]
    pub const fn ask(&self) -> AskedRole {
        match self {
            Self::Confirm(Confirm { ask, .. })
            | Self::FillIn(FillIn { ask, .. })
            | Self::Upload(Upload { ask, .. })
            | Self::Decide(Decide { ask, .. }) => *ask,
        }
    }

    /// What is asked.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Confirm(Confirm { question, .. })
            | Self::FillIn(FillIn { question, .. })
            | Self::Upload(Upload { question, .. })
            | Self::Decide(Decide { question, .. }) => question,
        }
    }

    /// How long an answer is waited for, in milliseconds.
    #[must_use]
    pub const fn within_ms(&self) -> u64 {
        match self {
            Self::Confirm(Confirm { within_ms, .. })
            | Self::FillIn(FillIn { within_ms, .. })
            | Self::Upload(Upload { within_ms, .. })
            | Self::Decide(Decide { within_ms, .. }) => *within_ms,
        }
    }

    /// How often people are reminded, in milliseconds.
    #[must_use]
    pub const fn remind_ms(&self) -> Option<u64> {
        match self {
            Self::Confirm(Confirm { remind_ms, .. })
            | Self::FillIn(FillIn { remind_ms, .. })
            | Self::Upload(Upload { remind_ms, .. })
            | Self::Decide(Decide { remind_ms, .. }) => *remind_ms,
        }
    }

    /// What silence means, as an answer; none: the step fails.
    #[must_use]
    pub fn default(&self) -> Option<Given> {
        match self {
            Self::Confirm(asked) => asked.default.map(|default| match default {
                YesOrNo::Yes => Given::Yes {},
                YesOrNo::No => Given::No {},
            }),
            Self::FillIn(asked) => asked.default.clone().map(|values| Given::Values { values }),
            Self::Upload(asked) => asked.default.map(|WithoutFile::Skip| Given::Skipped {}),
            Self::Decide(asked) => asked.default.clone().map(|choice| Given::Choice { choice }),
        }
    }

    /// What a choice of this question does; none when there is no such choice.
    #[must_use]
    pub fn then(&self, choice: &ParameterName) -> Option<Then> {
        match self {
            Self::Decide(asked) => asked.choices.get(choice).map(|choice| choice.then),
            _ => None,
        }
    }

    /// Which answers there are, in words for people.
    #[must_use]
    pub fn answers(&self) -> String {
        match self {
            Self::Confirm(_) => "yes or no".to_owned(),
            Self::FillIn(asked) => {
                let each = asked.fields.iter().map(|(name, field)| {
                    let optional = if field.optional { ", may be left out" } else { "" };
                    let kind = match field.one_of.as_slice() {
                        [] => field.kind.article().to_owned(),
                        some => format!("one of {}", some.join(", ")),
                    };
                    format!("{name} ({}: {kind}{optional})", field.about)
                });
                each.collect::<Vec<_>>().join("; ")
            }
            Self::Upload(asked) => {
                let endings = match asked.endings.as_slice() {
                    [] => String::new(),
                    some => format!(" named *.{}", some.join(", *.")),
                };
                format!("a file of at most {}{endings}", asked.max)
            }
            Self::Decide(asked) => {
                let each =
                    asked.choices.iter().map(|(name, way)| format!("{name} ({})", way.about));
                each.collect::<Vec<_>>().join("; ")
            }
        }
    }
}
