//! `refit risk`: how risky it is to change a host, why, and what is done about it.

mod matrix;
mod show;

use crate::{CliError, Exit, context::Context};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use refit_names::{HostName, PersonName};
use refit_protocol::v1::{NewRisk, RiskAct, RiskEntryView, WeightsSet};
use refit_risk::{Exposure, Level};

/// Arguments of `refit risk`.
#[derive(Debug, Args)]
pub(crate) struct RiskArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Scores hosts, the riskiest first, with the heaviest reasons of each
    #[command(after_help = "Example:\n  refit risk assess --where 'role == \"web\" && risk > 50'")]
    Assess {
        #[command(flatten)]
        which: Which,
    },
    /// Lists stated risks with likelihood, impact, status, owner and due day
    #[command(after_help = "Example:\n  refit risk list --where 'site == \"north\"' --status open")]
    List {
        #[command(flatten)]
        which: Which,
        /// Only risks with this status
        #[arg(long)]
        status: Option<Status>,
    },
    /// Shows where every point of a host's score comes from: reason, weight, source of the fact, its time, mitigation
    #[command(after_help = "Example:\n  refit risk show db-1 --json")]
    Show {
        /// The host
        host: HostName,
    },
    /// States a risk of a host, or changes one
    #[command(
        after_help = "Examples:\n  refit risk set db-1 --likelihood 4 --impact 3 --text 'controller battery is old' --mitigation 'replace it first'\n  refit risk set db-1 --id 7 --likelihood 2"
    )]
    Set(SetArgs),
    /// Says that the mitigation of a risk was done, and what is left
    #[command(after_help = "Example:\n  refit risk mitigate 7 --likelihood 1 --impact 3")]
    Mitigate {
        /// The risk's number
        id: u64,
        /// How likely it is now, 1 to 5
        #[arg(long, value_parser = level)]
        likelihood: Level,
        /// How bad it would be now, 1 to 5; as before when it is not said
        #[arg(long, value_parser = level)]
        impact: Option<Level>,
        /// What was done, when it is not what was written down
        #[arg(long)]
        mitigation: Option<String>,
    },
    /// Bears a risk as it is
    #[command(
        after_help = "Example:\n  refit risk accept 7 --reason 'the machine leaves in March'"
    )]
    Accept {
        /// The risk's number
        id: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Opens a mitigated or accepted risk again
    Reopen {
        /// The risk's number
        id: u64,
    },
    /// Stated risks by likelihood and impact
    #[command(after_help = "Example:\n  refit risk matrix --before")]
    Matrix {
        #[command(flatten)]
        which: Which,
        /// As if nothing had been mitigated
        #[arg(long)]
        before: bool,
    },
    /// Weights of the score
    Weights {
        #[command(subcommand)]
        verb: WeightsVerb,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only hosts that this expression names (docs/expressions.md)
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<String>,
}

/// Arguments of `refit risk set`.
#[derive(Debug, Args)]
struct SetArgs {
    /// The host
    host: HostName,
    /// The number of a risk that is changed; without it a new one is stated
    #[arg(long)]
    id: Option<u64>,
    /// How likely it is, 1 to 5
    #[arg(long, value_parser = level, required_unless_present = "id")]
    likelihood: Option<Level>,
    /// How bad it would be, 1 to 5
    #[arg(long, value_parser = level, required_unless_present = "id")]
    impact: Option<Level>,
    /// What may happen
    #[arg(long, required_unless_present = "id")]
    text: Option<String>,
    /// What is to be done about it
    #[arg(long)]
    mitigation: Option<String>,
    /// Who looks after it
    #[arg(long)]
    owner: Option<PersonName>,
    /// Until which day, such as 2026-06-30
    #[arg(long)]
    due: Option<Date>,
}

#[derive(Debug, Subcommand)]
enum WeightsVerb {
    /// Shows every weight with its default and what it is for
    Show,
    /// Sets weights as the next version; `NAME=` takes one back to its default
    #[command(after_help = "Example:\n  refit risk weights set boot.days=90 role.kiosk=5 cluster=")]
    Set {
        /// NAME=POINTS
        #[arg(required = true, value_name = "NAME=POINTS", value_parser = weight)]
        weights: Vec<(String, Option<u32>)>,
        /// Shows what would be and changes nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Where a risk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Status {
    /// Nothing was done yet
    Open,
    /// Something was done
    Mitigated,
    /// Borne as it is
    Accepted,
}

fn level(text: &str) -> Result<Level, String> {
    let number: u8 =
        text.parse().map_err(|_| format!("`{text}` is not a whole number from 1 to 5"))?;
    Level::new(number).map_err(|error| error.to_string())
}

fn weight(text: &str) -> Result<(String, Option<u32>), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=POINTS")?;
    let points = match value {
        "" => None,
        value => {
            Some(value.parse().map_err(|_| format!("`{value}` is not a whole number of points"))?)
        }
    };
    Ok((name.to_owned(), points))
}

/// Runs it.
pub(crate) async fn run(args: RiskArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    match args.verb {
        Verb::Assess { which } => {
            let hosts = api.risks(which.filter.as_deref()).await?;
            context.output.data(&hosts, |hosts| show::assessed(hosts))?;
        }
        Verb::List { which, status } => {
            let mut entries = entries(which.filter.as_deref(), context).await?;
            let word = status.map(|status| format!("{status:?}").to_lowercase());
            entries
                .retain(|view| word.as_deref().is_none_or(|word| view.entry.status.word() == word));
            context.output.data(&entries, |entries| show::entries(entries))?;
        }
        Verb::Show { host } => {
            let host = api.host_risk(&host).await?;
            context.output.data(&host, show::one)?;
        }
        Verb::Set(args) => {
            let view = set(args, context).await?;
            context.output.data(&view, show::entry)?;
        }
        Verb::Mitigate { id, likelihood, impact, mitigation } => {
            let impact = match impact {
                Some(impact) => impact,
                None => known(id, context).await?.entry.exposure.impact,
            };
            let act = RiskAct::Mitigate { left: Exposure { likelihood, impact }, mitigation };
            context.output.data(&api.act_on_risk(id, &act).await?, show::entry)?;
        }
        Verb::Accept { id, reason } => {
            let view = api.act_on_risk(id, &RiskAct::Accept { reason }).await?;
            context.output.data(&view, show::entry)?;
        }
        Verb::Reopen { id } => {
            context.output.data(&api.act_on_risk(id, &RiskAct::Reopen).await?, show::entry)?;
        }
        Verb::Matrix { which, before } => {
            let entries = entries(which.filter.as_deref(), context).await?;
            context.output.data(&matrix::Matrix::of(&entries, before), matrix::Matrix::text)?;
        }
        Verb::Weights { verb: WeightsVerb::Show } => {
            context.output.data(&api.risk_weights().await?, show::weights)?;
        }
        Verb::Weights { verb: WeightsVerb::Set { weights, dry_run } } => {
            let set = WeightsSet { weights: weights.into_iter().collect(), dry_run };
            let before = api.risk_weights().await?;
            let after = api.set_risk_weights(&set).await?;
            context.output.data(&after, |after| show::changed_weights(&before, after))?;
            let pending = dry_run && after.version != before.version;
            return Ok(if pending { Exit::ChangesPending } else { Exit::Done });
        }
    }
    Ok(Exit::Done)
}

/// Stated risks of hosts that the expression names, by number.
async fn entries(filter: Option<&str>, context: &Context) -> Result<Vec<RiskEntryView>, CliError> {
    let api = context.api()?;
    let Some(filter) = filter else { return Ok(api.risk_entries().await?) };
    let hosts = api.risks(Some(filter)).await?;
    let mut entries: Vec<_> = hosts.into_iter().flat_map(|host| host.entries).collect();
    entries.sort_by_key(|view| view.entry.id);
    Ok(entries)
}

async fn known(id: u64, context: &Context) -> Result<RiskEntryView, CliError> {
    let entries = context.api()?.risk_entries().await?;
    entries.into_iter().find(|view| view.entry.id == id).ok_or_else(|| {
        CliError::new("api.not-found", Exit::NotFound, format!("risk `{id}` does not exist"))
    })
}

async fn set(args: SetArgs, context: &Context) -> Result<RiskEntryView, CliError> {
    let api = context.api()?;
    let SetArgs { host, id, likelihood, impact, text, mitigation, owner, due } = args;
    let Some(id) = id else {
        let (Some(likelihood), Some(impact), Some(text)) = (likelihood, impact, text) else {
            return Err(CliError::usage("a new risk needs --likelihood, --impact and --text"));
        };
        let exposure = Exposure { likelihood, impact };
        let mitigation = mitigation.unwrap_or_default();
        return Ok(api
            .state_risk(&NewRisk { host, text, exposure, mitigation, owner, due })
            .await?);
    };
    let before = known(id, context).await?.entry;
    if before.host != host {
        return Err(CliError::usage(format!(
            "risk {id} is of host {}, not of {host}",
            before.host
        )));
    }
    let exposure = Exposure {
        likelihood: likelihood.unwrap_or(before.exposure.likelihood),
        impact: impact.unwrap_or(before.exposure.impact),
    };
    let exposure = Some(exposure);
    Ok(api.act_on_risk(id, &RiskAct::Change { text, exposure, mitigation, owner, due }).await?)
}
