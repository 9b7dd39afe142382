//! Risk: what people state, and where every number comes from.

use jiff::civil::Date;
use refit_names::{HostName, PersonName, RoleName, SiteName};
use refit_risk::{Exposure, RiskEntry, RiskScore};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A risk to be stated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRisk {
    /// The host.
    pub host: HostName,
    /// What may happen.
    pub text: String,
    /// How likely and how bad.
    pub exposure: Exposure,
    /// What is to be done about it.
    #[serde(default)]
    pub mitigation: String,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<PersonName>,
    /// Until when.
    #[serde(default)]
    pub due: Option<Date>,
}

/// A change of a stated risk; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RiskAct {
    /// Says it in other words or numbers.
    Change {
        /// What may happen.
        #[serde(default)]
        text: Option<String>,
        /// How likely and how bad.
        #[serde(default)]
        exposure: Option<Exposure>,
        /// What is to be done.
        #[serde(default)]
        mitigation: Option<String>,
        /// Who looks after it.
        #[serde(default)]
        owner: Option<PersonName>,
        /// Until when.
        #[serde(default)]
        due: Option<Date>,
    },
    /// The mitigation was done.
    Mitigate {
        /// What is left.
        left: Exposure,
        /// What was done, when it is not what was written down.
        #[serde(default)]
        mitigation: Option<String>,
    },
    /// It is borne as it is.
    Accept {
        /// Why.
        reason: String,
    },
    /// It is open again.
    Reopen,
}

/// A stated risk with what it does to the score of its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskEntryView {
    /// The risk.
    #[serde(flatten)]
    pub entry: RiskEntry,
    /// Score of the host if nothing had been done about this risk.
    pub score_before: u32,
    /// Score of the host now.
    pub score_now: u32,
}

/// The risk of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRisk {
    /// The host.
    pub host: HostName,
    /// Where it stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// The score with its reasons.
    #[serde(flatten)]
    pub risk: RiskScore,
    /// Its stated risks.
    pub entries: Vec<RiskEntryView>,
}

/// Weights of the score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsView {
    /// Rises with each change.
    pub version: u32,
    /// Who made the last change; none: these are the ones that Refit comes with.
    pub by: Option<PersonName>,
    /// When.
    pub at: Option<jiff::Timestamp>,
    /// Each weight by its name.
    pub weights: Vec<WeightView>,
}

/// One weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightView {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u32,
    /// The value that Refit comes with; none for roles of your own.
    pub default: Option<u32>,
    /// What it is for.
    pub about: String,
}

/// Weights to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsSet {
    /// New values by name; none takes a value back to the one that Refit comes with.
    pub weights: BTreeMap<String, Option<u32>>,
    /// Only tries it.
    #[serde(default)]
    pub dry_run: bool,
}
