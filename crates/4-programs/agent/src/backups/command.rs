//! `refit-agent backup …`: for a person on the host, also when no server answers.

use crate::{
    arguments::StateArgument,
    backups::{BackupsError, Room, Whose, aside::AsideView},
    config::Config,
    error::AgentError,
};
use clap::{Args, Subcommand};
use refit_ambient::Clock;
use refit_client::{ClientError, Identity};
use refit_host::unit::ReleaseDemand;
use refit_names::ProductName;
use refit_protocol::backup::{BackupView, Retention};
use serde::Serialize;
use std::{io::Write as _, path::PathBuf};

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    #[command(flatten)]
    state: StateArgument,
    /// The products that this agent looks after, and where backups are kept.
    #[arg(
        long,
        env = "REFIT_AGENT_CONFIG",
        default_value = "/etc/refit/agent.toml",
        global = true
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: BackupCommand,
}

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make the repository that the configuration names; it must be empty.
    Init,
    /// Take a backup of a product now, keep it in the repository and read it back.
    Run {
        /// The product.
        product: ProductName,
        /// Stop the product for the moment that is saved.
        #[arg(long)]
        quiesce: bool,
    },
    /// List what there is on the host and in the repository.
    List {
        /// Only of this product.
        product: Option<ProductName>,
    },
    /// Show one backup.
    Show {
        /// The product.
        product: ProductName,
        /// Its name, the beginning of its snapshot's identifier, or `latest`.
        backup: String,
    },
    /// Read a backup back, byte by byte.
    Verify {
        /// The product.
        product: ProductName,
        /// As for `show`.
        backup: String,
        /// Restore it into scratch space too, databases included.
        #[arg(long)]
        scratch: bool,
    },
    /// Bring the whole unit back, files and databases together; what is there now is kept aside.
    Restore {
        /// The product.
        product: ProductName,
        /// As for `show`.
        backup: String,
        /// Restore also when the release of its build was changed since the backup was taken.
        #[arg(long)]
        release_as_it_is: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// List what restores replaced and kept aside.
    Aside {
        /// Only of this product.
        product: Option<ProductName>,
    },
    /// Throw away what a restore kept aside. Nothing else does: it holds what was written after the backup.
    Discard {
        /// The product.
        product: ProductName,
        /// Its name, as `aside` lists it.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Forget backups in the repository by a retention.
    Forget {
        /// The product.
        product: ProductName,
        /// The newest so many.
        #[arg(long, default_value_t = Retention::USUAL.last)]
        keep_last: u32,
        /// The newest of each of so many days.
        #[arg(long, default_value_t = Retention::USUAL.daily)]
        keep_daily: u32,
        /// The newest of each of so many weeks.
        #[arg(long, default_value_t = Retention::USUAL.weekly)]
        keep_weekly: u32,
        /// The newest of each of so many months.
        #[arg(long, default_value_t = Retention::USUAL.monthly)]
        keep_monthly: u32,
        /// The newest of each of so many years.
        #[arg(long, default_value_t = Retention::USUAL.yearly)]
        keep_yearly: u32,
        /// Only say which.
        #[arg(long)]
        dry_run: bool,
    },
    /// Read every byte of the repository.
    Check,
}

/// Does it; the text for standard output.
pub(crate) fn run(
    arguments: BackupArguments,
    json: bool,
    clock: &dyn Clock,
) -> Result<String, AgentError> {
    let BackupArguments { state, config, command } = arguments;
    let config = Config::load(&config)?;
    let identity = Identity::load(&state.state).map_err(ClientError::from)?;
    let say = |what: &str| {
        // Talk: nothing depends on it.
        let _ = writeln!(std::io::stderr(), "{what}");
    };
    let (state, host) = (&state.state, &identity.note.host);
    let room = Room::new(Whose { state, config: &config, host, clock }, &say);
    carry_out(&room, command, json)
}

fn carry_out(room: &Room<'_>, command: BackupCommand, json: bool) -> Result<String, AgentError> {
    let told = |text: String, value: serde_json::Value| if json { value.to_string() } else { text };
    Ok(match command {
        BackupCommand::Init => {
            let place = room.init()?;
            told(format!("repository made in {place}"), serde_json::json!({ "repository": place }))
        }
        BackupCommand::Check => {
            room.check()?;
            told("every byte is whole".to_owned(), serde_json::json!({ "whole": true }))
        }
        BackupCommand::Run { product, quiesce } => {
            let (_, note) = room.run("manual", &product, quiesce)?;
            let view = room.find(&product, "latest")?;
            told(format!("{}: {note}", view.id), with_note(&view, &note))
        }
        BackupCommand::List { product } => {
            let listed = room.list(product.as_ref());
            if listed.is_err() && !json {
                // Told all the same: by these names it can be restored without the repository.
                let here = table(&room.list_here(product.as_ref())?);
                let output = AgentError::io("write", "standard output");
                writeln!(std::io::stdout(), "{here}").map_err(output)?;
            }
            let views = listed?;
            if json { text(&views) } else { table(&views) }
        }
        BackupCommand::Show { product, backup } => {
            let view = room.find(&product, &backup)?;
            if json { text(&view) } else { view.sheet() }
        }
        BackupCommand::Verify { product, backup, scratch } => {
            let view = room.find(&product, &backup)?;
            let note = room.verify(&view, scratch)?;
            told(format!("{}: {note}", view.id), with_note(&view, &note))
        }
        BackupCommand::Restore { product, backup, release_as_it_is, yes } => {
            let view = room.find(&product, &backup)?;
            if !yes {
                let what =
                    format!("restore {} of {:.0} (build {})", view.id, view.taken_at, view.build);
                let then = "The product stops; files and databases go back to that moment";
                ask(&format!("{what}? {then}."), (&view.id, "restored"))?;
            }
            let note = room.restore(&view, ReleaseDemand::of(release_as_it_is))?;
            told(format!("{}: {note}", view.id), with_note(&view, &note))
        }
        BackupCommand::Aside { product } => {
            let views = room.aside(product.as_ref())?;
            if json { text(&views) } else { aside_table(&views) }
        }
        BackupCommand::Discard { product, name, yes } => {
            let view = room.find_aside(&product, &name)?;
            if !yes {
                let what = format!("throw away {} of {:.0} ({})", view.id, view.since, view.size);
                ask(&format!("{what}? It cannot be brought back."), (&view.id, "thrown away"))?;
            }
            room.discard(&view)?;
            told(format!("{}: {} given back", view.id, view.size), serde_json::json!(view))
        }
        BackupCommand::Forget {
            product,
            keep_last,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            dry_run,
        } => {
            let retention = Retention {
                last: keep_last,
                daily: keep_daily,
                weekly: keep_weekly,
                monthly: keep_monthly,
                yearly: keep_yearly,
            };
            let forgotten = room.forget(&product, &retention, dry_run)?;
            if json { text(&forgotten) } else { verdicts(&forgotten, dry_run) }
        }
    })
}

/// Asks a person; `done` says what happens to `what` after a yes.
fn ask(question: &str, (what, done): (&str, &'static str)) -> Result<(), AgentError> {
    let output = AgentError::io("write", "standard error");
    write!(std::io::stderr(), "{question} Type `yes`: ").map_err(output)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(AgentError::io("read", "standard input"))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(BackupsError::NotConfirmed { what: what.to_owned(), done }.into())
}

fn text(value: &impl Serialize) -> String {
    // All keys are texts; nothing in it can fail.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn with_note(view: &BackupView, note: &str) -> serde_json::Value {
    serde_json::json!({ "backup": view, "note": note })
}

fn table(views: &[BackupView]) -> String {
    if views.is_empty() {
        return "no backups".to_owned();
    }
    let line = |view: &BackupView| {
        format!(
            "{:<28} {:<14} {:<12} {:>10}  {:<17} {}",
            view.id,
            view.product,
            view.build,
            view.size.to_string(),
            view.place(),
            view.proof()
        )
    };
    views.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn aside_table(views: &[AsideView]) -> String {
    if views.is_empty() {
        return "nothing is kept aside".to_owned();
    }
    let line = |view: &AsideView| {
        let AsideView { id, product, build, since, size, folder } = view;
        let (size, folder) = (size.to_string(), folder.display());
        format!("{id:<36} {product:<14} {build:<12} {size:>10}  {since:.0}  {folder}")
    };
    views.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn verdicts(forgotten: &refit_vault::Forgotten, dry_run: bool) -> String {
    let short = |id: &str| id.get(..8).unwrap_or(id).to_owned();
    let kept = forgotten.kept.iter().map(|(snapshot, why)| {
        format!("keep    {}  {}  {}", short(&snapshot.id), snapshot.taken_at, why.join(", "))
    });
    let word = if dry_run { "would go" } else { "gone" };
    let gone = forgotten
        .gone
        .iter()
        .map(|snapshot| format!("{word:<7} {}  {}", short(&snapshot.id), snapshot.taken_at));
    kept.chain(gone).collect::<Vec<_>>().join("\n")
}
