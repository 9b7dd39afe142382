//! Keeps what agents are told equal to what the store says.

use super::wait;
use crate::{app::App, desired};
use refit_protocol::Problem;
use std::time::Duration;

/// How long a change of another server on the same database may stay unseen.
const LONGEST: Duration = Duration::from_secs(10);

pub(crate) async fn run(app: App) {
    loop {
        if let Err(error) = desired::derive(&app).await {
            tracing::error!(problem = Problem::from(error).detail, "desired state was not derived");
        }
        if !wait(&app, app.hub.stale.notified(), LONGEST).await {
            return;
        }
    }
}
