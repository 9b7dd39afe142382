//! Questions of hosts, for people.

use crate::question::QuestionKey;
use jiff::Timestamp;
use refit_journal::Answer;
use refit_names::{HostName, ParameterName, RolloutName};
use refit_packs::runbook::{AskedRole, Phase, Question};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

use super::Right;

/// Bytes of an answer on the wire: the largest file that a runbook can ask for, in base64.
pub const ANSWER_BODY_BYTES_MAX: usize = 24 << 20;

impl Right {
    /// The right that answers for a role of a runbook.
    #[must_use]
    pub const fn of_asked(role: AskedRole) -> Self {
        match role {
            AskedRole::ApplicationOwner => Self::ApplicationOwner,
            AskedRole::Operator => Self::Deployer,
            AskedRole::Planner => Self::Planner,
            AskedRole::Approver => Self::Approver,
            AskedRole::Authoriser => Self::Authoriser,
            AskedRole::Configurer => Self::Configurer,
        }
    }
}

/// A question of a host with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionView {
    /// The host.
    pub host: HostName,
    /// Which asking of which order.
    pub key: QuestionKey,
    /// The step's phase.
    pub phase: Phase,
    /// What is asked, of whom, and what silence means.
    pub question: Question,
    /// When it was asked first, by the host's clock.
    pub since: Timestamp,
    /// When silence becomes the answer, by the host's clock.
    pub until: Timestamp,
    /// Where it stands.
    pub state: QuestionState,
    /// What a person answered; the host may have taken its default before that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Answer>,
    /// What counted, as the host's journal says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Answer>,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuestionState {
    /// Waits for a person.
    Open,
    /// A person answered; the host has not written it down yet.
    Answered,
    /// The host went on.
    Closed,
}

impl fmt::Display for QuestionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Closed => "closed",
        })
    }
}

/// Which questions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionsQuery {
    /// Only of this rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutName>,
    /// Those that are closed too.
    #[serde(default)]
    pub all: bool,
}

/// An answer of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// What.
    pub answer: NewGiven,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Only whether it would be taken.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NewGiven {
    /// Go on.
    Yes {},
    /// Do not.
    No {},
    /// Values by field.
    Values {
        /// Each field with its value.
        values: BTreeMap<ParameterName, String>,
    },
    /// A file.
    File {
        /// Its name.
        name: String,
        /// Its bytes, base64.
        content: String,
    },
    /// One of the ways on.
    Choice {
        /// Which.
        choice: ParameterName,
    },
}
