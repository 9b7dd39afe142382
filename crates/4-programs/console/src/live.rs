//! Live updates: the fragments of a rollout's page that changed, as server-sent events.

use crate::pages::rollouts::Fragments;
use crate::reply::{Refusal, not_found};
use crate::routes::Console;
use crate::session::Person;
use crate::words;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, unfold};
use refit_names::RolloutName;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Looks again after this long even when nobody said that something changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Shortest time between two looks: four pictures a second are live enough, and a busy fleet changes far more often.
const PAUSE: Duration = Duration::from_millis(250);

struct Follower {
    console: Arc<Console>,
    person: Person,
    name: RolloutName,
    sent: BTreeMap<String, String>,
    over: bool,
}

/// `GET /rollouts/{name}/events`: each event is a list of `[id, html]`; `over` comes last.
pub(crate) async fn events(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let name = RolloutName::parse(name).map_err(|error| not_found(error.to_string()))?;
    console.source.rollout(&name).await?;
    let follower = Follower { console, person, name, sent: BTreeMap::new(), over: false };
    Ok(Sse::new(stream(follower)).keep_alive(KeepAlive::default()).into_response())
}

fn stream(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    /// Waits for a change that shows; none when the session, the rollout or the connection to the truth ended.
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        loop {
            // Also keeps a source that answers at once, as a stopping one does, from turning this into a spin.
            if !self.sent.is_empty() {
                self.console.ambient.clock.sleep(PAUSE).await;
            }
            self.console.sessions.person(&self.person.id).await.ok()?;
            let view = self.console.source.rollout(&self.name).await.ok()?;
            let news = self.news(Fragments::of(&view));
            self.over = words::is_over(&view);
            if self.over {
                return Event::default().event("over").json_data(&news).ok();
            }
            if !news.is_empty() {
                return Event::default().json_data(&news).ok();
            }
            let clock = &self.console.ambient.clock;
            tokio::select! {
                () = self.console.source.changed() => {}
                () = clock.sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Fragments that differ from what was sent; remembers them as sent.
    fn news(&mut self, fragments: Fragments) -> Vec<(String, String)> {
        let mut news = Vec::new();
        for (id, html) in fragments.all {
            if self.sent.get(&id) != Some(&html) {
                self.sent.insert(id.clone(), html.clone());
                news.push((id, html));
            }
        }
        news
    }
}
