//! Tells people what waits for them, and reminds them.

use super::wait;
use crate::{app::App, questions};
use refit_protocol::Problem;
use std::{collections::BTreeSet, future, time::Duration};

/// A question of a minute is told while there is still time to answer it.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(app: App) {
    let mut told = BTreeSet::new();
    loop {
        if let Err(error) = questions::remind(&app, &mut told).await {
            tracing::error!(problem = Problem::from(error).detail, "people were not reminded");
        }
        if !wait(&app, future::pending(), EVERY).await {
            return;
        }
    }
}
