//! `cluster.drain`: takes the node out of its cluster's service; put back when the leg ends, however it ends.

use super::{
    Deed, Precheck, Undo,
    waiting::{until, until_not},
};
use crate::{command::last_lines, context::Context, error::StepError};
use refit_packs::runbook::ClusterDrain;

pub(super) struct ClusterDrainOf<'a>(pub(super) &'a ClusterDrain);

/// Where the former state is kept.
pub(super) const FORMER: &str = "former";
/// Somebody else had drained it: it is not ours to put back.
pub(super) const DRAINED: &str = "drained";
const SERVING: &str = "serving";

impl Deed for ClusterDrainOf<'_> {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let drained = context.probe(&self.0.drained);
        let former = context.remember(FORMER, if drained.is_ok() { DRAINED } else { SERVING })?;
        Ok(match drained {
            Ok(seen) if former == DRAINED => {
                Precheck::AlreadyDone(format!("it was drained before the order: {seen}"))
            }
            Ok(seen) => Precheck::AlreadyDone(seen),
            Err(_) => Precheck::Ready,
        })
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        drain(context, self.0)
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        context.probe(&self.0.drained).map(drop)
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        if context.recall(FORMER)?.as_deref() != Some(SERVING) {
            return Ok(Undo::Nothing { because: "it did not serve before the order".to_owned() });
        }
        if serves(context, self.0) {
            return Ok(Undo::Nothing { because: "it serves again".to_owned() });
        }
        Ok(Undo::Done(resume(context, self.0)?))
    }
}

/// Whether the node can be seen to serve. Without a probe for that, a node that is not drained may still be half drained.
pub(super) fn serves(context: &Context<'_>, terms: &ClusterDrain) -> bool {
    terms.resumed.as_ref().is_some_and(|resumed| context.probe(resumed).is_ok())
}

pub(super) fn drain(context: &Context<'_>, terms: &ClusterDrain) -> Result<String, StepError> {
    let said = context.succeed(&terms.drain)?;
    let seen = until(context, &terms.drained)?;
    Ok(format!("drained: {}; {seen}", last_lines(&said)))
}

pub(super) fn resume(context: &Context<'_>, terms: &ClusterDrain) -> Result<String, StepError> {
    let said = context.succeed_apart(&terms.resume)?;
    let seen = match &terms.resumed {
        Some(resumed) => until(context, resumed)?,
        None => until_not(context, &terms.drained)?,
    };
    Ok(format!("serves again: {}; {seen}", last_lines(&said)))
}
