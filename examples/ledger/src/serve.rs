//! The HTTP server.

use crate::{
    Build,
    layout::{self, Layout},
    store::{Added, NewEntry, Store},
    traffic,
};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::{
    io::Read as _,
    net::Ipv4Addr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tiny_http::{Header, Method, Request, Response, Server};

/// Entries are small; what is longer is a mistake.
const BODY_BYTES_MAX: u64 = 16 << 10;
/// One writes, the others read, probe or wait for the lock.
const WORKERS: usize = 3;

struct Ledger<'a> {
    build: &'a Build,
    layout: &'a Layout,
    store: Mutex<Store>,
}

/// An answer: status and body.
type Answer = (u16, Value);

/// Serves until SIGTERM or SIGINT; requests that were begun are finished.
pub(crate) fn run(build: &Build, layout: &Layout) -> Result<String> {
    layout::check_tree(build.name)?;
    let port = std::env::var("REFIT_PARAM_PORT").context("REFIT_PARAM_PORT is not set")?;
    let port: u16 =
        port.parse().with_context(|| format!("REFIT_PARAM_PORT is `{port}`, expected a port"))?;
    let store = Store::open(build, layout)?;
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Server::http((Ipv4Addr::LOCALHOST, port))
        .map_err(|error| anyhow!("failed to listen on port {port}: {error}"))?;
    let ledger = Ledger { build, layout, store: Mutex::new(store) };

    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Ok(request) = server.recv() {
                    ledger.handle(request);
                }
            });
        }
        let waited = signals.block_on(stop_signal());
        for _ in 0..WORKERS {
            server.unblock();
        }
        waited
    })?;
    ledger.store().checkpoint()?;
    Ok("stopped".to_owned())
}

async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

impl Ledger<'_> {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A thread that panicked left no open transaction: the connection rolled it back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, mut request: Request) {
        let answer = self.answer(&mut request);
        let (status, body) =
            answer.unwrap_or_else(|error| (500, json!({ "error": format!("{error:#}") })));
        let mut response = Response::from_string(body.to_string()).with_status_code(status);
        let mut headers = vec!["Content-Type: application/json"];
        if status == 503 {
            headers.push("Retry-After: 1");
        }
        for header in headers {
            if let Ok(header) = header.parse::<Header>() {
                response.add_header(header);
            }
        }
        // A client that went away asks again; the entry's id makes that harmless.
        let _ = request.respond(response);
    }

    fn answer(&self, request: &mut Request) -> Result<Answer> {
        let path = request.url().split('?').next().unwrap_or_default().to_owned();
        match (request.method(), path.as_str()) {
            (Method::Post, "/entries") => self.add(request),
            (Method::Get, "/health") => Ok((200, self.health())),
            (Method::Get, "/count") => Ok((200, json!({ "count": self.store().count()? }))),
            (Method::Get, "/summary") if self.build.sums => self.summary(),
            (Method::Get, "/accounts") if self.build.schema >= 2 => self.accounts(),
            (Method::Get, path) => match path.strip_prefix("/entries/") {
                Some(id) => {
                    Ok(self.store().get(id)?.map_or_else(not_found, |entry| (200, json!(entry))))
                }
                None => Ok(not_found()),
            },
            _ => Ok((405, json!({ "error": "method not allowed" }))),
        }
    }

    fn health(&self) -> Value {
        let mode = if traffic::is_closed(self.layout) { "closed" } else { "open" };
        json!({ "status": "ok", "build": self.build.name, "schema": self.build.schema, "mode": mode })
    }

    fn add(&self, request: &mut Request) -> Result<Answer> {
        let mut body = Vec::new();
        request.as_reader().take(BODY_BYTES_MAX).read_to_end(&mut body)?;
        let entry: NewEntry = match serde_json::from_slice(&body) {
            Ok(entry) => entry,
            Err(error) => return Ok((400, json!({ "error": error.to_string() }))),
        };
        let mut store = self.store();
        // Asked under the lock: after `close` returned and the lock was free once, nothing more is stored.
        if traffic::is_closed(self.layout) {
            return Ok((503, json!({ "error": "closed for maintenance" })));
        }
        Ok(match store.add(&entry)? {
            Added::Stored => (201, json!({ "id": entry.id })),
            Added::Conflict => {
                (409, json!({ "error": format!("entry `{}` exists with other content", entry.id) }))
            }
            Added::Refused(why) => (422, json!({ "error": why })),
        })
    }

    fn summary(&self) -> Result<Answer> {
        let sums = self.store().sums()?;
        let rows: Vec<Value> = sums
            .into_iter()
            .map(|(account, entries, amount)| json!({ "account": account, "entries": entries, "amount": amount }))
            .collect();
        Ok((200, json!({ "accounts": rows })))
    }

    fn accounts(&self) -> Result<Answer> {
        let names: Vec<String> =
            self.store().sums()?.into_iter().map(|(account, ..)| account).collect();
        Ok((200, json!({ "accounts": names, "schema": self.store().schema() })))
    }
}

fn not_found() -> Answer {
    (404, json!({ "error": "not found" }))
}
