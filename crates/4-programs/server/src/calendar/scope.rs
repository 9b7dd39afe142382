//! What a freeze covers, held against what there is: one for a misspelt site would protect nothing, and nobody would see it.

use crate::{app::App, depot::Depot, refusal::Answer};
use refit_calendar::CalendarError;
use refit_inventory::closest;
use refit_plan::{Freeze, Scope};
use std::collections::BTreeSet;

/// Sites, roles and products of a freeze's scope that neither the fleet nor the repository has.
pub(super) async fn unknown(app: &App, freeze: &Freeze) -> Answer<Vec<CalendarError>> {
    let scope = &freeze.scope;
    if *scope == Scope::default() {
        return Ok(Vec::new());
    }
    let (hosts, records) = (app.store.hosts().await?, app.store.sites().await?);
    let stock = app.depot.as_ref().and_then(Depot::stock);
    let published = stock.iter().flat_map(|stock| &stock.catalog.packs);
    let mut faults = Vec::new();
    let mut look = |what, holders, wanted: BTreeSet<&str>, known: BTreeSet<&str>| {
        faults.extend(wanted.difference(&known).map(|name| CalendarError::UnknownInScope {
            freeze: freeze.name.clone(),
            what,
            name: (*name).to_owned(),
            holders,
            suggestion: closest(name, known.iter().copied()).map(str::to_owned),
        }));
    };
    let sites = hosts.iter().map(|host| &host.site).chain(records.iter().map(|site| &site.name));
    look(
        "site",
        "has a record or a host",
        scope.sites.iter().map(|site| site.as_str()).collect(),
        sites.map(|site| site.as_str()).collect(),
    );
    look(
        "role",
        "a host has",
        scope.roles.iter().map(|role| role.as_str()).collect(),
        hosts.iter().map(|host| host.role.as_str()).collect(),
    );
    let facts = hosts.iter().filter_map(|host| host.facts.as_ref());
    let seen = facts.flat_map(|facts| &facts.products).map(|product| &product.name);
    let stated = hosts.iter().filter_map(|host| host.stated.as_ref());
    let stated = stated.flat_map(|stated| stated.products.keys());
    let products = seen.chain(stated).chain(published.map(|pack| &pack.product));
    look(
        "product",
        "is installed or published",
        scope.products.iter().map(|product| product.as_str()).collect(),
        products.map(|name| name.as_str()).collect(),
    );
    Ok(faults)
}
