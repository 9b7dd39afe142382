//! One writer at a time, on a server that knows no locks: each lays down a name of its own and looks who else did.

use super::{Fault, S3};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Beside restic's own files; restic itself does not look at it.
const FOLDER: &str = ".refit-locks";
/// A holder that did not write its name again for so long is dead.
const STALE: SignedDuration = SignedDuration::from_mins(30);
/// So often a living one does.
const RENEW: Duration = Duration::from_secs(300);

/// Held as long as it lives.
pub(crate) struct Held {
    s3: Arc<S3>,
    key: String,
    stop: Option<mpsc::Sender<()>>,
    renewing: Option<JoinHandle<()>>,
}

/// Why a lock was not taken.
pub(crate) enum NotHeld {
    /// By whom.
    Busy(String),
    Fault(Fault),
}

impl Held {
    pub(crate) fn take(s3: &Arc<S3>, holder: &str) -> Result<Self, NotHeld> {
        let moment = Timestamp::now().as_nanosecond();
        let name = holder.replace(' ', "-");
        let key = format!("{FOLDER}/{name}-{}-{moment}", std::process::id());
        others(s3, &key)?;
        s3.client.put(&key, holder.as_bytes().to_vec()).map_err(NotHeld::Fault)?;
        // Whoever lies there now came at the same time; both step back, and whoever asks again first is alone.
        if let Err(busy) = others(s3, &key) {
            // The error that is told matters more; the name goes stale by itself.
            let _ = s3.client.delete(&key);
            return Err(busy);
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let (renewed, name, text) = (Arc::clone(s3), key.clone(), holder.to_owned());
        let renewing = thread::spawn(move || {
            while stopped.recv_timeout(RENEW) == Err(mpsc::RecvTimeoutError::Timeout) {
                // One that fails is followed by another long before the lock goes stale.
                let _ = renewed.client.put(&name, text.clone().into_bytes());
            }
        });
        Ok(Self { s3: Arc::clone(s3), key, stop: Some(stop), renewing: Some(renewing) })
    }
}

/// Refuses when another holds the lock; takes dead names away.
fn others(s3: &S3, own: &str) -> Result<(), NotHeld> {
    let (listed, now) = s3.client.list_dated(FOLDER).map_err(NotHeld::Fault)?;
    let now = now.unwrap_or_else(Timestamp::now);
    for other in listed.into_iter().filter(|object| object.key != own) {
        let is_stale = other.written_at.is_some_and(|at| now.duration_since(at) > STALE);
        if !is_stale {
            let holder = other.key.strip_prefix(FOLDER).unwrap_or(&other.key);
            return Err(NotHeld::Busy(holder.trim_start_matches('/').to_owned()));
        }
        s3.client.delete(&other.key).map_err(NotHeld::Fault)?;
    }
    Ok(())
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(renewing) = self.renewing.take() {
            let _ = renewing.join();
        }
        // What stays goes stale.
        let _ = self.s3.client.delete(&self.key);
    }
}
