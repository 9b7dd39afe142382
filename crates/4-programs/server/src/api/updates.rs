//! Which updates there are, and the way to them.

use super::answers::Asked;
use crate::{app::App, refusal::Answer};
use axum::{Json, extract::State};
use refit_names::{BuildId, ByteSize, ProductName};
use refit_packs::catalog::PackSummary;
use refit_protocol::v1::{PathView, UpdateView};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<UpdateView>>> {
    Ok(Json(available(&app).await?))
}

/// What the installed builds of active hosts can be upgraded to; the same for API and console.
pub(crate) async fn available(app: &App) -> Answer<Vec<UpdateView>> {
    let stock = app.stock()?;
    let mut installed: BTreeMap<(ProductName, BuildId), u64> = BTreeMap::new();
    for host in app.store.hosts().await? {
        if host.lifecycle == refit_inventory::Lifecycle::Retired {
            continue;
        }
        for product in host.facts.into_iter().flat_map(|facts| facts.products) {
            if let Some(build) = product.build {
                *installed.entry((product.name, build)).or_default() += 1;
            }
        }
    }
    let view = |((product, build), servers): ((ProductName, BuildId), u64)| {
        let reachable = stock.catalog.reachable(&product, &build);
        let paths = reachable.iter().map(|(_, packs)| builds(&build, packs)).collect();
        UpdateView { product, installed: build, servers, paths }
    };
    Ok(installed.into_iter().map(view).collect())
}

/// What is asked for.
#[derive(Deserialize)]
pub(super) struct PathQuery {
    product: ProductName,
    from: BuildId,
    to: BuildId,
}

pub(super) async fn path(
    State(app): State<App>,
    Asked(query): Asked<PathQuery>,
) -> Answer<Json<PathView>> {
    let stock = app.stock()?;
    let packs = stock.catalog.path(&query.product, &query.from, &query.to)?;
    Ok(Json(PathView {
        builds: builds(&query.from, &packs),
        size: ByteSize(packs.iter().map(|pack| pack.size.0).sum()),
        packs: packs.into_iter().cloned().collect(),
        product: query.product,
    }))
}

fn builds(from: &BuildId, packs: &[&PackSummary]) -> Vec<BuildId> {
    std::iter::once(from).chain(packs.iter().map(|pack| &pack.to)).cloned().collect()
}
