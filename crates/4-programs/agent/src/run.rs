//! `refit-agent run`: everything put together.

use crate::{
    agent_release,
    backups::work::{self as backup_work, Desk},
    board::{Board, Publish},
    config::Config,
    control::Control,
    enroll,
    error::AgentError,
    files, notify,
    orders::OrderStore,
    people::{AnswerDesk, Heard},
    rehearse::TestDesk,
    releases::ContentReleases,
    stop::StopLog,
    sync,
    withdrawn::Gate,
    worker::{self, Orders},
};
use refit_ambient::Ambient;
use refit_client::{ClientError, Identity, IdentityNote, RepositorySource};
use refit_host::{
    engine::{Engine, EngineError, EngineInput},
    facts,
    journal::Journal,
    machine::Machine,
    product::ServiceConfig,
    service,
};
use refit_names::{Coded as _, chain};
use refit_packs::record::PackRecord;
use refit_plan::Order;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Facts are looked at again this often, beside the moments when they are known to change: sizes are counted file by file.
const FACTS_EVERY: Duration = Duration::from_secs(300);
/// A step may take as long as its default time limit; what is cut off then is made good after the next start.
const STOP_WITHIN: Duration = Duration::from_secs(600);
/// How long a newer version may be without contact before the launcher starts anew and counts.
const PROBATION: Duration = Duration::from_secs(120);
/// A service that is started after a boot has this long to come up.
const SERVICE_START: Duration = Duration::from_secs(120);

/// Where the agent lives.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The state folder.
    pub state: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
}

/// What all parts of the running agent share.
pub(crate) struct Agent {
    pub(crate) state: PathBuf,
    pub(crate) config: Config,
    pub(crate) identity: IdentityNote,
    pub(crate) ambient: Ambient,
    pub(crate) board: Arc<Board>,
    pub(crate) backups: Desk,
    pub(crate) answers: Arc<AnswerDesk>,
    pub(crate) tests: TestDesk,
    pub(crate) journal: Arc<Journal>,
    pub(crate) log: Arc<StopLog>,
    pub(crate) orders: OrderStore,
    pub(crate) repository: RepositorySource,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) engine_runs: watch::Sender<bool>,
    looks: watch::Sender<Publish>,
}

/// Runs until SIGTERM or SIGINT. Time, randomness and the network are arguments: `connect` makes the one way to the server.
///
/// # Errors
/// [`AgentError`] when configuration, identity or journal cannot be used, or another agent has the state folder.
pub async fn run(
    options: RunOptions,
    ambient: Ambient,
    connect: impl FnOnce(&Identity) -> Result<Arc<dyn Control>, ClientError>,
) -> Result<(), AgentError> {
    let config = Config::load(&options.config)?;
    let identity = Identity::load(&options.state).map_err(ClientError::from)?;
    enroll::pin(&identity, &options.state)?;
    let control = connect(&identity)?;
    let journal = Arc::new(Journal::open(&options.state)?);
    let board = Arc::new(Board::new());
    let agent = Arc::new(Agent {
        orders: OrderStore::new(&options.state),
        log: Arc::new(StopLog::new(Arc::clone(&journal), Arc::clone(&board))),
        repository: control.repository()?,
        machine: Arc::new(refit_host::machine::ThisMachine),
        engine_runs: watch::Sender::new(false),
        backups: Desk::default(),
        answers: Arc::default(),
        tests: TestDesk::default(),
        looks: watch::Sender::new(Publish::IfChanged),
        state: options.state,
        identity: identity.note,
        config,
        ambient,
        board,
        journal,
    });
    tracing::info!(host = %agent.identity.host, version = agent_release::VERSION, products = agent.config.products.len(), "agent starts");
    serve(agent, control).await
}

async fn serve(agent: Arc<Agent>, control: Arc<dyn Control>) -> Result<(), AgentError> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(AgentError::io("listen for", "signals"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(AgentError::io("listen for", "signals"))?;
    let (stop, stopped) = watch::channel(false);
    start_services(&agent).await;
    agent.look_now(Publish::Always).await;
    let orders = Orders::new(agent.board.watch_desired(), stopped.clone());
    let work = tokio::spawn(worker::work(Arc::clone(&agent), orders));
    tokio::spawn(sync::keep_in_sync(Arc::clone(&agent), control, stopped.clone()));
    tokio::spawn(backup_work::work(Arc::clone(&agent), stopped.clone()));
    tokio::spawn(watch_facts(Arc::clone(&agent), stopped));
    if agent_release::on_probation(&agent.state) {
        tokio::spawn(probation(Arc::clone(&agent)));
    }
    notify::notify(notify::READY);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify::notify(notify::STOPPING);
    tracing::info!("agent stops; services are left alone");
    agent.log.stop();
    stop.send_replace(true);
    let quiet = async {
        tokio::select! {
            // Held before its next step, or at its end.
            () = agent.log.held() => {}
            _ = work => {}
        }
    };
    tokio::select! {
        () = quiet => {}
        () = agent.ambient.clock.sleep(STOP_WITHIN) => tracing::warn!("a step is cut off; it is made good after the next start"),
        // Asked twice: now.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

impl Agent {
    /// Opens the engine for an order with its verified records.
    pub(crate) fn engine(
        &self,
        order: &Order,
        records: Vec<PackRecord>,
    ) -> Result<Engine, EngineError> {
        let Some(product) = self.config.product(&order.product).cloned() else {
            let expected = order.product.to_string();
            let found = "not in the agent's configuration".to_owned();
            return Err(EngineError::Mismatch { what: "product", expected, found });
        };
        let others = self.config.products.iter().filter(|other| other.name != order.product);
        let others = others.map(|other| (other.name.clone(), other.root.clone())).collect();
        let engine = Engine::open(EngineInput {
            others,
            order: order.clone(),
            records,
            product,
            state: self.state.clone(),
            log: Arc::<StopLog>::clone(&self.log),
            releases: Arc::new(ContentReleases {
                cache: self.chunks(),
                seed_trees: self.seed_trees(),
                state: self.state.clone(),
                parts: order.parts.clone(),
            }),
            gate: Arc::new(Gate::of(self)),
            machine: Arc::clone(&self.machine),
            clock: Arc::clone(&self.ambient.clock),
        })?;
        let (desk, log) = (Arc::clone(&self.answers), Arc::clone(&self.log));
        Ok(engine.with_people(Arc::new(Heard { desk, log })))
    }

    /// What prepare fetched; removed when it is done.
    pub(crate) fn content(&self) -> PathBuf {
        self.state.join("content")
    }
    /// Chunks that arrived.
    pub(crate) fn chunks(&self) -> PathBuf {
        self.content().join("chunks")
    }
    /// Trees of legs that only serve as seeds for the next leg.
    pub(crate) fn seed_trees(&self) -> PathBuf {
        self.content().join("trees")
    }

    /// Has the facts looked at soon.
    pub(crate) fn look(&self, publish: Publish) {
        self.looks.send_replace(publish);
    }

    /// Looks at the facts and waits for it.
    pub(crate) async fn look_now(self: &Arc<Self>, publish: Publish) {
        let agent = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            agent.journal.keep_room();
            let now = agent.ambient.clock.now();
            facts::collect(
                &agent.config.products,
                &agent.state,
                agent.journal.as_ref(),
                agent_release::VERSION,
                now,
            )
        });
        match looked.await {
            Ok(Ok(facts)) => self.board.see(facts, publish),
            Ok(Err(error)) => tracing::error!(
                code = error.code(),
                "failed to look at this host: {}",
                chain(&error)
            ),
            Err(error) => tracing::error!(%error, "failed to look at this host"),
        }
    }
}

/// Looks at the facts when somebody asks, when an engine ends, and now and then.
async fn watch_facts(agent: Arc<Agent>, mut stop: watch::Receiver<bool>) {
    let mut looks = agent.looks.subscribe();
    loop {
        let publish = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = looks.changed() => *looks.borrow_and_update(),
            () = agent.ambient.clock.sleep(FACTS_EVERY) => Publish::IfChanged,
        };
        // A running order changes everything all the time; its end is looked at by whoever runs it.
        if publish == Publish::Always || !*agent.engine_runs.borrow() {
            agent.look_now(publish).await;
        }
    }
}

/// Starts supervised services after a boot, unless an order is begun: it knows better what must run.
async fn start_services(agent: &Arc<Agent>) {
    let path = agent.state.join("boot.json");
    let boot = match agent.machine.boot_id() {
        Ok(boot) => boot,
        Err(error) => return tracing::error!("failed to tell this boot: {}", chain(&error)),
    };
    let known: Option<String> = files::read_json(&path).ok().flatten();
    if known.as_ref() == Some(&boot) || worker::is_begun(agent) {
        return;
    }
    for product in &agent.config.products {
        let started = product.root.join("current").exists();
        if !started || !matches!(product.service, ServiceConfig::Supervised { .. }) {
            continue;
        }
        let (product, state) = (product.clone(), agent.state.clone());
        let start = move || {
            if let Err(error) = service::open(&product, &state).start(SERVICE_START) {
                tracing::error!(product = %product.name, "failed to start after boot: {}", chain(&error));
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(start).await {
            tracing::error!(%error, "failed to start services after boot");
        }
    }
    if let Err(error) = files::write_json(&path, &boot) {
        tracing::error!(%error, "failed to write {}", path.display());
    }
}

/// Goes back to the launcher when this newer version gets no contact; the launcher counts and gives it up in the end.
async fn probation(agent: Arc<Agent>) {
    agent.ambient.clock.sleep(PROBATION).await;
    if agent_release::on_probation(&agent.state) && !*agent.engine_runs.borrow() {
        tracing::error!("no contact with the server; starting anew");
        let error = agent_release::restart();
        tracing::error!(%error, "failed to start anew");
    }
}
