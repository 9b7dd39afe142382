//! A pack that its author took back: rollouts whose plan has it are halted, and hosts are told.

use crate::{
    app::App,
    campaign::{self, Campaign},
    depot::Stock,
    refusal::Answer,
};
use refit_names::RolloutName;
use refit_packs::catalog::PackSummary;
use refit_plan::Plan;
use refit_protocol::agent::WithdrawnPack;
use refit_rollout::{Event, RolloutState};

/// Halts every rollout whose plan has a withdrawn pack. Doing it again changes nothing.
pub(crate) async fn enforce(app: &App, stock: &Stock) -> Answer<()> {
    if stock.catalog.packs.iter().all(|pack| pack.withdrawn.is_none()) {
        return Ok(());
    }
    for row in app.store.rollouts::<Campaign>().await? {
        let rollout = &row.body.rollout;
        let over =
            matches!(rollout.state(), RolloutState::Completed | RolloutState::Cancelled { .. });
        let Some(hash) = rollout.plan().filter(|_| !over && rollout.withdrawn().is_none()) else {
            continue;
        };
        let plan = &app.store.plan(&hash).await?.plan;
        let Some(pack) = of_plan(stock, plan).next() else { continue };
        let because = told(pack);
        tracing::warn!(rollout = %row.name, because, "rollout is stopped");
        let event = Event::PackWithdrawn { because: because.clone() };
        campaign::apply(app, &row.name, event, |_| {}).await?;
        app.store
            .audit("refit", "rollout.pack-withdrawn", &act(&row.name, &because), app.now())
            .await?;
    }
    Ok(())
}

/// The withdrawn packs of a plan. One that takes them back has none: it is what is to be done with them.
pub(crate) fn of_plan<'a>(
    stock: &'a Stock,
    plan: &'a Plan,
) -> impl Iterator<Item = &'a PackSummary> {
    let packs = stock.catalog.packs.iter().filter(|_| plan.way().is_forward());
    packs.filter(|pack| {
        pack.withdrawn.is_some() && plan.packs.iter().any(|pin| pin.digest == pack.record_digest)
    })
}

/// Records of withdrawn packs, with the reason, for hosts that are on their way.
pub(crate) fn for_hosts(app: &App, plan: &Plan) -> Vec<WithdrawnPack> {
    let Ok(stock) = app.stock() else { return Vec::new() };
    let told =
        |pack: &PackSummary| WithdrawnPack { record: pack.record_digest, because: told(pack) };
    of_plan(&stock, plan).map(told).collect()
}

fn told(pack: &PackSummary) -> String {
    let reason = pack.withdrawn.as_deref().unwrap_or_default();
    format!("pack of product `{}` to build `{}` was withdrawn: {reason}", pack.product, pack.to)
}

fn act(rollout: &RolloutName, because: &str) -> String {
    serde_json::json!({ "rollout": rollout, "because": because }).to_string()
}
