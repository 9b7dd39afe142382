//! A client that writes all the time and remembers what it was told is stored.

use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Between two writes: the product has work all the time and the machine is not drowned.
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(5);

/// The client; it stops when asked.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    stored: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts writing to the ledger at `port`.
    pub(crate) fn start(port: u16) -> Self {
        let (stop, stored) =
            (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
        let (stopped, told) = (Arc::clone(&stop), Arc::clone(&stored));
        let write = move || {
            let mut number = 0;
            while !stopped.load(Ordering::SeqCst) {
                let id = format!("w{number}");
                let body = json!({"id": id, "account": format!("account-{}", number % 7), "amount": number});
                // Not told: sent again, which the id makes harmless.
                if ask(port, "POST", "/entries", &body.to_string())
                    .is_some_and(|(status, _)| status == 201)
                {
                    told.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                    number += 1;
                }
                std::thread::sleep(PAUSE);
            }
        };
        Self { stop, stored, thread: Some(std::thread::spawn(write)) }
    }

    /// What is stored by now.
    pub(crate) fn told(&self) -> Vec<String> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops, and says which entries were acknowledged.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        std::mem::take(&mut self.stored.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request; none when there was no answer.
pub(crate) fn ask(port: u16, verb: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned()))
}
