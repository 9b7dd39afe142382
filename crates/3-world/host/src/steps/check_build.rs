//! `check.build`: the installed build is the one that the leg starts from; after `install.switch`, the one that it leads to.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError, in_place};

pub(super) struct CheckBuild;

impl Deed for CheckBuild {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let found = context.layout.installed()?;
        // Behind the exchange of the link it is the new build that ought to be there.
        let new = context.after_switch() && !context.taken_back;
        let expected = if new { context.to } else { context.from };
        if found.as_ref() != Some(expected) {
            let found = found.map_or_else(|| "none".to_owned(), |build| build.to_string());
            return Err(StepError::WrongBuild { expected: expected.clone(), found });
        }
        let own = in_place::look(context, expected)?;
        Ok(format!("build {expected} is installed{own}"))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
