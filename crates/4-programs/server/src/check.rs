//! One look at the repository: refresh, stop what was withdrawn, tell what is new.

use crate::{
    api,
    app::App,
    depot::Depot,
    findings,
    refusal::{Answer, Refusal},
    withdrawals,
};
use refit_protocol::v1::CheckReport;

/// Looks now.
pub(crate) async fn run(app: &App) -> Answer<CheckReport> {
    let depot = app.depot.as_ref().ok_or(Refusal::NoRepository)?;
    let before = depot.stock().map(|stock| stock.repository.versions());
    let stock = match depot.refresh(app.now()).await {
        Ok(stock) => stock,
        Err(error) => {
            failed(app, depot).await;
            return Err(error.into());
        }
    };
    withdrawals::enforce(app, &stock).await?;
    app.changed();
    let updates = api::available(app).await?;
    let found = findings::of_stock(app, depot, &stock, &updates).await?;
    let new = findings::tell(app, found).await?;
    let versions = stock.repository.versions();
    Ok(CheckReport {
        checked_at: stock.refreshed_at,
        changed: before.as_ref() != Some(&versions),
        versions,
        expires_at: Some(stock.repository.expires_at()),
        new,
        updates,
    })
}

/// Tells of a repository that cannot be reached for a while.
async fn failed(app: &App, depot: &Depot) {
    let Some(found) = findings::of_failure(&depot.status(), depot.view().problem) else { return };
    if let Err(error) = findings::tell(app, vec![found]).await {
        let problem = refit_protocol::Problem::from(error);
        tracing::error!(problem = problem.detail, "failed checks were not told");
    }
}
