//! Following a rollout. Whoever stops watching changes nothing.

use super::show;
use crate::{CliError, Exit, context::Context};
use refit_client::ApiClient;
use refit_names::{HostName, RolloutName, WaveName};
use refit_protocol::{
    agent::Standing,
    v1::{RolloutHostView, RolloutView, WaveState},
};
use refit_rollout::{HostState, RolloutState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Every server is prepared or ignored.
    Prepared,
    /// The rollout is over or stands still.
    Over,
}

/// How often the stream may break in a row before watching is given up: a restart of the server takes a few.
const BREAKS_MAX: u32 = 10;
const BREAK_PAUSE: Duration = Duration::from_secs(1);

/// Prints a line per change (JSON: a view per change) until the goal is reached.
pub(super) async fn until(
    context: &Context,
    api: &ApiClient,
    name: &RolloutName,
    timeout: Option<Duration>,
    goal: Goal,
) -> Result<Exit, CliError> {
    let limit = async {
        match timeout {
            Some(limit) => context.ambient.clock.sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = follow(context, api, name, goal) => ended,
        () = limit => {
            context.output.say("stopped watching: the time is over; the rollout goes on");
            Ok(Exit::TimedOut)
        }
        _ = tokio::signal::ctrl_c() => {
            context.output.say("stopped watching; the rollout goes on");
            Ok(Exit::Interrupted)
        }
    }
}

async fn follow(
    context: &Context,
    api: &ApiClient,
    name: &RolloutName,
    goal: Goal,
) -> Result<Exit, CliError> {
    let mut told = Told::default();
    let mut breaks = 0;
    loop {
        let mut stream = match api.events(name).await {
            Ok(stream) => stream,
            Err(refit_client::ClientError::Unreachable { .. }) if breaks < BREAKS_MAX => {
                breaks += 1;
                context.ambient.clock.sleep(BREAK_PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        // A stream that breaks is opened again: the first event is the whole state.
        while let Ok(Some(view)) = stream.next().await {
            breaks = 0;
            told.tell(context, &view)?;
            if let Some(exit) = ended(&view, goal) {
                return Ok(exit);
            }
        }
        breaks += 1;
        if breaks > BREAKS_MAX {
            return Err(CliError::new(
                "cli.stream",
                Exit::Unreachable,
                "the server's event stream keeps breaking",
            ));
        }
        context.ambient.clock.sleep(BREAK_PAUSE).await;
    }
}

/// What was said last, so that only changes are said.
#[derive(Default)]
struct Told {
    state: String,
    hosts: BTreeMap<HostName, String>,
    watched: BTreeSet<WaveName>,
}

impl Told {
    fn tell(&mut self, context: &Context, view: &RolloutView) -> Result<(), CliError> {
        if context.output.is_json() {
            return context.output.event(view);
        }
        let state = show::state(&view.state);
        if state != self.state {
            context.output.text(&format!("{}: {state}", view.name))?;
            self.state = state;
        }
        for host in view.waves.iter().flat_map(|wave| &wave.hosts) {
            let text = brief(host);
            let known = self.hosts.get(&host.host).is_some_and(|told| *told == text);
            if !known {
                context.output.text(&format!("{}: {}", host.host, show::host_text(host)))?;
                self.hosts.insert(host.host.clone(), text);
            }
        }
        // A wave is watched for minutes or days: whoever waits shall know for what.
        for wave in view.waves.iter().filter(|wave| wave.state == WaveState::Soaking) {
            if self.watched.insert(wave.name.clone()) {
                let text =
                    format!("wave `{}`: all its servers have ended; it is watched now", wave.name);
                context.output.text(&text)?;
            }
        }
        Ok(())
    }
}

/// What counts as a change: the state, a question, each tenth of a long step's bytes; not each elapsed second.
fn brief(host: &RolloutHostView) -> String {
    let state = serde_json::to_string(&host.state).unwrap_or_default();
    let Some(Standing::Running { progress }) = host.report.as_ref().map(|r| &r.standing) else {
        return state;
    };
    let tenth = progress.bytes_done.saturating_mul(10).checked_div(progress.bytes_total);
    let asked = progress.question.as_ref().map(|asked| (&asked.step, asked.attempt));
    format!("{state} {tenth:?} {asked:?}")
}

/// How it ended, if it did.
fn ended(view: &RolloutView, goal: Goal) -> Option<Exit> {
    let hosts = || view.waves.iter().flat_map(|wave| &wave.hosts);
    let all_good = || {
        hosts().all(|host| {
            matches!(host.state, HostState::Succeeded { .. } | HostState::Ignored { .. })
        })
    };
    match (&view.state, goal) {
        (
            RolloutState::Draft
            | RolloutState::Planned
            | RolloutState::Agreed
            | RolloutState::Preparing,
            Goal::Prepared,
        ) => None,
        (RolloutState::Cancelled { .. } | RolloutState::Halted { .. }, _) => Some(Exit::Blocked),
        (_, Goal::Prepared) => Some(Exit::Done),
        (RolloutState::Completed, Goal::Over) => {
            Some(if all_good() { Exit::Done } else { Exit::Partial })
        }
        _ => None,
    }
}
