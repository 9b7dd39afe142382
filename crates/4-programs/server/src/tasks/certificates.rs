//! Makes certificates final that a crash left with all signatures and no document.

use super::wait;
use crate::{app::App, certificates};
use refit_protocol::Problem;
use std::{future, time::Duration};

/// Usually the last signature itself makes the certificate: this is for what went wrong.
const EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(app: App) {
    loop {
        if let Err(error) = certificates::finish_left_over(&app).await {
            tracing::error!(
                problem = Problem::from(error).detail,
                "certificates were not finished"
            );
        }
        if !wait(&app, future::pending(), EVERY).await {
            return;
        }
    }
}
