//! Writes down when hosts were last heard of, many at once: a sync itself writes nothing.

use super::wait;
use crate::app::App;
use std::{future, time::Duration};

/// How much of "last seen" a crash may lose.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(app: App) {
    loop {
        let goes_on = wait(&app, future::pending(), EVERY).await;
        let heard = app.hub.take_unwritten();
        if !heard.is_empty()
            && let Err(error) = app.store.seen(&heard).await
        {
            tracing::warn!(
                hosts = heard.len(),
                error = refit_names::chain(&error),
                "last seen was not written"
            );
        }
        if !goes_on {
            return;
        }
    }
}
