//! The one call: reports up, desired state down.

use crate::{
    agent_release,
    board::{Board, Desired, Facts, Publish, Word},
    control::Control,
    files, quarantine, rehearse,
    run::Agent,
};
use refit_client::{Backoff, CertificateRequest, ClientError, Identity};
use refit_journal::Entry;
use refit_names::{Coded as _, chain};
use refit_protocol::agent::{
    JOURNAL_BATCH_MAX, OrderReport, PROTOCOL, SYNC_BODY_BYTES_MAX, SyncRequest, SyncResponse,
    WAIT_MS_MAX,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Between two calls while something runs: well below the two seconds after which a person wonders.
const HEARTBEAT: Duration = Duration::from_millis(1000);
/// Between two calls in any case, so that a burst of small steps does not become a burst of calls.
const SPACING: Duration = Duration::from_millis(100);
/// First and longest delay while the server is not reachable.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Room for facts and standing beside the journal in one body.
const JOURNAL_BYTES_MAX: usize = SYNC_BODY_BYTES_MAX / 2;

/// How the last call went; kept in the state folder for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// Since when it is so.
    pub(crate) since: jiff::Timestamp,
    /// Code and text of what is wrong; none: all is well.
    pub(crate) problem: Option<(String, String)>,
}

/// What the server is known to know.
#[derive(Default)]
struct Told {
    acknowledged: Option<u64>,
    seen: u64,
    word: Option<Word>,
    facts: u64,
    backups: u64,
    /// What the host asks for its next certificate with.
    asked: Option<CertificateRequest>,
}

/// One call with what it carries.
struct Report {
    request: SyncRequest,
    word: Option<Word>,
    facts: u64,
    backups: u64,
    busy: bool,
}

/// Calls the server until the agent stops. Never fails: a server that cannot be reached is waited for.
pub(crate) async fn keep_in_sync(
    agent: Arc<Agent>,
    control: Arc<dyn Control>,
    mut stop: watch::Receiver<bool>,
) {
    let mut news = agent.board.watch_news();
    let mut told = Told::default();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut contact = Contacts::new(&agent);
    loop {
        news.mark_unchanged();
        let report = report(&agent, &told).await;
        let held = report.request.wait_ms > 0;
        let pause = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            // The server would only learn of it when it lets go of the call: call again.
            _ = news.changed(), if held => SPACING,
            answer = control.sync(&report.request) => match answer {
                Ok(answer) => {
                    backoff.reset();
                    contact.well(&agent);
                    renew(&agent, control.as_ref(), &mut told, &answer);
                    take(&agent, &mut told, &report, answer);
                    if report.busy { HEARTBEAT } else { SPACING }
                }
                Err(error) => {
                    contact.failed(&agent, &error);
                    backoff.delay(agent.ambient.entropy.as_ref())
                }
            },
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = rest(&agent, pause, backoff.tries() > 0, &mut news) => {}
        }
    }
}

/// Waits for `pause`, or shorter when there is news; a server that did not answer is left alone for the whole of it.
async fn rest(agent: &Agent, pause: Duration, whole: bool, news: &mut watch::Receiver<u64>) {
    let clock = &agent.ambient.clock;
    if whole || pause <= SPACING {
        return clock.sleep(pause).await;
    }
    clock.sleep(SPACING).await;
    tokio::select! {
        () = clock.sleep(pause - SPACING) => {}
        _ = news.changed() => {}
    }
}

async fn report(agent: &Arc<Agent>, told: &Told) -> Report {
    let word = agent.board.word();
    let Facts { revision, seen } = agent.board.facts();
    let facts = (revision != told.facts).then_some(seen).flatten();
    let (backups_revision, backups) = agent.backups.report(told.backups);
    let journal = unacknowledged(agent, told.acknowledged).await;
    let busy = word.as_ref().is_some_and(Word::is_busy);
    // The first answer says how much of the journal the server has.
    let quiet =
        told.acknowledged.is_some() && journal.is_empty() && facts.is_none() && backups.is_none();
    let csr = told.asked.as_ref().map(|asked| asked.csr.clone());
    let tests = agent.tests.done();
    let hold = quiet && !busy && word == told.word && tests.is_empty() && csr.is_none();
    let order = word.clone().map(|word| OrderReport {
        key: word.key,
        plan: word.plan,
        standing: word.standing,
        stuck: word.stuck,
        at: agent.ambient.clock.now(),
    });
    let request = SyncRequest {
        backups,
        tests,
        protocol: PROTOCOL,
        agent_version: agent_release::VERSION.to_owned(),
        facts: facts.map(|facts| facts.as_ref().clone()),
        order,
        journal,
        csr,
        seen: told.seen,
        wait_ms: if hold { WAIT_MS_MAX } else { 0 },
    };
    Report { request, word, facts: revision, backups: backups_revision, busy }
}

async fn unacknowledged(agent: &Arc<Agent>, acknowledged: Option<u64>) -> Vec<Entry> {
    let Some(seq) = acknowledged else { return Vec::new() };
    let journal = Arc::clone(&agent.journal);
    let read = tokio::task::spawn_blocking(move || journal.after(seq, JOURNAL_BATCH_MAX)).await;
    match read {
        Ok(Ok(mut entries)) => {
            let mut bytes = 0;
            let fits = entries.iter().take_while(|entry| {
                bytes += serde_json::to_vec(entry).map_or(0, |text| text.len());
                bytes <= JOURNAL_BYTES_MAX
            });
            let fits = fits.count().max(1);
            entries.truncate(fits);
            entries
        }
        Ok(Err(error)) => {
            tracing::error!(code = error.code(), "journal: {}", chain(&error));
            Vec::new()
        }
        // The reading thread ended with the process.
        Err(_) => Vec::new(),
    }
}

/// Asks for the next certificate when the server says that it is time, and takes it when it comes. What fails is asked for again.
fn renew(agent: &Agent, control: &dyn Control, told: &mut Told, answer: &SyncResponse) {
    let done = match (told.asked.take(), &answer.certificate) {
        (Some(asked), Some(certificate)) => {
            Identity::renew(&agent.state, asked, certificate.clone())
                .and_then(|renewed| control.show(&renewed))
                .map(|()| tracing::info!("certificate renewed"))
        }
        _ if answer.want_csr => CertificateRequest::new(&agent.identity.host)
            .map(|asked| told.asked = Some(asked))
            .map_err(ClientError::from),
        _ => Ok(()),
    };
    if let Err(error) = done {
        tracing::error!(code = error.code(), "certificate not renewed: {}", chain(&error));
    }
}

fn take(agent: &Arc<Agent>, told: &mut Told, report: &Report, answer: SyncResponse) {
    told.acknowledged = Some(answer.journal_acknowledged);
    told.seen = answer.seen;
    told.word.clone_from(&report.word);
    told.facts = report.facts;
    told.backups = report.backups;
    agent.backups.wish(answer.backups.clone());
    agent.answers.hear(answer.answers.clone());
    rehearse::hear(agent, answer.tests.clone());
    quarantine::hear(agent, answer.cleared.clone());
    if answer.want_facts {
        agent.look(Publish::Always);
    }
    let desired = match answer.assignment {
        Some(assignment) => Desired::Assigned(Box::new(assignment)),
        None => Desired::Nothing,
    };
    settle(&agent.board, report, &desired);
    agent.board.desire(desired);
}

/// Forgets a final word once the server has heard it and no longer asks about that order.
fn settle(board: &Board, report: &Report, desired: &Desired) {
    let Some(word) = &report.word else { return };
    let asked =
        matches!(desired, Desired::Assigned(assignment) if assignment.order.key == word.key);
    let is_final = matches!(word.standing, refit_protocol::agent::Standing::Finished { .. });
    if is_final && !asked && board.word().as_ref() == Some(word) {
        board.fall_silent();
    }
}

/// Writes down how the connection is, when that changes.
struct Contacts {
    path: std::path::PathBuf,
    last: Option<Option<String>>,
}

impl Contacts {
    fn new(agent: &Agent) -> Self {
        Self { path: agent.state.join("contact.json"), last: None }
    }

    fn well(&mut self, agent: &Agent) {
        if self.last != Some(None) {
            tracing::info!("in contact with the server");
            self.note(agent, None);
            agent_release::confirm(&agent.state);
        }
    }

    fn failed(&mut self, agent: &Agent, error: &ClientError) {
        let problem = (error.code().to_owned(), chain(error));
        if self.last.as_ref() != Some(&Some(problem.0.clone())) {
            tracing::warn!(code = problem.0, "sync failed: {}", problem.1);
            self.note(agent, Some(problem));
        }
    }

    fn note(&mut self, agent: &Agent, problem: Option<(String, String)>) {
        self.last = Some(problem.as_ref().map(|(code, _)| code.clone()));
        let contact = Contact { since: agent.ambient.clock.now(), problem };
        if let Err(error) = files::write_json(&self.path, &contact) {
            tracing::warn!(%error, "failed to write {}", self.path.display());
        }
    }
}
