//! Brings the repository up to date, with jitter so that many servers do not ask at the same moment.

use super::wait;
use crate::app::App;
use refit_names::chain;
use std::{future, time::Duration};

/// After a failure it is tried again sooner than the usual interval.
const RETRY: Duration = Duration::from_secs(60);

pub(crate) async fn run(app: App, every: Duration) {
    let Some(depot) = &app.depot else { return };
    loop {
        let pause = match depot.refresh(app.now()).await {
            Ok(_) => {
                app.changed();
                every
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "repository was not refreshed");
                every.min(RETRY)
            }
        };
        if !wait(&app, future::pending(), jittered(&app, pause)).await {
            return;
        }
    }
}

/// Between nine and eleven tenths of `pause`.
fn jittered(app: &App, pause: Duration) -> Duration {
    let mut byte = [0];
    app.ambient.entropy.fill(&mut byte);
    pause.mul_f64(0.9 + 0.2 * f64::from(byte[0]) / 255.0)
}
