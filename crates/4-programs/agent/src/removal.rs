//! `refit-agent adopt` and `refit-agent uninstall`: for a person on the host. The agent itself must not run meanwhile: the journal is one's.
//! A removal that the control server asks for goes through [`of_order`] and then as any other order does.

mod last;

use crate::{
    arguments::StateArgument,
    config::Config,
    error::AgentError,
    orders::{OrderStore, OrderStoreError},
};
use clap::Args;
use last::Last;
pub(crate) use last::of_order;
use refit_ambient::Clock;
use refit_host::{
    engine::{Engine, EngineError, EngineInput, LegGate, RunEnd, StageRelease},
    error::StepError,
    in_place::Adoption,
    journal::{Journal, JournalError},
    machine::ThisMachine,
    product::ProductConfig,
    uninstall::Removal,
    unit::ProductLock,
};
use refit_journal::{Cause, OrderOutcome};
use refit_names::{BuildId, Coded, ErrorClass, ProductName};
use refit_packs::record::PackRecord;
use refit_plan::Order;
use refit_protocol::agent::PrepareEvidence;
use serde_json::json;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the agent's own files are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    state: StateArgument,
    /// The products that this agent looks after.
    #[arg(long, env = "REFIT_AGENT_CONFIG", default_value = "/etc/refit/agent.toml")]
    config: PathBuf,
}

/// Arguments of `adopt`.
#[derive(Debug, Args)]
pub struct AdoptArguments {
    #[command(flatten)]
    place: Place,
    /// The product.
    product: ProductName,
    /// The build that lies there.
    #[arg(long)]
    build: BuildId,
    /// The folder that it lies in; without it: the product's root.
    #[arg(long)]
    into: Option<PathBuf>,
    /// What lies there and is not the build's, such as data and logs: a path, with `*` and `?` in each part.
    #[arg(long)]
    except: Vec<String>,
    /// Only say what the build would own.
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArguments {
    #[command(flatten)]
    place: Place,
    /// The product whose last pack is removed.
    product: ProductName,
    /// The build that is to go; refused when it is not the last.
    #[arg(long)]
    build: Option<BuildId>,
    /// Only say what it would mean.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Why a build was not adopted or removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// The agent does not look after such a product.
    #[error("product `{product}` is not in the agent's configuration, expected one of {known}")]
    NoProduct {
        /// What was asked for.
        product: ProductName,
        /// What there is.
        known: String,
    },
    /// No order of this host installed anything of it.
    #[error(
        "no order on this host installed a build of product `{product}`: there is no last pack to remove"
    )]
    NoLastPack {
        /// Which product.
        product: ProductName,
    },
    /// A person thought better of it.
    #[error("build `{build}` was not removed: the answer was not `yes`")]
    NotConfirmed {
        /// Which.
        build: BuildId,
    },
    /// It failed, and the build is in place again.
    #[error("build `{build}` was not removed and is in place again: {text}")]
    TakenBack {
        /// Which.
        build: BuildId,
        /// Why.
        text: String,
    },
    /// The host.
    #[error(transparent)]
    Host(#[from] StepError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Orders on disk.
    #[error(transparent)]
    Orders(#[from] OrderStoreError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RemovalError {
    /// The number in the documented list of exit codes.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoProduct { .. } => 3,
            Self::NoLastPack { .. } => 7,
            Self::Host(StepError::CannotUninstall { .. } | StepError::ProductBusy { .. }) => 7,
            _ => 1,
        }
    }
}

impl Coded for RemovalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoProduct { .. } => "backup.no-product",
            Self::NoLastPack { .. } | Self::NotConfirmed { .. } | Self::TakenBack { .. } => {
                "host.cannot-uninstall"
            }
            Self::Host(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Orders(error) => error.code(),
            Self::Journal(error) => error.code(),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Host(error) => error.class(),
            Self::Engine(error) => error.class(),
            Self::Orders(error) => error.class(),
            Self::Journal(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}

fn product(config: &Config, name: &ProductName) -> Result<ProductConfig, RemovalError> {
    let names: Vec<&str> = config.products.iter().map(|product| product.name.as_str()).collect();
    let none = || RemovalError::NoProduct { product: name.clone(), known: names.join(", ") };
    config.product(name).cloned().ok_or_else(none)
}

/// Takes over what somebody else installed; the text for standard output.
pub(crate) fn adopt(arguments: AdoptArguments, json: bool) -> Result<String, AgentError> {
    let config = Config::load(&arguments.place.config)?;
    let product = product(&config, &arguments.product)?;
    let into = arguments.into.unwrap_or_else(|| product.root.clone());
    let adoption = Adoption {
        product: &product,
        state: &arguments.place.state.state,
        build: &arguments.build,
        into: &into,
        except: &arguments.except,
    };
    let listing = if arguments.dry_run { adoption.look() } else { adoption.take() };
    let listing = listing.map_err(RemovalError::from)?;
    let paths: Vec<String> =
        listing.entries.keys().map(|path| path.display().to_string()).collect();
    if json {
        return Ok(json!({ "build": arguments.build, "into": into, "owns": paths, "adopted": !arguments.dry_run }).to_string());
    }
    let head = if arguments.dry_run { "would own" } else { "owns" };
    let text =
        format!("build {} {head} {} entries of {}", arguments.build, paths.len(), into.display());
    Ok(if arguments.dry_run { format!("{text}\n{}", paths.join("\n")) } else { text })
}

/// Nothing is staged on the way back, and nobody is asked between legs.
struct WayBack;

impl StageRelease for WayBack {
    fn stage(&self, _: u32, record: &PackRecord, _: &[PathBuf], _: &Path) -> Result<String, Cause> {
        let text = format!("the removal to build {} has nothing to stage", record.manifest.to);
        Err(Cause { code: "host.cannot-uninstall".to_owned(), text })
    }
}

impl LegGate for WayBack {
    fn may_begin(&self, _: &Order, _: u32) -> Result<(), Cause> {
        Ok(())
    }
}

/// What the commands of this file work with.
struct Desk {
    state: PathBuf,
    config: Config,
    journal: Arc<Journal>,
    orders: OrderStore,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn engine(&self, order: &Order, records: Vec<PackRecord>) -> Result<Engine, RemovalError> {
        let product = product(&self.config, &order.product)?;
        let others = self.config.products.iter().filter(|other| other.name != order.product);
        Ok(Engine::open(EngineInput {
            others: others.map(|other| (other.name.clone(), other.root.clone())).collect(),
            order: order.clone(),
            records,
            product,
            state: self.state.clone(),
            log: Arc::<Journal>::clone(&self.journal),
            releases: Arc::new(WayBack),
            gate: Arc::new(WayBack),
            machine: Arc::new(ThisMachine),
            clock: Arc::clone(&self.clock),
        })?)
    }

    /// How many removals by hand there were.
    fn removals(&self, name: &ProductName) -> Result<u64, RemovalError> {
        let all = self.orders.all()?.into_iter();
        let own = all.filter(|order| order.key.rollout.as_str() == removal_name(name));
        Ok(own.map(|order| order.key.generation.0).max().unwrap_or(0))
    }
}

fn removal_name(product: &ProductName) -> String {
    format!("uninstall-{product}")
}

/// Removes the last pack of a product; the text for standard output.
pub(crate) fn uninstall(
    arguments: UninstallArguments,
    json: bool,
    clock: Arc<dyn Clock>,
) -> Result<String, AgentError> {
    let UninstallArguments { place, product: name, build, dry_run, yes } = arguments;
    let config = Config::load(&place.config)?;
    let product = product(&config, &name)?;
    let state = place.state.state;
    let journal = Arc::new(Journal::open(&state)?);
    let orders = OrderStore::new(&state);
    let desk = Desk { state, config, journal, orders, clock };
    let last = Last::find(&desk.orders, &desk.journal, &name)?;
    let newest = &last.record.manifest.to;
    if let Some(wanted) = build.filter(|build| build != newest) {
        let because = format!("build {newest} was installed after it and depends on it");
        let error = StepError::CannotUninstall { product: name, build: wanted, because };
        return Err(RemovalError::Host(error).into());
    }
    let last = last.pack(&product, &desk.state);
    let removal = last.removal().map_err(RemovalError::from)?;
    let told = tell(&removal);
    if dry_run {
        return Ok(said(&removal, json, "planned", &told));
    }
    if !yes {
        ask(&removal, &told)?;
    }
    let number = desk.removals(&name)? + 1;
    let order = last.order(&removal, number).map_err(RemovalError::from)?;
    carry_out(&desk, &order, &removal)?;
    let text = format!(
        "build {} is removed, build {} runs: {}",
        removal.build, removal.back_to, removal.data
    );
    Ok(said(&removal, json, "removed", &text))
}

fn tell(removal: &Removal) -> String {
    let Removal { build, back_to, data, .. } = removal;
    format!("build {build} is removed and build {back_to} runs again; {data}")
}

fn said(removal: &Removal, json: bool, state: &str, text: &str) -> String {
    if !json {
        return text.to_owned();
    }
    json!({ "build": removal.build, "back_to": removal.back_to, "data": removal.data, "state": state })
        .to_string()
}

fn ask(removal: &Removal, told: &str) -> Result<(), AgentError> {
    let question = format!("{told}. The product stops meanwhile. Type `yes`: ");
    let output = AgentError::io("write", "standard error");
    std::io::stderr().write_all(question.as_bytes()).map_err(output)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(AgentError::io("read", "standard input"))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(RemovalError::NotConfirmed { build: removal.build.clone() }.into())
}

/// The order is on disk before anything happens: killed here, the agent goes on with it at its next start.
fn carry_out(desk: &Desk, order: &Order, removal: &Removal) -> Result<(), AgentError> {
    desk.orders.save_way_back(order, &removal.record)?;
    let records = desk.orders.records(order)?;
    let engine = desk.engine(order, records.clone())?;
    desk.orders.persist(order, &records)?;
    let run = || -> Result<RunEnd, RemovalError> {
        let _lock = ProductLock::try_take(&desk.state, &order.product)?;
        engine.record_stored()?;
        engine.record_prepared(&PrepareEvidence::default())?;
        Ok(engine.run(&|progress| {
            // Talk: nothing depends on it.
            let _ = writeln!(std::io::stderr(), "{}", progress.step);
        })?)
    };
    let end = run()?;
    desk.orders.retire(&order.key)?;
    match end {
        RunEnd::Finished { outcome: OrderOutcome::Succeeded { .. }, .. } => Ok(()),
        RunEnd::Finished {
            outcome: OrderOutcome::RolledBack { cause, .. } | OrderOutcome::NeedsPerson { cause },
            ..
        } => {
            let text = cause.to_string();
            Err(RemovalError::TakenBack { build: removal.build.clone(), text }.into())
        }
        RunEnd::Rebooting => Ok(()),
    }
}
