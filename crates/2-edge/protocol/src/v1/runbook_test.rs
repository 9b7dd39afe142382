//! Dry runs of runbooks on hosts, for people.

use crate::runbook_test::{RunbookTestDone, RunbookTestRequest};
use jiff::Timestamp;
use refit_names::{HostName, ParameterName, PersonName, ProductName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Asks a host to try a runbook; nothing is changed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRunbookTest {
    /// For which product.
    pub product: ProductName,
    /// The runbook, YAML.
    pub runbook: String,
    /// Values of its parameters; they win over the host's own.
    #[serde(default)]
    pub parameters: BTreeMap<ParameterName, String>,
}

/// A dry run with its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookTestView {
    /// The host.
    pub host: HostName,
    /// What it is asked for.
    pub request: RunbookTestRequest,
    /// Who asked.
    pub asked_by: PersonName,
    /// When.
    pub asked_at: Timestamp,
    /// Whether its agent was heard of lately.
    #[serde(default)]
    pub reachable: bool,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<RunbookTestDone>,
}
