//! Looks at the repository on schedule, with jitter so that many servers do not ask at the same moment, and less often while it fails.

use super::wait;
use crate::{app::App, check};
use jiff::SignedDuration;
use refit_protocol::Problem;
use std::{future, time::Duration};

/// After the first failure; doubled with each that follows, up to the usual interval.
const RETRY: Duration = Duration::from_secs(60);

pub(crate) async fn run(app: App) {
    let Some(depot) = &app.depot else { return };
    loop {
        if let Err(error) = check::run(&app).await {
            let problem = Problem::from(error);
            tracing::error!(
                code = problem.code,
                problem = problem.detail,
                "repository was not checked"
            );
        }
        let status = depot.status();
        let every = Duration::from_millis(status.every_ms);
        let pause = match status.failures {
            0 => every,
            failures => RETRY.saturating_mul(1 << (failures - 1).min(16)).min(every),
        };
        let pause = pause + jitter(&app, Duration::from_millis(status.jitter_ms).min(pause));
        let ahead = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        depot.next_check(app.now().saturating_add(ahead).ok());
        if !wait(&app, future::pending(), pause).await {
            return;
        }
    }
}

/// By chance, from nothing to `most`.
fn jitter(app: &App, most: Duration) -> Duration {
    let mut bytes = [0; 4];
    app.ambient.entropy.fill(&mut bytes);
    most.mul_f64(f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX))
}
