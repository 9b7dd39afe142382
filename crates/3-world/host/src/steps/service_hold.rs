//! `service.hold`: stops and disables other services, and brings back exactly what was.

use super::{Deed, Precheck, Undo};
use crate::{context::Context, error::StepError, service::systemd::Systemd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) struct ServiceHold<'a> {
    pub(super) units: &'a [String],
}

/// Where the former states are kept.
const FORMER: &str = "former";

/// What a unit was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    runs: bool,
    at_boot: String,
}

impl Former {
    fn see(systemd: &Systemd, unit: &str) -> Result<Self, StepError> {
        let runs = matches!(systemd.active(unit)?.as_str(), "active" | "activating" | "reloading");
        Ok(Self { runs, at_boot: systemd.at_boot(unit)? })
    }
}

impl Deed for ServiceHold<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let systemd = Systemd::connect();
        let seen = self.units.iter().map(|unit| Ok((unit.clone(), Former::see(&systemd, unit)?)));
        let seen = seen.collect::<Result<BTreeMap<String, Former>, StepError>>()?;
        context.remember(FORMER, &serde_json::to_string(&seen)?)?;
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let systemd = Systemd::connect();
        for unit in self.units {
            if systemd.at_boot(unit)? == "enabled" {
                systemd.set_at_boot(unit, "disabled")?;
            }
            systemd.stop(unit, context.limit())?;
        }
        Ok(format!("held {}", self.units.join(", ")))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        let systemd = Systemd::connect();
        for unit in self.units {
            let seen = Former::see(&systemd, unit)?;
            if seen.runs || seen.at_boot == "enabled" {
                let (service, found) = (unit.clone(), format!("{seen:?}"));
                return Err(StepError::Service {
                    service,
                    expected: "stopped and disabled",
                    found,
                });
            }
        }
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let Some(text) = context.recall(FORMER)? else {
            return Ok(Undo::Nothing { because: "nothing was held".to_owned() });
        };
        let former: BTreeMap<String, Former> = serde_json::from_str(&text)?;
        let systemd = Systemd::connect();
        for (unit, was) in &former {
            if was.at_boot == "enabled" && systemd.at_boot(unit)? != "enabled" {
                systemd.set_at_boot(unit, "enabled")?;
            }
            if was.runs {
                systemd.start(unit, context.limit())?;
            }
            let now = Former::see(&systemd, unit)?;
            if now != *was {
                let (service, found) = (unit.clone(), format!("{now:?}, was {was:?}"));
                return Err(StepError::Service { service, expected: "as it was before", found });
            }
        }
        Ok(Undo::Done(format!("{} as before", self.units.join(", "))))
    }
}
