//! Rehearsals, documents and exports of a rollout's plan.

use refit_names::PersonName;
use refit_rehearsal::{Assumptions, Chance, WorkingHours};
use serde::{Deserialize, Serialize};

pub use refit_rehearsal::RehearsalReport;

/// How a plan is rehearsed: what is absent has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RehearsalQuery {
    /// How many times.
    #[serde(default = "default_runs")]
    pub runs: u32,
    /// The same seed gives the same answer.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Chance that a host fails; absent: from its risk and the history of its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Chance>,
    /// IANA zone of the working hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// First working hour of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_hour: Option<i8>,
    /// The hour at which work ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_hour: Option<i8>,
}

fn default_runs() -> u32 {
    1_000
}
fn default_seed() -> u64 {
    1
}

impl Default for RehearsalQuery {
    fn default() -> Self {
        Self {
            runs: default_runs(),
            seed: default_seed(),
            failure: None,
            zone: None,
            from_hour: None,
            to_hour: None,
        }
    }
}

impl RehearsalQuery {
    /// What is assumed: the defaults, and what was asked for.
    #[must_use]
    pub fn assumptions(&self) -> Assumptions {
        let hours = WorkingHours::default();
        Assumptions {
            failure: self.failure,
            hours: WorkingHours {
                zone: self.zone.clone().unwrap_or(hours.zone),
                from_hour: self.from_hour.unwrap_or(hours.from_hour),
                to_hour: self.to_hour.unwrap_or(hours.to_hour),
            },
            ..Assumptions::default()
        }
    }
}

/// What a document has beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentQuery {
    /// Runs of the rehearsal whose results it shows; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<u32>,
    /// The rehearsal's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What an export is limited to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// Only slots of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonName>,
}

/// The documents that are made of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// How and why: what people agree on before there are dates.
    Approach,
    /// Who, when, what if.
    ProjectPlan,
}

impl DocumentKind {
    /// As it stands in paths and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approach => "approach",
            Self::ProjectPlan => "project-plan",
        }
    }
}
