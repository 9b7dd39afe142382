//! Derives what every host ought to do from the store: the order of the newest campaign that has one for it.

use crate::{
    app::App,
    backups::Wishes,
    campaign::{self, Campaign},
    hub::{Desired, OwnOrder},
    refusal::Answer,
    withdrawals,
};
use refit_inventory::Lifecycle;
use refit_names::{Digest, HostName};
use refit_plan::{Order, Plan};
use refit_protocol::agent::{Assignment, Permission, WithdrawnPack};
use std::collections::BTreeMap;

/// Reads everything again and tells the hub.
pub(crate) async fn derive(app: &App) -> Answer<()> {
    let mut all = BTreeMap::new();
    let wishes = Wishes::load(app).await?;
    let mut tests = BTreeMap::<HostName, Vec<_>>::new();
    for asked in app.store.open_runbook_tests().await? {
        tests.entry(asked.host).or_default().push(asked.request);
    }
    let mut answers = crate::questions::on_their_way(app).await?;
    for host in app.store.hosts().await? {
        let desired = Desired {
            retired: host.lifecycle == Lifecycle::Retired,
            want_facts: host.facts.is_none(),
            backups: wishes.of(&host),
            tests: tests.remove(&host.name).unwrap_or_default(),
            answers: answers.remove(&host.name).unwrap_or_default(),
            cleared: app.hub.cleared(&host.name),
            ..Desired::default()
        };
        all.insert(host.name, desired);
    }
    // The newest first: the first order that a host finds is the one it is told.
    for row in campaign::with_orders(app).await? {
        let Some(hash) = row.body.rollout.plan() else { continue };
        let plan = &app.store.plan(&hash).await?.plan;
        let taken_back = withdrawals::for_hosts(app, plan);
        for (host, order) in orders(plan, hash) {
            let Some(desired) = all.get_mut(&host) else { continue };
            let removes = order.removal().is_some();
            desired.orders.push(OwnOrder { key: order.key.clone(), plan: hash, removes });
            if desired.assignment.is_none()
                && !desired.retired
                && let Some(permission) = permission(&row.body, &host)
            {
                let used = |pack: &&WithdrawnPack| {
                    order.legs.iter().any(|leg| leg.pack.digest == pack.record)
                };
                let withdrawn = taken_back.iter().filter(used).cloned().collect();
                desired.assignment = Some(Assignment { order, permission, withdrawn });
            }
        }
    }
    app.hub.tell(all);
    Ok(())
}

/// How far a host may go.
fn permission(campaign: &Campaign, host: &HostName) -> Option<Permission> {
    use refit_rollout::Permission as Allowed;
    campaign.rollout.permission_for(host).map(|allowed| match allowed {
        Allowed::Prepare => Permission::Prepare,
        Allowed::Deploy => Permission::Deploy,
        Allowed::Withdrawn => Permission::Withdrawn,
    })
}

/// All orders of a plan; its hash is computed once, not once per host.
fn orders(plan: &Plan, hash: Digest) -> impl Iterator<Item = (HostName, Order)> {
    // Who has begun under a plan before has no order of this one.
    let new = plan.hosts().filter(|(_, planned)| !plan.begun.contains(&planned.host));
    new.map(move |(_, planned)| (planned.host.clone(), plan.order_of(planned, hash)))
}
