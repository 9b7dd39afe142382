//! Published packs, whole.

use super::answers::Named;
use crate::{
    app::App,
    depot,
    refusal::{Answer, Refusal},
};
use axum::{Json, extract::State};
use refit_names::{BuildId, ProductName};
use refit_protocol::v1::PackView;

pub(super) async fn one(
    State(app): State<App>,
    Named((product, build)): Named<(ProductName, BuildId)>,
) -> Answer<Json<PackView>> {
    let stock = app.stock()?;
    let missing = || Refusal::NotFound { what: "pack", key: format!("{product}@{build}") };
    let mut packs = stock.catalog.packs.iter();
    let found = packs.find(|pack| pack.product == product && pack.to == build);
    let found = found.ok_or_else(missing)?;
    let record = stock.repository.record(&depot::pin(found)).await?;
    Ok(Json(PackView { digest: found.record_digest, record }))
}
