//! Renews the server's own certificate, forgets what nobody needs and looks whether the audit log still fits together.

use super::wait;
use crate::app::App;
use jiff::SignedDuration;
use std::{future, time::Duration};

/// Nothing here is urgent.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// How long certificates of agents are remembered after their end: for questions afterwards.
const REMEMBERED_HOURS: i64 = 90 * 24;

pub(crate) async fn run(app: App) {
    loop {
        let then = app.now() - SignedDuration::from_hours(REMEMBERED_HOURS);
        match app.store.forget_issued_before(then).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "old certificates forgotten"),
            Err(error) => tracing::warn!(
                error = refit_names::chain(&error),
                "old certificates were not forgotten"
            ),
        }
        match app.serving.renew(&app.authority, &app.ambient) {
            Ok(false) => {}
            Ok(true) => tracing::info!("the server's certificate was renewed"),
            Err(error) => tracing::error!(
                error = refit_names::chain(&error),
                "the server's certificate was not renewed"
            ),
        }
        if let Err(error) = app.store.forget_runbook_tests(then).await {
            tracing::warn!(error = refit_names::chain(&error), "old dry runs were not forgotten");
        }
        match app.store.check_audit().await {
            Ok(acts) => tracing::debug!(acts, "audit log fits together"),
            Err(error) => tracing::error!(
                error = refit_names::chain(&error),
                "audit log does not fit together"
            ),
        }
        if !wait(&app, future::pending(), EVERY).await {
            return;
        }
    }
}
