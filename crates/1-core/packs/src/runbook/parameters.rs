//! Values of declared parameters: defaults, types, and all problems at once.

use super::{Parameter, ParameterType, Runbook};
use refit_names::{Coded, ErrorClass, ParameterName};
use std::collections::BTreeMap;
use std::fmt;

/// Characters of a value: it must fit in an environment with all others.
const VALUE_CHARS_MAX: usize = 4096;

/// Why the given values do not serve a runbook: every problem, not only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParametersError {
    /// The runbook.
    pub runbook: String,
    /// One per parameter.
    pub problems: Vec<ParameterProblem>,
}

/// What is wrong with one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterProblem {
    /// Which.
    pub parameter: ParameterName,
    /// What would be right.
    pub expected: String,
    /// What was given; never the value of a secret.
    pub found: String,
}

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "runbook `{}`", self.runbook)?;
        for (index, problem) in self.problems.iter().enumerate() {
            let ParameterProblem { parameter, expected, found } = problem;
            let joint = if index == 0 { "," } else { ";" };
            write!(f, "{joint} parameter `{parameter}`: expected {expected}, found {found}")?;
        }
        Ok(())
    }
}
impl std::error::Error for ParametersError {}
impl Coded for ParametersError {
    fn code(&self) -> &'static str {
        "runbook.parameters"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

/// The value of every declared parameter: the given one, else its default.
///
/// Given values that the runbook does not declare are left out: a host's configuration serves all packs of a
/// product, and an older pack may know fewer.
///
/// # Errors
/// [`ParametersError`] with every value that is missing or not of its type.
pub fn resolve_parameters(
    runbook: &Runbook,
    given: &BTreeMap<ParameterName, String>,
) -> Result<BTreeMap<ParameterName, String>, ParametersError> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, declared) in &runbook.parameters {
        let Some(value) = given.get(name).or(declared.default.as_ref()) else {
            problems.push(ParameterProblem {
                parameter: name.clone(),
                expected: format!("{} from the host's configuration", declared.kind.article()),
                found: "nothing".to_owned(),
            });
            continue;
        };
        match declared.misfit(value) {
            None => drop(values.insert(name.clone(), value.clone())),
            Some(found) => problems.push(ParameterProblem {
                parameter: name.clone(),
                expected: declared.kind.article().to_owned(),
                found,
            }),
        }
    }
    if problems.is_empty() {
        return Ok(values);
    }
    Err(ParametersError { runbook: runbook.name.to_string(), problems })
}

impl Parameter {
    /// How people see a value that is not of this parameter's type; none when it is.
    pub(crate) fn misfit(&self, value: &str) -> Option<String> {
        if self.kind.allows(value) {
            return None;
        }
        Some(if self.secret { "another value (secret)".to_owned() } else { format!("{value:?}") })
    }
}

impl ParameterType {
    /// What a value of this type is called in a sentence.
    #[must_use]
    pub const fn article(self) -> &'static str {
        match self {
            Self::Text => "a text of at most 4096 characters without control characters",
            Self::Integer => "a whole number",
            Self::Port => "a port from 1 to 65535",
            Self::Path => "an absolute path without `..`",
            Self::Url => "a URL such as `https://host/path`",
        }
    }

    pub(super) fn allows(self, value: &str) -> bool {
        if value.chars().count() > VALUE_CHARS_MAX || value.contains(char::is_control) {
            return false;
        }
        match self {
            Self::Text => true,
            Self::Integer => value.parse::<i64>().is_ok(),
            Self::Port => value.parse::<u16>().is_ok_and(|port| port > 0),
            Self::Path => value.starts_with('/') && value.split('/').all(|part| part != ".."),
            Self::Url => is_url(value),
        }
    }
}

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.is_empty()
        && !value.contains(char::is_whitespace)
}
