//! `service.release`: brings back what `service.hold` held before the leg ends, so that client tests see the machine as users will.
//! Taken back by holding again: nothing may get in the way of the way back either.

use super::{
    Deed, Precheck, Undo,
    service_hold::{hold, release},
};
use crate::{context::Context, error::StepError};
use refit_names::StepId;
use refit_packs::runbook::{ServiceHold, StepKind};

pub(super) struct ServiceRelease;

/// The holds that stand before this step.
fn holds<'a>(context: &Context<'a>) -> Vec<(&'a StepId, &'a ServiceHold)> {
    let steps = context.record.runbook.steps.iter();
    let before = steps.take_while(|step| step.id != context.step.id);
    let held = before.filter_map(|step| match &step.kind {
        StepKind::ServiceHold(terms) => Some((&step.id, terms)),
        _ => None,
    });
    held.collect()
}

impl Deed for ServiceRelease {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    /// Each hold is tried, whatever another one does; the first failure is told.
    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let outcomes: Vec<_> = holds(context)
            .into_iter()
            .rev()
            .map(|(id, terms)| release(context, id, terms))
            .collect();
        let names: Vec<String> = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        Ok(format!("{} as before", names.join(", ")))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        // What is brought back is looked at while it is.
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let mut names = vec![];
        for (id, terms) in holds(context) {
            names.extend(hold(context, id, terms)?);
        }
        Ok(Undo::Done(format!("held again: {}", names.join(", "))))
    }
}
