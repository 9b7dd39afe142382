//! Follows schedules and requests while the agent runs, one after the other.

use crate::{
    backups::{BackupsError, Room, Whose, notes::Notes, schedule},
    board::Publish,
    run::Agent,
};
use jiff::{SignedDuration, Timestamp};
use refit_backup::Meter;
use refit_host::unit::ReleaseDemand;
use refit_journal::Cause;
use refit_names::{Coded as _, ProductName, chain};
use refit_protocol::backup::{
    BackupDeed, BackupDone, BackupReport, BackupRequest, BackupRunning, BackupSchedule, BackupWish,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// A schedule that could not be followed, because the product was busy or the target away, is tried again this much later.
const RETRY: SignedDuration = SignedDuration::from_mins(10);
/// Schedules are looked at this often at least: clocks jump.
const LOOK: Duration = Duration::from_secs(60);
/// Half of what people are promised.
const BEAT: Duration = Duration::from_secs(1);

/// What the server hears of backups, and what it wishes for.
#[derive(Default)]
pub(crate) struct Desk {
    wish: watch::Sender<BackupWish>,
    report: Mutex<(u64, BackupReport)>,
    retry_at: Mutex<BTreeMap<ProductName, Timestamp>>,
    changed: Notify,
}

impl Desk {
    pub(crate) fn wish(&self, wish: BackupWish) {
        self.wish.send_if_modified(|old| {
            let changed = *old != wish;
            *old = wish;
            changed
        });
    }

    /// Somebody else took or forgot backups: an order.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// The number of the report, which rises when it changes, 0 when nothing is known yet; and the report, if it is not the `told` one.
    pub(crate) fn report(&self, told: u64) -> (u64, Option<BackupReport>) {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        (report.0, (report.0 != told).then(|| report.1.clone()))
    }

    fn retry_at(&self, product: &ProductName) -> Option<Timestamp> {
        let retry = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        retry.get(product).copied()
    }

    fn retry(&self, product: &ProductName, at: Option<Timestamp>) {
        let mut retry = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => retry.insert(product.clone(), at),
            None => retry.remove(product),
        };
    }

    fn tell(&self, agent: &Agent, change: impl FnOnce(&mut BackupReport)) {
        let mut guard = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let before = guard.1.clone();
        change(&mut guard.1);
        if guard.0 == 0 || guard.1 != before {
            guard.0 += 1;
            drop(guard);
            agent.board.news();
        }
    }
}

impl Agent {
    fn whose(&self) -> Whose<'_> {
        Whose {
            state: &self.state,
            config: &self.config,
            host: &self.identity.host,
            clock: self.ambient.clock.as_ref(),
        }
    }
}

/// Works until the agent stops.
pub(crate) async fn work(agent: Arc<Agent>, mut stop: watch::Receiver<bool>) {
    let mut wishes = agent.backups.wish.subscribe();
    begin(&agent).await;
    loop {
        let wish = wishes.borrow_and_update().clone();
        let next = turn(&agent, &wish).await;
        let looks = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = wishes.changed() => false,
            () = agent.backups.changed.notified() => true,
            () = agent.ambient.clock.sleep(next) => false,
        };
        if looks {
            refresh(&agent).await;
        }
    }
}

/// Goes on with a restore that a crash cut off, and says what there is.
async fn begin(agent: &Arc<Agent>) {
    let notes = Notes::read(&agent.state).unwrap_or_default();
    let demand = ReleaseDemand::of(notes.restoring_as_it_is);
    if let Some((product, backup)) = notes.restoring {
        tracing::warn!(%product, backup, "a restore was cut off; it goes on");
        let done = on_thread(agent, product.clone(), move |room| {
            room.restore(&room.find(&product, &backup)?, demand)
        });
        if let Err(cause) = done.await {
            tracing::error!(code = cause.code, "restore cannot go on: {}", cause.text);
        }
    }
    refresh(agent).await;
}

/// Does what is due; how long nothing more will be.
async fn turn(agent: &Arc<Agent>, wish: &BackupWish) -> Duration {
    for request in &wish.requests {
        requested(agent, request).await;
    }
    let mut next = LOOK;
    let schedules = match remembered(agent, wish) {
        Ok(schedules) => schedules,
        Err(error) => {
            tracing::error!(code = error.code(), "{}", chain(&error));
            return LOOK;
        }
    };
    for (product, plan) in &schedules.wanted {
        let now = agent.ambient.clock.now();
        let followed = schedules.followed.get(product).copied();
        let wait = match agent.backups.retry_at(product) {
            Some(at) => Some(at.duration_since(now)),
            None => schedule::wait(plan, followed, now),
        };
        match wait {
            Some(wait) if wait <= SignedDuration::ZERO => follow(agent, product, plan).await,
            Some(wait) => next = next.min(Duration::try_from(wait).unwrap_or(LOOK)),
            None => tracing::error!(%product, zone = plan.zone, "schedule names an unknown zone"),
        }
    }
    next.max(Duration::from_millis(50))
}

struct Schedules {
    wanted: BTreeMap<ProductName, BackupSchedule>,
    followed: BTreeMap<ProductName, Timestamp>,
}

/// What the server said, or said last.
fn remembered(agent: &Agent, wish: &BackupWish) -> Result<Schedules, BackupsError> {
    let heard = agent.board.has_heard();
    let now = agent.ambient.clock.now();
    Notes::change(&agent.state, |notes| {
        if heard {
            notes.schedules.clone_from(&wish.schedules);
        }
        // A new schedule begins now; the moments before it were nobody's wish.
        let new = notes.schedules.keys().filter(|product| !notes.followed.contains_key(*product));
        let new: Vec<_> = new.cloned().collect();
        notes.followed.extend(new.into_iter().map(|product| (product, now)));
    })?;
    let notes = Notes::read(&agent.state)?;
    Ok(Schedules { wanted: notes.schedules, followed: notes.followed })
}

async fn follow(agent: &Arc<Agent>, product: &ProductName, plan: &BackupSchedule) {
    let (name, wished) = (product.clone(), plan.clone());
    let done = on_thread(agent, product.clone(), move |room| {
        let (_, note) = room.run("scheduled", &name, wished.quiesce)?;
        if room.config.backup.is_some() {
            room.forget(&name, &wished.keep, false)?;
        }
        let due = SignedDuration::from_hours(24 * i64::from(wished.proof_every_days));
        let proven = Notes::read(room.state)?.proven;
        let newest =
            proven.iter().filter(|(id, _)| id.starts_with("scheduled")).map(|(_, at)| *at).max();
        if wished.proof_every_days > 0
            && newest.is_none_or(|at| room.clock.now().duration_since(at) >= due)
        {
            let latest = room.find(&name, "latest")?;
            return Ok(format!("{note}; {}", room.verify(&latest, true)?));
        }
        Ok(note)
    });
    let done = done.await;
    let now = agent.ambient.clock.now();
    let noted = match &done {
        Ok(note) => {
            tracing::info!(%product, note, "backup by schedule");
            agent.backups.retry(product, None);
            Notes::change(&agent.state, |notes| {
                notes.followed.insert(product.clone(), now);
                notes.alarms.remove(product);
            })
        }
        Err(cause) => {
            tracing::error!(%product, code = cause.code, "backup by schedule failed: {}", cause.text);
            agent.backups.retry(product, Some(now.saturating_add(RETRY).unwrap_or(now)));
            Notes::change(&agent.state, |notes| {
                notes.alarms.insert(product.clone(), cause.clone());
            })
        }
    };
    if let Err(error) = noted {
        tracing::error!(code = error.code(), "{}", chain(&error));
    }
    refresh(agent).await;
}

async fn requested(agent: &Arc<Agent>, request: &BackupRequest) {
    let was_done = Notes::read(&agent.state)
        .is_ok_and(|notes| notes.done.iter().any(|done| done.id == request.id));
    if was_done {
        return;
    }
    let asked = request.clone();
    let done = on_thread(agent, request.product.clone(), move |room| match &asked.deed {
        BackupDeed::Run { quiesce } => {
            let (sealed, note) = room.run("asked", &asked.product, *quiesce)?;
            let id = sealed.folder.file_name().map(|name| name.to_string_lossy().into_owned());
            Ok((id, note))
        }
        BackupDeed::Verify { backup, scratch } => {
            let view = room.find(&asked.product, backup)?;
            let note = room.verify(&view, *scratch)?;
            Ok((Some(view.id), note))
        }
        BackupDeed::Restore { backup, release_as_it_is } => {
            let view = room.find(&asked.product, backup)?;
            let note = room.restore(&view, ReleaseDemand::of(*release_as_it_is))?;
            Ok((Some(view.id), note))
        }
    });
    let at = agent.ambient.clock.now();
    let done = done.await;
    if matches!(request.deed, BackupDeed::Restore { .. }) {
        // Another build may be installed now: nobody sees the end with the old facts.
        agent.look_now(Publish::IfChanged).await;
    }
    let done = match done {
        Ok((backup, note)) => BackupDone { id: request.id, at, backup, note, cause: None },
        Err(cause) => {
            tracing::error!(request = request.id, code = cause.code, "{}", cause.text);
            let (backup, note) = (None, String::new());
            BackupDone {
                id: request.id,
                at: agent.ambient.clock.now(),
                backup,
                note,
                cause: Some(cause),
            }
        }
    };
    if let Err(error) = Notes::change(&agent.state, |notes| notes.done.push(done)) {
        tracing::error!(code = error.code(), "{}", chain(&error));
    }
    refresh(agent).await;
}

/// Works on a thread of its own and says what is done meanwhile.
async fn on_thread<T: Send + 'static>(
    agent: &Arc<Agent>,
    product: ProductName,
    work: impl FnOnce(&Room<'_>) -> Result<T, BackupsError> + Send + 'static,
) -> Result<T, Cause> {
    let inner = Arc::clone(agent);
    let since = agent.ambient.clock.now();
    let worked = tokio::task::spawn_blocking(move || {
        let now = Mutex::new(String::new());
        let meter = OnceLock::<Meter>::new();
        let tell = || {
            let what = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let (bytes_done, bytes_total) = meter.get().map_or((0, 0), Meter::read);
            let (product, at) = (product.clone(), inner.ambient.clock.now());
            let running = BackupRunning { product, what, since, at, bytes_done, bytes_total };
            inner.backups.tell(&inner, |report| report.running = Some(running));
        };
        let say = |what: &str| {
            what.clone_into(&mut now.lock().unwrap_or_else(PoisonError::into_inner));
            tell();
        };
        let room = Room::new(inner.whose(), &say);
        let _ = meter.set(room.meter());
        thread::scope(|scope| {
            let (over, ended) = mpsc::channel::<()>();
            let tell = &tell;
            scope.spawn(move || {
                while ended.recv_timeout(BEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
                    tell();
                }
            });
            let done = work(&room).map_err(|error| Cause::of(&error));
            drop(over);
            done
        })
    });
    let worked = worked.await;
    agent.backups.tell(agent, |report| report.running = None);
    worked.unwrap_or_else(|error| {
        Err(Cause { code: "agent.thread-ended".to_owned(), text: error.to_string() })
    })
}

/// Looks at what there is and tells the server.
async fn refresh(agent: &Arc<Agent>) {
    let inner = Arc::clone(agent);
    let looked = tokio::task::spawn_blocking(move || {
        let quiet = |_: &str| {};
        let room = Room::new(inner.whose(), &quiet);
        let notes = Notes::read(&inner.state)?;
        Ok::<_, BackupsError>((room.list(None), notes))
    });
    match looked.await {
        Ok(Ok((backups, notes))) => agent.backups.tell(agent, |report| {
            report.alarms = notes.alarms;
            report.done = notes.done;
            match backups {
                Ok(backups) => report.backups = backups,
                // What was known stays known; that the target is away is an alarm for every product.
                Err(error) => {
                    for product in &agent.config.products {
                        report.alarms.insert(product.name.clone(), Cause::of(&error));
                    }
                }
            }
        }),
        Ok(Err(error)) => tracing::error!(code = error.code(), "{}", chain(&error)),
        Err(error) => tracing::error!(%error, "failed to look at backups"),
    }
}
