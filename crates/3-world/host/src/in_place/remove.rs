//! Takes the last exchange back, days after its order ended: the replaced files return, and can be exchanged once more if that fails.

use super::{
    Listing, Places, Plan, SeenBefore, backward, exchange::make_parent, forward, plan,
    write_durable,
};
use crate::{context::Context, error::StepError};
use refit_backup::sync_volume;
use refit_packs::runbook::InPlace;
use std::{fs, io, path::Path};

/// The plan in `path` that is `of` an order and leg; none when there is no such plan.
pub(crate) fn plan_of(path: &Path, of: &str) -> Result<Option<Plan>, StepError> {
    match fs::read(path) {
        Ok(text) => {
            let plan: Plan = serde_json::from_slice(&text)?;
            Ok((plan.of == of).then_some(plan))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StepError::io("read", path)(error)),
    }
}

fn places(context: &Context<'_>, terms: &InPlace) -> Result<Places, StepError> {
    let into = context.layout.root().join(context.text(&terms.into)?);
    Places::new(&into, &context.product.name, context.from)
}

/// Puts back what the exchange replaced that led to the build which is removed; says how many entries.
pub(crate) fn take_out(
    context: &Context<'_>,
    terms: &InPlace,
    installed_by: &str,
) -> Result<usize, StepError> {
    let places = places(context, terms)?;
    let removing = match plan_of(&places.removing(), &context.key_of_leg())? {
        Some(begun) => begun,
        None => decide(context, terms, &places, installed_by)?,
    };
    for change in &removing.changes {
        if let plan::New::File { from } = &change.new {
            let kept = places.new_files().join(from);
            if plan::seen(&kept)?.is_none() {
                let live = places.into.join(&change.path);
                make_parent(&kept)?;
                fs::hard_link(&live, &kept).map_err(StepError::io("keep for undo", &live))?;
            }
        }
    }
    sync_volume(places.work())?;
    backward(&places, &removing)
}

/// Everything that speaks against it is said before the first change.
fn decide(
    context: &Context<'_>,
    terms: &InPlace,
    places: &Places,
    installed_by: &str,
) -> Result<Plan, StepError> {
    let product = &context.product.name;
    let gone = || StepError::CannotUninstall {
        product: product.clone(),
        build: context.from.clone(),
        because: format!("its undo set {} is gone", places.work().display()),
    };
    let mut plan = plan_of(&places.plan(), installed_by)?.ok_or_else(gone)?;
    let own = Listing::load(context.state, product, context.from)?;
    let (seen, mut faults) = (SeenBefore::default(), vec![]);
    let mut kept = vec![];
    for change in &plan.changes {
        let Some(node) = own.entries.get(&change.path) else { continue };
        let before = faults.len();
        plan::compare(&places.into.join(&change.path), &change.path, node, &seen, &mut faults)?;
        if faults.len() > before && plan::is_config(terms, &change.path) {
            // Changed here since: it stays.
            faults.truncate(before);
            kept.push(change.path.clone());
        }
    }
    plan::refuse(faults)?;
    plan.changes.retain(|change| !kept.contains(&change.path));
    for change in plan.changes.iter().filter(|change| change.old == plan::Old::Kept) {
        if plan::seen(&places.old_files().join(&change.path))?.is_none() {
            return Err(gone());
        }
    }
    plan.kept = kept;
    plan.of = context.key_of_leg();
    write_durable(&places.removing(), &serde_json::to_vec(&plan)?)?;
    Ok(plan)
}

/// Exchanges once more what was taken out; says how many entries.
pub(crate) fn put_again(context: &Context<'_>, terms: &InPlace) -> Result<usize, StepError> {
    let places = places(context, terms)?;
    match plan_of(&places.removing(), &context.key_of_leg())? {
        Some(plan) => Ok(forward(&places, &plan)?.put),
        None => Ok(0),
    }
}
