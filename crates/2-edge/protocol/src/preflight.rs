//! A preflight that runs alone on a host: every check of a pack with what was measured, the limit and the remedy.

use refit_names::{BuildId, ProductName, RunbookName, StepId};
use serde::{Deserialize, Serialize};

/// What a preflight found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// The product.
    pub product: ProductName,
    /// The installed build, if there is one.
    pub installed: Option<BuildId>,
    /// The build that the pack leads to.
    pub to: BuildId,
    /// The pack's runbook.
    pub runbook: RunbookName,
    /// Its version.
    pub runbook_version: u32,
    /// Every check, in the order in which they were made.
    pub checks: Vec<PreflightCheck>,
}

impl Preflight {
    /// Whether nothing stands in the way.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What stands in the way.
    pub fn failed(&self) -> impl Iterator<Item = &PreflightCheck> {
        self.checks.iter().filter(|check| check.verdict == CheckVerdict::Failed)
    }
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreflightCheck {
    /// What was measured.
    pub check: String,
    /// The step of the runbook that asks for it; none: Refit looks by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// Whether it is well.
    pub verdict: CheckVerdict,
    /// What was found.
    pub measured: String,
    /// What is allowed.
    pub limit: String,
    /// What to do when it is not well; empty when it is.
    pub remedy: String,
}

/// Whether a check is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Within its limit.
    Ok,
    /// Outside, and the order would end there.
    Failed,
    /// Outside, and the order would go on and say so.
    Advisory,
    /// Cannot be judged before the step that comes first.
    Later,
}

impl CheckVerdict {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Advisory => "advisory",
            Self::Later => "later",
        }
    }
}
