//! `install.in-place`: exchanges, file by file, what differs; undone from the undo set, together with the unit.

use super::{Deed, Precheck, Undo, install_switch::expect};
use crate::{
    context::Context,
    error::StepError,
    holders::{Held, wait_released},
    in_place::{self, Places, Plan, Rules, SeenBefore, is_as_planned},
};
use refit_packs::runbook::InPlace;
use std::{fs, path::PathBuf, time::Duration};

/// A process that was just ended leaves its files within it.
const RELEASE_WAIT: Duration = Duration::from_secs(2);
/// Names of configuration files that a line for people has.
const NAMED_MAX: usize = 10;

pub(super) struct InstallInPlace<'a> {
    pub(super) terms: &'a InPlace,
}

/// The plan of this very leg; none when it did not come so far.
fn begun(context: &Context<'_>, places: &Places) -> Result<Option<Plan>, StepError> {
    in_place::plan_of(&places.plan(), &context.key_of_leg())
}

impl InstallInPlace<'_> {
    /// Decides and writes down what is exchanged; everything that speaks against it is said here, before the first change.
    fn plan(&self, context: &Context<'_>, places: &Places) -> Result<Plan, StepError> {
        expect(context, context.from)?;
        let mark = places.staged_mark();
        if !fs::read_to_string(&mark).is_ok_and(|mark| mark == context.key_of_leg()) {
            return Err(StepError::NotStaged { path: places.work().to_owned() });
        }
        let (state, product) = (context.state, &context.product.name);
        let base = in_place::Listing::load(state, product, context.from)?;
        let to = in_place::Listing::load(state, product, context.to)?;
        let seen = SeenBefore::load(state, product);
        let rules = Rules { terms: self.terms, seen: &seen, of: context.key_of_leg() };
        let plan = in_place::make(&places.into, &base, &to, &rules)?;
        let touched: Vec<PathBuf> = plan.replaced().map(|path| places.into.join(path)).collect();
        let held = Held::files(touched.iter().map(PathBuf::as_path)).without_readers();
        wait_released(&held, RELEASE_WAIT.min(context.limit()))?;
        in_place::write_durable(&places.plan(), &serde_json::to_vec(&plan)?)?;
        Ok(plan)
    }
}

impl Deed for InstallInPlace<'_> {
    fn check(&self, _: &Context<'_>) -> Result<Precheck, StepError> {
        Ok(Precheck::Ready)
    }

    fn apply(&self, context: &Context<'_>) -> Result<String, StepError> {
        let places = Places::of(context, self.terms)?;
        let plan = match begun(context, &places)? {
            Some(plan) => plan,
            None => self.plan(context, &places)?,
        };
        let done = in_place::forward(&places, &plan)?;
        context.layout.point_at(context.to)?;
        let mut note = format!(
            "from {} to {}: {} entries put in place, {} removed",
            context.from, context.to, done.put, done.removed
        );
        if !plan.kept.is_empty() {
            let names = plan.kept.iter().take(NAMED_MAX).map(|path| path.display().to_string());
            let names = names.collect::<Vec<_>>().join(", ");
            note.push_str(&format!(
                "; {} configuration files stay as they were changed here: {names}",
                plan.kept.len()
            ));
        }
        if done.folders_kept > 0 {
            note.push_str(&format!("; {} folders hold local files and stay", done.folders_kept));
        }
        Ok(note)
    }

    fn verify(&self, context: &Context<'_>) -> Result<(), StepError> {
        let places = Places::of(context, self.terms)?;
        if let Some(plan) = begun(context, &places)? {
            is_as_planned(&places, &plan)?;
        }
        expect(context, context.to)
    }

    fn undo(&self, context: &Context<'_>) -> Result<Undo, StepError> {
        let places = Places::of(context, self.terms)?;
        let back = match begun(context, &places)? {
            Some(plan) => in_place::backward(&places, &plan)?,
            None => 0,
        };
        context.layout.point_at(context.from)?;
        expect(context, context.from)?;
        let unit = context.restore_unit()?;
        Ok(Undo::Done(format!(
            "build {} is in place, {back} entries were put back; {unit}",
            context.from
        )))
    }
}
