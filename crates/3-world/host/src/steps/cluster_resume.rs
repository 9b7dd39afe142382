//! `cluster.resume`: puts the node back before the leg ends. Taken back by draining it again: clients must not meet a node that is
//! brought back to its old release.

use super::{
    Deed, Precheck, Undo,
    cluster_drain::{DRAINED, FORMER, drain, resume, serves},
};
use crate::{context::Context, error::StepError};
use refit_packs::runbook::{ClusterDrain, StepKind};

pub(super) struct ClusterResume;

fn terms<'a>(context: &Context<'a>) -> Result<(&'a ClusterDrain, bool), StepError> {
    let found = context.record.runbook.steps.iter().find_map(|step| match &step.kind {
        StepKind::ClusterDrain(terms) => Some((terms, step)),
        _ => None,
    });
    // The rules of runbooks ask for it.
    let (terms, step) = found.ok_or(StepError::EmptyCommand)?;
    let former = context.recall_of(&step.id, FORMER)?;
    Ok((terms, former.as_deref() == Some(DRAINED)))
}

impl Deed for ClusterResume {
    fn check(&self, context: &Context<'_>) -> Result<Precheck, StepError> {
        let (terms, drained_before) = terms(context)?;
        if drained_before {
            return Ok(Precheck::AlreadyDone(
                "it was drained before the order and stays so".to_owned(),
            ));
        }
        Ok(if serves(context, terms) {
            Precheck::AlreadyDone("it serves".to_owned())
        } else {
            Precheck::Ready
        })
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        resume(context, terms(context)?.0)
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let (terms, drained_before) = terms(context)?;
        if drained_before || context.probe(&terms.drained).is_ok() {
            return Ok(Undo::Nothing { because: "it is drained".to_owned() });
        }
        Ok(Undo::Done(drain(context, terms)?))
    }
}
