//! A campaign as it changes: server-sent events, each the whole view.

use super::answers::Named;
use crate::{app::App, refusal::Answer, tls::stopped, views};
use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::{self, Stream};
use refit_names::{Digest, RolloutName};
use std::{convert::Infallible, time::Duration};
use tokio::sync::watch;

/// Changes that come faster are shown together: people cannot read more.
const PAUSE: Duration = Duration::from_millis(250);
/// The view of a large fleet takes long to make: whoever watches has one processor for at most one part in so many.
const SHARE: u32 = 10;
/// Below the idle limits of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Watcher {
    app: App,
    name: RolloutName,
    changes: watch::Receiver<u64>,
    shown: Option<Digest>,
    pause: Duration,
}

pub(super) async fn stream(
    State(app): State<App>,
    Named(name): Named<RolloutName>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    // Asked once before, so that an unknown name is an answer and not a silent stream.
    views::rollout(&app, &name).await?;
    let changes = app.changes.subscribe();
    let watcher = Watcher { app, name, changes, shown: None, pause: PAUSE };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Watcher {
    /// The next view that differs from the last; none when the server stops or the campaign cannot be read.
    async fn next(&mut self) -> Option<Event> {
        let mut stop = self.app.stop.clone();
        loop {
            if self.shown.is_some() {
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    () = stopped(&mut stop) => return None,
                }
                self.app.ambient.clock.sleep(self.pause).await;
            }
            self.changes.borrow_and_update();
            let begun = self.app.now();
            let view = views::rollout(&self.app, &self.name).await.ok()?;
            let text = serde_json::to_string(&view).ok()?;
            let digest = Digest::of(text.as_bytes());
            let took = self.app.now().duration_since(begun).unsigned_abs();
            self.pause = PAUSE.max(took * SHARE);
            if self.shown.replace(digest) != Some(digest) {
                return Some(Event::default().event("rollout").data(text));
            }
        }
    }
}
