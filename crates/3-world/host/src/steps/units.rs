//! Named systemd units: their former state, a change of it, and the way back.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError, service::systemd::Systemd};
use refit_names::StepId;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Where the former states are kept.
pub(super) const FORMER: &str = "former";

/// What a unit was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Former {
    pub(super) runs: bool,
    pub(super) at_boot: String,
}

impl Former {
    pub(super) fn see(systemd: &Systemd, unit: &str) -> Result<Self, StepError> {
        let runs = matches!(systemd.active(unit)?.as_str(), "active" | "activating" | "reloading");
        Ok(Self { runs, at_boot: systemd.at_boot(unit)? })
    }

    fn told(&self) -> String {
        let at_boot = if self.at_boot.is_empty() { "without a unit file" } else { &self.at_boot };
        format!("{} and {at_boot}", if self.runs { "running" } else { "stopped" })
    }
}

/// Sees all units, and keeps what they were before the step's first try. Refuses units that the host does not have.
pub(super) fn remember(
    context: &Context<'_>,
    systemd: &Systemd,
    units: &[String],
    if_present: bool,
) -> Result<BTreeMap<String, Former>, StepError> {
    let mut seen = BTreeMap::new();
    for unit in units {
        if systemd.exists(unit)? {
            seen.insert(unit.clone(), Former::see(systemd, unit)?);
        } else if !if_present {
            let (service, found) = (unit.clone(), "not known to this host".to_owned());
            return Err(StepError::Service { service, expected: "a unit of this host", found });
        }
    }
    Ok(serde_json::from_str(&context.remember(FORMER, &serde_json::to_string(&seen)?)?)?)
}

/// What the units were before the step's first try.
pub(super) fn former(context: &Context<'_>) -> Result<BTreeMap<String, Former>, StepError> {
    former_of(context, &context.step.id)
}

/// What the units were before the first try of another step.
pub(super) fn former_of(
    context: &Context<'_>,
    step: &StepId,
) -> Result<BTreeMap<String, Former>, StepError> {
    let text = context.recall_of(step, FORMER)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// Brings units back to exactly what they were. Each is tried, whatever another one does; the first failure is told.
pub(super) fn restore(
    systemd: &Systemd,
    former: &BTreeMap<String, Former>,
    units: &[String],
    limit: Duration,
) -> Result<(), StepError> {
    let mut failure = None;
    for unit in units {
        let Some(was) = former.get(unit) else { continue };
        if let Err(error) = restore_one(systemd, unit, was, limit) {
            tracing::warn!(unit, error = refit_names::chain(&error), "a unit is not as it was");
            failure = failure.or(Some(error));
        }
    }
    failure.map_or(Ok(()), Err)
}

fn restore_one(
    systemd: &Systemd,
    unit: &str,
    was: &Former,
    limit: Duration,
) -> Result<(), StepError> {
    let at_boot = systemd.at_boot(unit)?;
    if at_boot != was.at_boot && matches!(was.at_boot.as_str(), "enabled" | "disabled") {
        systemd.set_at_boot(unit, &was.at_boot)?;
    }
    if was.runs {
        systemd.start(unit, limit)?
    } else {
        systemd.stop(unit, limit)?
    }
    let now = Former::see(systemd, unit)?;
    if now == *was {
        return Ok(());
    }
    let (service, found) = (unit.to_owned(), format!("{}, was {}", now.told(), was.told()));
    Err(StepError::Service { service, expected: "as it was before", found })
}

/// What is done to named units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Stop,
    Start,
    Disable,
    Enable,
}

impl Change {
    const fn wanted(self) -> &'static str {
        match self {
            Self::Stop => "stopped",
            Self::Start => "running",
            Self::Disable => "not started by a boot",
            Self::Enable => "started by a boot",
        }
    }

    fn holds(self, now: &Former) -> bool {
        match self {
            Self::Stop => !now.runs,
            Self::Start => now.runs,
            Self::Disable => now.at_boot != "enabled",
            Self::Enable => now.at_boot == "enabled",
        }
    }
}

/// `service.stop`, `service.start`, `service.disable` and `service.enable` of named units.
pub(super) struct ChangeUnits<'a> {
    pub(super) units: &'a [String],
    pub(super) change: Change,
}

impl Deed for ChangeUnits<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let systemd = Systemd::connect();
        remember(context, &systemd, self.units, false)?;
        for unit in self.units {
            if !self.change.holds(&Former::see(&systemd, unit)?) {
                return Ok(Precheck::Ready);
            }
        }
        Ok(Precheck::AlreadyDone(format!("{} {}", self.units.join(", "), self.change.wanted())))
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let systemd = Systemd::connect();
        for unit in self.units {
            match self.change {
                Change::Stop => systemd.stop(unit, context.limit())?,
                Change::Start => systemd.start(unit, context.limit())?,
                Change::Disable => systemd.set_at_boot(unit, "disabled")?,
                Change::Enable => systemd.set_at_boot(unit, "enabled")?,
            }
        }
        Ok(format!("{} {}", self.units.join(", "), self.change.wanted()))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        let systemd = Systemd::connect();
        for unit in self.units {
            let now = Former::see(&systemd, unit)?;
            if !self.change.holds(&now) {
                let (service, found) = (unit.clone(), now.told());
                return Err(StepError::Service { service, expected: self.change.wanted(), found });
            }
        }
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let former = former(context)?;
        if former.is_empty() {
            return Ok(Undo::Nothing { because: "nothing was changed".to_owned() });
        }
        restore(&Systemd::connect(), &former, self.units, context.limit())?;
        Ok(Undo::Done(format!("{} as before", self.units.join(", "))))
    }
}
