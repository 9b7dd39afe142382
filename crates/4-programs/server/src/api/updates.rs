//! Which updates there are, and the way to them.

use super::{answers::Asked, auth::Person};
use crate::{app::App, check, depot::Stock, refusal::Answer};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use refit_names::{BuildId, ByteSize, ProductName};
use refit_packs::catalog::{PackSummary, PathError};
use refit_protocol::v1::{CheckReport, PathView, UpdatePack, UpdateTarget, UpdateView};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) async fn list(State(app): State<App>) -> Answer<Json<Vec<UpdateView>>> {
    Ok(Json(available(&app).await?))
}

/// Looks at the repository now and tells what is new.
pub(super) async fn check(
    State(app): State<App>,
    Person(person): Person,
) -> Answer<Json<CheckReport>> {
    let report = check::run(&app).await?;
    app.audit(&person.name, "updates.check", &report.versions).await?;
    Ok(Json(report))
}

/// How many active hosts have each build of each product.
pub(crate) async fn installed(app: &App) -> Answer<BTreeMap<(ProductName, BuildId), u64>> {
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
    Ok(installed)
}

/// What the installed builds of active hosts can be upgraded to; the same for API and console.
pub(crate) async fn available(app: &App) -> Answer<Vec<UpdateView>> {
    let stock = app.stock()?;
    let installed = installed(app).await?;
    Ok(installed.into_iter().map(|(key, servers)| update(&stock, key, servers)).collect())
}

fn update(stock: &Stock, (product, build): (ProductName, BuildId), servers: u64) -> UpdateView {
    let reachable = stock.catalog.reachable(&product, &build);
    let own = stock.catalog.packs.iter().find(|pack| pack.product == product && pack.to == build);
    let withdrawn = own.and_then(|pack| pack.withdrawn.clone());
    let target = |(to, packs): &(BuildId, Vec<&PackSummary>)| {
        let route = stock.catalog.route(&product, &build, to);
        UpdateTarget {
            build: to.clone(),
            builds: builds(&build, packs),
            size: size(packs),
            packs: packs.iter().map(|pack| with_readme(stock, pack)).collect(),
            remarks: route.map(|route| route.remarks).unwrap_or_default(),
            superseded_by: stock.catalog.replaced_by(&product, to),
        }
    };
    UpdateView {
        paths: reachable.iter().map(|(_, packs)| builds(&build, packs)).collect(),
        targets: reachable.iter().map(target).collect(),
        superseded_by: stock.catalog.replaced_by(&product, &build),
        withdrawn,
        product,
        installed: build,
        servers,
    }
}

fn with_readme(stock: &Stock, pack: &PackSummary) -> UpdatePack {
    let record = stock.records.get(&pack.record_digest);
    UpdatePack {
        to: pack.to.clone(),
        kind: pack.kind,
        title: pack.title.clone(),
        size: pack.size,
        record: pack.record.clone(),
        record_digest: pack.record_digest,
        readme: record.map(|record| record.readme.clone()).unwrap_or_default(),
        known_issues: pack.known_issues.clone(),
    }
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
    let route = stock.catalog.route(&query.product, &query.from, &query.to)?;
    Ok(Json(PathView {
        builds: builds(&query.from, &route.packs),
        size: size(&route.packs),
        packs: route.packs.into_iter().cloned().collect(),
        remarks: route.remarks,
        product: query.product,
    }))
}

/// Of which product, in which form.
#[derive(Deserialize)]
pub(super) struct GraphQuery {
    product: ProductName,
    #[serde(default)]
    format: GraphFormat,
}

/// Forms of the graph.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum GraphFormat {
    #[default]
    Cincinnati,
    Json,
    Dot,
}

pub(super) async fn graph(
    State(app): State<App>,
    Asked(query): Asked<GraphQuery>,
) -> Answer<Response> {
    let catalog = &app.stock()?.catalog;
    let GraphQuery { product, format } = query;
    if !catalog.packs.iter().any(|pack| pack.product == product) {
        let mut known: Vec<_> = catalog.packs.iter().map(|pack| pack.product.clone()).collect();
        known.sort();
        known.dedup();
        return Err(PathError::UnknownProduct { product, known }.into());
    }
    Ok(match format {
        GraphFormat::Cincinnati => Json(catalog.cincinnati(&product)).into_response(),
        GraphFormat::Json => Json(catalog.graph(&product)).into_response(),
        GraphFormat::Dot => {
            let kind = [(header::CONTENT_TYPE, "text/vnd.graphviz; charset=utf-8")];
            (kind, catalog.graph(&product).dot()).into_response()
        }
    })
}

fn builds(from: &BuildId, packs: &[&PackSummary]) -> Vec<BuildId> {
    std::iter::once(from).chain(packs.iter().map(|pack| &pack.to)).cloned().collect()
}

fn size(packs: &[&PackSummary]) -> ByteSize {
    ByteSize(packs.iter().map(|pack| pack.size.0).sum())
}
