//! The one that works on orders: admits, prepares, waits for permission, carries out.

use crate::{
    admission::{Admission, Refusal, accepted, admit},
    backups,
    board::{Desired, Publish},
    orders::OrderStoreError,
    prepare::{self, Prepared},
    removal,
    run::Agent,
    withdrawn::Gate,
};
use refit_client::Backoff;
use refit_host::{
    engine::{Engine, EngineError, Reached, RunEnd, Start},
    journal::StepLog as _,
    layout::Layout,
    product::ProductConfig,
    unit::ProductLock,
};
use refit_journal::Cause;
use refit_names::{BuildId, Coded as _, chain};
use refit_plan::Order;
use refit_protocol::agent::{Assignment, Permission, Standing};
use std::{sync::Arc, time::Duration};
use tokio::sync::{oneshot, watch};

/// A refused order is looked at again this often: a person may have cleared the cause.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Between two tries to go on with a begun order that cannot even be opened.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// A machine that was asked to restart and is still there after this time is asked again.
const REBOOT_AGAIN: Duration = Duration::from_secs(60);

/// What the server wants, and whether the agent stops.
pub(crate) struct Orders {
    desired: watch::Receiver<Desired>,
    stop: watch::Receiver<bool>,
}

impl Orders {
    pub(crate) fn new(desired: watch::Receiver<Desired>, stop: watch::Receiver<bool>) -> Self {
        Self { desired, stop }
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether `order` is still to be prepared or carried out.
    pub(crate) fn still_wants(&self, order: &Order) -> bool {
        !self.stopping() && wants(&self.desired.borrow(), order)
    }

    /// Waits until [`Orders::still_wants`] is false.
    pub(crate) async fn no_longer_wants(&mut self, order: &Order) {
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => {}
            _ = self.desired.wait_for(|desired| !wants(desired, order)) => {}
        }
    }

    /// Waits for another word of the server, for `limit` at most.
    async fn changed(&mut self, agent: &Agent, limit: Option<Duration>) {
        let Self { desired, stop } = self;
        let timer = async {
            match limit {
                Some(limit) => agent.ambient.clock.sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = desired.changed() => {}
            () = timer => {}
        }
    }
}

fn wants(desired: &Desired, order: &Order) -> bool {
    match desired {
        Desired::Unheard => true,
        Desired::Nothing => false,
        Desired::Assigned(assignment) => {
            assignment.order == *order && assignment.permission != Permission::Withdrawn
        }
    }
}

/// Works until the agent stops.
pub(crate) async fn work(agent: Arc<Agent>, mut orders: Orders) {
    while !orders.stopping() {
        orders.desired.mark_unchanged();
        let desired = orders.desired.borrow().clone();
        let wait = match turn(&agent, &mut orders, desired).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(code = error.code, "{}", error.text);
                if let Ok(Some(order)) = agent.orders.active() {
                    agent.board.stuck(&order, error);
                }
                Some(RETRY.1)
            }
        };
        if wait != Some(Duration::ZERO) {
            orders.changed(&agent, wait).await;
        }
    }
}

/// One look at what is on disk and what the server wants. Says how long to wait for news; none: as long as it takes.
async fn turn(
    agent: &Arc<Agent>,
    orders: &mut Orders,
    desired: Desired,
) -> Result<Option<Duration>, Cause> {
    if let Some(order) = agent.orders.active().map_err(|error| Cause::of(&error))? {
        match reached(agent, &order)? {
            Reached::Begun => return Ok(carry_out(agent, orders, &order).await),
            // The words of the last moments before a kill were perhaps not heard.
            Reached::Finished { outcome, evidence } => {
                agent.board.say(&order, Standing::Finished { outcome, evidence });
                agent.orders.retire(&order.key).map_err(|error| Cause::of(&error))?;
                return Ok(Some(Duration::ZERO));
            }
            Reached::Nothing | Reached::Prepared if desired == Desired::Unheard => {
                return Ok(prepare_and_go(agent, orders, &order, Permission::Prepare).await);
            }
            Reached::Nothing | Reached::Prepared => {}
        }
    }
    match desired {
        Desired::Unheard => Ok(None),
        Desired::Nothing => {
            quiet_unless_final(agent);
            Ok(None)
        }
        Desired::Assigned(assignment) => assigned(agent, orders, *assignment).await,
    }
}

async fn assigned(
    agent: &Arc<Agent>,
    orders: &mut Orders,
    assignment: Assignment,
) -> Result<Option<Duration>, Cause> {
    let Assignment { order, permission, .. } = assignment;
    // Told again of what is finished: say it again.
    if let Some(Reached::Finished { outcome, evidence }) = reached_if_stored(agent, &order)? {
        agent.board.say(&order, Standing::Finished { outcome, evidence });
        return Ok(None);
    }
    if permission == Permission::Withdrawn {
        tracing::info!(rollout = %order.key.rollout, "order withdrawn");
        agent.orders.drop_order(&order.key).map_err(|error| Cause::of(&error))?;
        agent.board.fall_silent();
        return Ok(None);
    }
    if let Err(cause) = accept(agent, &order) {
        refuse(agent, &order, cause);
        return Ok(Some(LOOK_AGAIN));
    }
    Ok(prepare_and_go(agent, orders, &order, permission).await)
}

async fn prepare_and_go(
    agent: &Arc<Agent>,
    orders: &mut Orders,
    order: &Order,
    permission: Permission,
) -> Option<Duration> {
    match prepare::prepare(agent, order, orders).await {
        Prepared::Ready => {}
        Prepared::Interrupted => return Some(Duration::ZERO),
        Prepared::Refused(cause) => {
            refuse(agent, order, cause);
            return Some(LOOK_AGAIN);
        }
    }
    match agent.orders.stages(&order.key) {
        Ok(book) => agent.board.say(order, Standing::Prepared { evidence: book.evidence() }),
        Err(error) => tracing::error!("{}", chain(&error)),
    }
    // The newest word, not the one from before prepare.
    let newest = match &*orders.desired.borrow() {
        Desired::Assigned(assignment) if assignment.order == *order => assignment.permission,
        Desired::Unheard => permission,
        _ => Permission::Withdrawn,
    };
    if newest == Permission::Deploy && !orders.stopping() {
        if let Err(cause) = Gate::of(agent).check(order, 0..order.legs.len()).await {
            refuse(agent, order, cause);
            return Some(LOOK_AGAIN);
        }
        // Prepare looked days ago, maybe: data may have been written since that the pack refuses to lose.
        if order.removal().is_some()
            && let Err(error) = removal::of_order(agent, order)
        {
            refuse(agent, order, Cause::of(&error));
            return Some(LOOK_AGAIN);
        }
        match open(agent, order).map(|engine| engine.start()) {
            Ok(Start::Now) => return carry_out(agent, orders, order).await,
            Ok(closed) => return Some(wait_for_window(agent, order, closed)),
            Err(cause) => {
                refuse(agent, order, cause);
                return Some(LOOK_AGAIN);
            }
        }
    }
    None
}

/// How long to wait until the order is looked at again: it stays prepared, and the server calls back what missed its window.
fn wait_for_window(agent: &Agent, order: &Order, closed: Start) -> Duration {
    let rollout = &order.key.rollout;
    let Start::NotBefore(opens_at) = closed else {
        if let Start::TooLate(late) = closed {
            tracing::warn!(%rollout, code = late.code(), "not begun: {late}");
        }
        return LOOK_AGAIN;
    };
    tracing::info!(%rollout, %opens_at, "not begun: its window is closed");
    let wait = opens_at.duration_since(agent.ambient.clock.now());
    // Clocks are set right now and then: look again before a long wait is over.
    Duration::try_from(wait).unwrap_or(Duration::ZERO).clamp(Duration::from_millis(1), LOOK_AGAIN)
}

/// Runs the engine on its own thread until the order is finished. Does not look at what the server wants.
async fn carry_out(agent: &Arc<Agent>, orders: &mut Orders, order: &Order) -> Option<Duration> {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    tracing::info!(rollout = %order.key.rollout, generation = %order.key.generation, "carrying out the order");
    while !orders.stopping() {
        let delay = match run_engine(agent, order).await {
            Ok(RunEnd::Finished { outcome, evidence }) => {
                tracing::info!(?outcome, "order finished");
                // First what the host looks like now, so that nobody sees the end with the old facts.
                agent.look_now(Publish::IfChanged).await;
                remember_unit(agent, order);
                let read_back = backups::remember_verified(&agent.state, &order.product, &evidence);
                if let Err(error) = read_back {
                    tracing::warn!("{}", chain(&error));
                }
                agent.backups.look_again();
                agent.board.say(order, Standing::Finished { outcome, evidence });
                if let Err(error) = agent.orders.retire(&order.key) {
                    tracing::error!("{}", chain(&error));
                }
                return Some(Duration::ZERO);
            }
            Ok(RunEnd::Rebooting) => REBOOT_AGAIN,
            Err(cause) => {
                tracing::error!(code = cause.code, "order cannot go on: {}", cause.text);
                agent.board.stuck(order, cause);
                backoff.delay(agent.ambient.entropy.as_ref())
            }
        };
        tokio::select! {
            () = agent.ambient.clock.sleep(delay) => {}
            _ = orders.stop.wait_for(|stop| *stop) => {}
        }
    }
    None
}

/// Keeps what belongs to the product that runs now, for backups without an order.
fn remember_unit(agent: &Arc<Agent>, order: &Order) {
    let installed = agent.config.product(&order.product).and_then(installed_build);
    let Ok(records) = agent.orders.records(order) else { return };
    // Rolled back: the unit is that of the build before, and what was remembered of it still holds.
    let record = records.iter().find(|record| Some(&record.manifest.to) == installed.as_ref());
    let Some(record) = record.or(records.first()) else { return };
    let unit = &record.manifest.unit;
    if let Err(error) = backups::remember_unit(&agent.state, &order.product, unit) {
        tracing::warn!("{}", chain(&error));
    }
}

async fn run_engine(agent: &Arc<Agent>, order: &Order) -> Result<RunEnd, Cause> {
    let engine = open(agent, order)?;
    let (board, told) = (Arc::clone(&agent.board), order.clone());
    let (done, wait) = oneshot::channel();
    let (state, product) = (agent.state.clone(), order.product.clone());
    let work = move || {
        // A backup that runs ends first; nothing else begins while an order is carried out.
        let _lock = match ProductLock::take(&state, &product) {
            Ok(lock) => lock,
            Err(error) => return drop(done.send(Err(error.into()))),
        };
        let end = engine.run(&|progress| board.say(&told, Standing::Running { progress }));
        // The receiver is gone only when the process ends.
        let _ = done.send(end);
    };
    let thread = std::thread::Builder::new().name("engine".to_owned()).spawn(work);
    thread.map_err(|error| Cause {
        code: "agent.thread-ended".to_owned(),
        text: error.to_string(),
    })?;
    agent.engine_runs.send_replace(true);
    let end = wait.await;
    agent.engine_runs.send_replace(false);
    match end {
        Ok(end) => end.map_err(|error| Cause::of(&error)),
        Err(_) => Err(Cause {
            code: "agent.thread-ended".to_owned(),
            text: "the engine's thread ended without a word; it is started again".to_owned(),
        }),
    }
}

/// Whether an order was begun and is not finished.
pub(crate) fn is_begun(agent: &Arc<Agent>) -> bool {
    let active = agent.orders.active().ok().flatten();
    active.is_some_and(|order| matches!(reached(agent, &order), Ok(Reached::Begun)))
}

fn open(agent: &Arc<Agent>, order: &Order) -> Result<Engine, Cause> {
    let records = agent.orders.records(order).map_err(|error| Cause::of(&error))?;
    agent.engine(order, records).map_err(|error| Cause::of(&error))
}

fn reached(agent: &Arc<Agent>, order: &Order) -> Result<Reached, Cause> {
    open(agent, order)?.reached().map_err(|error: EngineError| Cause::of(&error))
}

/// How far an order came whose files are here; none when it was never persisted.
fn reached_if_stored(agent: &Arc<Agent>, order: &Order) -> Result<Option<Reached>, Cause> {
    match agent.orders.stored(&order.key).map_err(|error| Cause::of(&error))? {
        Some(stored) if stored == *order => reached(agent, order).map(Some),
        _ => Ok(None),
    }
}

fn accept(agent: &Agent, order: &Order) -> Result<(), Cause> {
    let store = |error: OrderStoreError| Cause::of(&error);
    if let Some(stored) = agent.orders.stored(&order.key).map_err(store)?
        && stored != *order
    {
        return Err(Cause::of(&Refusal::ChangedOrder {
            rollout: order.key.rollout.clone(),
            generation: order.key.generation,
        }));
    }
    let seen = accepted(agent.orders.seen().map_err(store)?);
    let installed = agent.config.product(&order.product).and_then(installed_build);
    let quarantined = agent.journal.quarantined(&order.product);
    let quarantined = quarantined.map_err(|error| Cause::of(&error))?;
    let with = Admission {
        host: &agent.identity.host,
        config: &agent.config,
        accepted: &seen,
        installed: installed.as_ref(),
        quarantined: &quarantined,
    };
    admit(order, &with).map_err(|refusal| Cause::of(&refusal))?;
    agent.orders.accept(order).map_err(store)
}

/// As the host itself says.
fn installed_build(product: &ProductConfig) -> Option<BuildId> {
    Layout::of(product).installed().ok().flatten()
}

fn refuse(agent: &Agent, order: &Order, cause: Cause) {
    tracing::warn!(rollout = %order.key.rollout, code = cause.code, "order refused: {}", cause.text);
    agent.board.say(order, Standing::Refused { cause });
}

/// Words about an order that the server no longer asks about are dropped, except a result that it has perhaps not heard.
fn quiet_unless_final(agent: &Agent) {
    let is_final = |word: crate::board::Word| matches!(word.standing, Standing::Finished { .. });
    if !agent.board.word().is_some_and(is_final) {
        agent.board.fall_silent();
    }
}
