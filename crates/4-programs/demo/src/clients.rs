//! Clients that write to every host without pause, and remember what they were told is stored.

use crate::{DemoError, hosts::Host};
use refit_names::HostName;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// A person at a till would be slower; a faster client would only take the processors from the twelve services.
const PACE: Duration = Duration::from_millis(40);
/// How soon a refused write is tried again: the error of the measured downtime.
const RETRY: Duration = Duration::from_millis(10);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A write that is refused for good this often is told once and given up.
const REFUSED_MAX: usize = 5;
/// Accounts of ordinary entries.
const ACCOUNTS: [&str; 5] = ["till", "rent", "wages", "stock", "travel"];

/// Account and amount of a client's entry `number`: what must be found in the database afterwards.
pub(crate) fn entry(number: u64) -> (&'static str, i64) {
    let account = ACCOUNTS[usize::try_from(number % 5).unwrap_or_default()];
    (account, i64::try_from(number * 37 % 10_000).unwrap_or_default() - 2_000)
}

/// The id of entry `number` of `host`.
pub(crate) fn id(host: &HostName, number: u64) -> String {
    format!("{host}-{number:06}")
}

/// What a client was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    /// Entries 1 to this one were acknowledged with 201.
    pub(crate) acknowledged: u64,
    /// The longest time between two acknowledgements since the deployment began.
    pub(crate) longest_gap: Duration,
    /// Answers that are neither 201 nor "try again".
    pub(crate) refused: Vec<String>,
    /// Tries that failed and were repeated.
    pub(crate) retries: u64,
}

type Shared = Arc<Mutex<Written>>;

fn locked(written: &Shared) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All clients.
pub(crate) struct Clients {
    written: BTreeMap<HostName, Shared>,
    running: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

impl Clients {
    /// Seeds the bad host's data through its own API, then starts a client for each host.
    pub(crate) async fn start(hosts: &[Host]) -> Result<Self, DemoError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            // Plain HTTP on loopback: there is no certificate to check, and a machine without any must do too.
            .tls_certs_only([])
            .timeout(ANSWER_LIMIT)
            .build()
            .map_err(DemoError::value)?;
        for host in hosts.iter().filter(|host| host.spec.is_bad) {
            seed(&http, host).await?;
        }
        let (stop, stopped) = watch::channel(false);
        let mut clients = Self { written: BTreeMap::new(), running: Vec::new(), stop };
        for host in hosts {
            let written = Shared::default();
            clients.written.insert(host.spec.name.clone(), Arc::clone(&written));
            clients.running.push(tokio::spawn(write(
                http.clone(),
                host.clone(),
                written,
                stopped.clone(),
            )));
        }
        Ok(clients)
    }

    /// From now on gaps count.
    pub(crate) fn forget_gaps(&self) {
        for written in self.written.values() {
            locked(written).longest_gap = Duration::ZERO;
        }
    }

    /// The longest gap of a host so far.
    pub(crate) fn longest_gap(&self, host: &HostName) -> Duration {
        self.written.get(host).map(|written| locked(written).longest_gap).unwrap_or_default()
    }

    /// Lets every client finish its write and tells what each was told.
    pub(crate) async fn stop(self) -> BTreeMap<HostName, Written> {
        // No client listens only when all have ended.
        let _ = self.stop.send(true);
        for client in self.running {
            let _ = client.await;
        }
        self.written.into_iter().map(|(host, written)| (host, locked(&written).clone())).collect()
    }
}

/// Two accounts that build 1000 tells apart and schema 2 does not.
async fn seed(http: &reqwest::Client, host: &Host) -> Result<(), DemoError> {
    for (number, account) in [(1, "Harbour fees"), (2, "harbour fees")] {
        let body = json!({ "id": format!("{}-old-{number}", host.spec.name), "account": account, "amount": 1_250 });
        let sent = http.post(address(host)).body(body.to_string()).send().await;
        let status = sent
            .map_err(|error| DemoError::Value(format!("{}: {error}", host.spec.name)))?
            .status();
        if status != 201 {
            return Err(DemoError::Value(format!(
                "{} answered {status} to a write",
                host.spec.name
            )));
        }
    }
    Ok(())
}

fn address(host: &Host) -> String {
    format!("http://127.0.0.1:{}/entries", host.port)
}

async fn write(
    http: reqwest::Client,
    host: Host,
    written: Shared,
    mut stopped: watch::Receiver<bool>,
) {
    let (address, mut last) = (address(&host), Instant::now());
    for number in 1.. {
        let (account, amount) = entry(number);
        let body =
            json!({ "id": id(&host.spec.name, number), "account": account, "amount": amount })
                .to_string();
        loop {
            // A stopped client gives up a write that it was never told is stored.
            if *stopped.borrow() {
                return;
            }
            match http.post(&address).body(body.clone()).send().await {
                Ok(answer) if answer.status() == 201 => break,
                Ok(answer) if answer.status() == 503 || answer.status() == 500 => {}
                Ok(answer) => {
                    let status = answer.status();
                    let text = answer.text().await.unwrap_or_default();
                    let mut written = locked(&written);
                    if written.refused.len() < REFUSED_MAX {
                        written.refused.push(format!("entry {number}: {status} {text}"));
                    }
                }
                Err(_) => {}
            }
            locked(&written).retries += 1;
            tokio::time::sleep(RETRY).await;
        }
        let now = Instant::now();
        {
            let mut written = locked(&written);
            written.acknowledged = number;
            written.longest_gap = written.longest_gap.max(now - last);
        }
        last = now;
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            _ = stopped.changed() => return,
        }
    }
}
