//! Who is logged in: random ids in cookies, everything else here in memory.

use crate::source::{Answer, ConsoleSource};
use jiff::{SignedDuration, Timestamp};
use refit_ambient::Ambient;
use refit_protocol::Problem;
use refit_protocol::v1::Whoami;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The cookie's name.
pub(crate) const COOKIE: &str = "refit_console";
/// How long a session lives: a working day, so that nobody logs in twice during a window.
pub(crate) const SESSION_SECONDS: i64 = 12 * 3_600;
/// Sessions that are held at most; the oldest one goes first. A console has tens of users, not thousands.
const SESSIONS_MAX: usize = 1_000;

/// What a request of a person who is logged in carries.
#[derive(Clone)]
pub(crate) struct Person {
    /// Who it is.
    pub(crate) who: Whoami,
    /// The session.
    pub(crate) id: String,
    /// Opens static pages of packs, which live in a sandbox and send no cookie. Opens nothing else.
    pub(crate) pages_key: String,
}

struct Session {
    token: String,
    pages_key: String,
    expires_at: Timestamp,
}

/// All sessions of this process; a restart ends them.
pub(crate) struct Sessions {
    source: Arc<dyn ConsoleSource>,
    ambient: Ambient,
    open: Mutex<BTreeMap<String, Session>>,
}

impl Sessions {
    pub(crate) fn new(source: Arc<dyn ConsoleSource>, ambient: Ambient) -> Self {
        Self { source, ambient, open: Mutex::new(BTreeMap::new()) }
    }

    /// Opens a session for whoever the token belongs to and gives its id.
    pub(crate) async fn open(&self, token: &str) -> Answer<String> {
        self.source.whoami(token).await?;
        let now = self.ambient.clock.now();
        let session = Session {
            token: token.to_owned(),
            pages_key: self.ambient.token(),
            expires_at: now + SignedDuration::from_secs(SESSION_SECONDS),
        };
        let id = self.ambient.token();
        let mut open = self.lock();
        open.retain(|_, session| session.expires_at > now);
        if open.len() >= SESSIONS_MAX {
            let oldest = open.iter().min_by_key(|(_, session)| session.expires_at);
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                open.remove(&id);
            }
        }
        open.insert(id.clone(), session);
        Ok(id)
    }

    /// Who the session belongs to; asks each time whether the token still counts.
    pub(crate) async fn person(&self, id: &str) -> Answer<Person> {
        let now = self.ambient.clock.now();
        let found = {
            let open = self.lock();
            open.get(id)
                .filter(|session| session.expires_at > now)
                .map(|session| (session.token.clone(), session.pages_key.clone()))
        };
        let Some((token, pages_key)) = found else {
            return Err(no_session());
        };
        match self.source.whoami(&token).await {
            Ok(who) => Ok(Person { who, id: id.to_owned(), pages_key }),
            Err(problem) => {
                if problem.status == 401 {
                    self.close(id);
                }
                Err(problem)
            }
        }
    }

    /// Whether the key opens static pages of packs.
    pub(crate) fn opens_pages(&self, key: &str) -> bool {
        let now = self.ambient.clock.now();
        self.lock().values().any(|session| session.pages_key == key && session.expires_at > now)
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        // Nothing between lock and unlock can panic half-way, so a poisoned map is a whole map.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_session() -> Problem {
    Problem::new(
        "console.no-session",
        401,
        "not logged in",
        "there is no session, or it has expired",
    )
}
