//! `refit backup schedule`: when hosts back up by themselves.

use crate::{CliError, Exit, context::Context, output::table};
use clap::{Args, Subcommand};
use refit_names::{HostName, ProductName, RoleName, SiteName};
use refit_protocol::{
    backup::{BackupSchedule, Day, Retention},
    v1::BackupScheduleView,
};

/// Arguments of `refit backup schedule`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Sets a schedule; the narrowest one that fits a host wins
    #[command(
        after_help = "Example:\n  refit backup schedule set nightly --product ledger --at 02:30 --zone Europe/Berlin --prove-every 7"
    )]
    Set(Box<Set>),
    /// Lists schedules
    List,
    /// Removes a schedule; backups stay
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
struct Set {
    /// Its name; a schedule of that name is replaced
    name: String,
    /// Of which product
    #[arg(long)]
    product: ProductName,
    /// Time of day, HH:MM
    #[arg(long)]
    at: jiff::civil::Time,
    /// IANA zone of that time
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Days of the week such as `monday`; without it every day
    #[arg(long = "on", value_name = "DAY", value_parser = day)]
    days: Vec<Day>,
    /// Only this host
    #[arg(long)]
    host: Option<HostName>,
    /// Only hosts of this role
    #[arg(long)]
    role: Option<RoleName>,
    /// Only hosts of this site
    #[arg(long)]
    site: Option<SiteName>,
    /// Stops the product for the moment that is saved
    #[arg(long)]
    quiesce: bool,
    /// Restores one into scratch space after so many days; 0: never
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    prove_every: u32,
    /// Keeps the newest so many
    #[arg(long, default_value_t = Retention::USUAL.last)]
    keep_last: u32,
    /// Keeps the newest of each of so many days
    #[arg(long, default_value_t = Retention::USUAL.daily)]
    keep_daily: u32,
    /// Keeps the newest of each of so many weeks
    #[arg(long, default_value_t = Retention::USUAL.weekly)]
    keep_weekly: u32,
    /// Keeps the newest of each of so many months
    #[arg(long, default_value_t = Retention::USUAL.monthly)]
    keep_monthly: u32,
    /// Keeps the newest of each of so many years
    #[arg(long, default_value_t = Retention::USUAL.yearly)]
    keep_yearly: u32,
    /// Only says what would be set
    #[arg(long)]
    dry_run: bool,
}

fn day(text: &str) -> Result<Day, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|error| error.to_string())
}

pub(super) async fn run(args: ScheduleArgs, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    match args.verb {
        Verb::Set(set) => {
            let dry_run = set.dry_run;
            let view = view(*set);
            let view = if dry_run { view } else { api.set_backup_schedule(&view).await? };
            context.output.data(&view, |view| lines(std::slice::from_ref(view)))?;
        }
        Verb::List => {
            context.output.data(&api.backup_schedules().await?, |views| lines(views))?;
        }
        Verb::Remove { name } => {
            let gone = api.remove_backup_schedule(&name).await?;
            context.output.data(&gone, |gone| format!("schedule {} removed", gone.name))?;
        }
    }
    Ok(Exit::Done)
}

fn view(set: Set) -> BackupScheduleView {
    let keep = Retention {
        last: set.keep_last,
        daily: set.keep_daily,
        weekly: set.keep_weekly,
        monthly: set.keep_monthly,
        yearly: set.keep_yearly,
    };
    BackupScheduleView {
        name: set.name,
        product: set.product,
        host: set.host,
        role: set.role,
        site: set.site,
        schedule: BackupSchedule {
            at: set.at,
            zone: set.zone,
            days: set.days,
            quiesce: set.quiesce,
            proof_every_days: set.prove_every,
            keep,
        },
    }
}

fn lines(views: &[BackupScheduleView]) -> String {
    let row = |view: &BackupScheduleView| {
        let mut whom = Vec::new();
        whom.extend(view.host.as_ref().map(|host| format!("host {host}")));
        whom.extend(view.role.as_ref().map(|role| format!("role {role}")));
        whom.extend(view.site.as_ref().map(|site| format!("site {site}")));
        let whom = if whom.is_empty() { "all hosts with it".to_owned() } else { whom.join(", ") };
        let schedule = &view.schedule;
        let days: Vec<_> =
            schedule.days.iter().map(|day| format!("{day:?}").to_lowercase()).collect();
        let days = if days.is_empty() { "every day".to_owned() } else { days.join(", ") };
        let keep = &schedule.keep;
        let keep = format!(
            "{} last, {} daily, {} weekly, {} monthly, {} yearly",
            keep.last, keep.daily, keep.weekly, keep.monthly, keep.yearly
        );
        let at = format!("{} {}", schedule.at.strftime("%H:%M"), schedule.zone);
        [view.name.clone(), view.product.to_string(), whom, at, days, keep]
    };
    table(["name", "product", "for", "at", "days", "keeps"], views.iter().map(row).collect())
}
