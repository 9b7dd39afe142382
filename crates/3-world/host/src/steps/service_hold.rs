//! `service.hold`: stops and disables other services, and brings back exactly what was.

use super::{
    Deed, Precheck, Undo,
    units::{Former, former, former_of, remember, restore},
};
use crate::{command::last_lines, context::Context, error::StepError, service::systemd::Systemd};
use refit_names::StepId;
use refit_packs::runbook::{Command, HeldByCommands, ServiceHold};
use std::collections::BTreeMap;

pub(super) struct ServiceHoldOf<'a>(pub(super) &'a ServiceHold);

/// Where it is kept which services of commands ran.
const RAN: &str = "ran";
/// What a status command ends with when its service is stopped, as with LSB scripts.
const STATUS_STOPPED: i32 = 3;

impl Deed for ServiceHoldOf<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        if !self.0.units.is_empty() {
            remember(context, &Systemd::connect(), &self.0.units, self.0.if_present)?;
        }
        let runs = |held: &HeldByCommands| runs(context, &held.status);
        let all = self.0.commands.iter().map(|(name, held)| Ok((name, runs(held)?)));
        let all = all.collect::<Result<BTreeMap<&StepId, bool>, StepError>>()?;
        context.remember(RAN, &serde_json::to_string(&all)?)?;
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        Ok(format!("held {}", hold(context, &context.step.id, self.0)?.join(", ")))
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let expected = "stopped and disabled";
        let former = former(context)?;
        if !former.is_empty() {
            let systemd = Systemd::connect();
            for unit in former.keys() {
                let seen = Former::see(&systemd, unit)?;
                if seen.runs || seen.at_boot == "enabled" {
                    let (service, found) = (unit.clone(), format!("{seen:?}"));
                    return Err(StepError::Service { service, expected, found });
                }
            }
        }
        for (name, commands) in &self.0.commands {
            if runs(context, &commands.status)? {
                let (service, found) = (name.to_string(), "running".to_owned());
                return Err(StepError::Service { service, expected: "stopped", found });
            }
        }
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let names = release(context, &context.step.id, self.0)?;
        if names.is_empty() {
            return Ok(Undo::Nothing { because: "nothing was held".to_owned() });
        }
        Ok(Undo::Done(format!("{} as before", names.join(", "))))
    }
}

/// Stops and disables what the hold `step` found; answers with names.
pub(super) fn hold(
    context: &Context<'_>,
    step: &StepId,
    terms: &ServiceHold,
) -> Result<Vec<String>, StepError> {
    let former = former_of(context, step)?;
    let mut held = vec![];
    if !former.is_empty() {
        let systemd = Systemd::connect();
        for unit in terms.units.iter().filter(|unit| former.contains_key(*unit)) {
            if systemd.at_boot(unit)? == "enabled" {
                systemd.set_at_boot(unit, "disabled")?;
            }
            systemd.stop(unit, context.limit())?;
            held.push(unit.clone());
        }
    }
    for (name, commands) in &terms.commands {
        if runs(context, &commands.status)? {
            context.succeed(&commands.stop)?;
        }
        held.push(name.to_string());
    }
    Ok(held)
}

/// Brings back exactly what the hold `step` found; answers with names. Every service is tried, whatever another one does; the first
/// failure is told.
pub(super) fn release(
    context: &Context<'_>,
    step: &StepId,
    terms: &ServiceHold,
) -> Result<Vec<String>, StepError> {
    let former = former_of(context, step)?;
    let units = if former.is_empty() {
        Ok(())
    } else {
        let reversed: Vec<String> = terms.units.iter().rev().cloned().collect();
        restore(&Systemd::connect(), &former, &reversed, context.limit())
    };
    let ran: BTreeMap<StepId, bool> = context
        .recall_of(step, RAN)?
        .map(|text| serde_json::from_str(&text))
        .transpose()?
        .unwrap_or_default();
    let mut failure = units.err();
    for (name, commands) in terms.commands.iter().rev() {
        if let Some(was) = ran.get(name)
            && let Err(error) = bring_back(context, name, commands, *was)
        {
            tracing::warn!(%name, error = refit_names::chain(&error), "a service is not as it was");
            failure = failure.or(Some(error));
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(former.into_keys().chain(ran.keys().map(ToString::to_string)).collect()),
    }
}

fn bring_back(
    context: &Context<'_>,
    name: &StepId,
    commands: &HeldByCommands,
    was: bool,
) -> Result<(), StepError> {
    if runs(context, &commands.status)? != was {
        context.succeed_apart(if was { &commands.start } else { &commands.stop })?;
    }
    if runs(context, &commands.status)? == was {
        return Ok(());
    }
    let expected = if was { "running as before" } else { "stopped as before" };
    let found = if was { "stopped" } else { "running" }.to_owned();
    Err(StepError::Service { service: name.to_string(), expected, found })
}

fn runs(context: &Context<'_>, status: &Command) -> Result<bool, StepError> {
    let run = context.run(status)?;
    let ended = run.end(context.limit())?;
    match ended.code {
        Some(0) => Ok(true),
        Some(STATUS_STOPPED) => Ok(false),
        _ => Err(StepError::ExitCode {
            command: run.text(),
            status: ended.status,
            expected: "exit code 0 for running or 3 for stopped".to_owned(),
            said: last_lines(&ended.output),
        }),
    }
}
