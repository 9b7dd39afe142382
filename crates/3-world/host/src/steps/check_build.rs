//! `check.build`: the leg starts from the build that it was planned from.

use super::{Deed, Precheck, Undo, only_looks};
use crate::{context::Context, error::StepError};

pub(super) struct CheckBuild;

impl Deed for CheckBuild {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let found = context.layout.installed()?;
        if found.as_ref() != Some(context.from) {
            let found = found.map_or_else(|| "none".to_owned(), |build| build.to_string());
            return Err(StepError::WrongBuild { expected: context.from.clone(), found });
        }
        Ok(format!("build {} is installed", context.from))
    }

    fn verify(&self, _: &Context<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn undo(&self, _: &Context<'_>) -> Result<Undo, StepError> {
        Ok(only_looks())
    }
}
