//! Reconcilers: each re-reads the truth, acts, and waits for a nudge or a while. None takes any other input.

pub(crate) mod assignments;
pub(crate) mod certificates;
pub(crate) mod housekeeping;
pub(crate) mod last_seen;
pub(crate) mod notify;
pub(crate) mod questions;
pub(crate) mod refresh;
pub(crate) mod ticker;

use crate::{app::App, tls::stopped};
use std::{future::Future, time::Duration};
use tokio::task::JoinSet;

/// Starts all of them.
pub(crate) fn spawn(app: &App, tasks: &mut JoinSet<()>) {
    let mut start = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        tasks.spawn(task);
    };
    start(Box::pin(assignments::run(app.clone())));
    start(Box::pin(ticker::run(app.clone())));
    start(Box::pin(certificates::run(app.clone())));
    start(Box::pin(last_seen::run(app.clone())));
    start(Box::pin(housekeeping::run(app.clone())));
    start(Box::pin(notify::run(app.clone())));
    start(Box::pin(questions::run(app.clone())));
    start(Box::pin(refresh::run(app.clone())));
}

/// Waits for `nudge`, at most for `longest`; false when the server stops.
async fn wait(app: &App, nudge: impl Future<Output = ()>, longest: Duration) -> bool {
    let mut stop = app.stop.clone();
    tokio::select! {
        () = nudge => true,
        () = app.ambient.clock.sleep(longest) => true,
        () = stopped(&mut stop) => false,
    }
}
