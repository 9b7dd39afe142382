//! `refit notify`: who hears of which events, and what was sent.

use crate::{
    CliError, Exit,
    context::Context,
    context::text,
    output::{moment, table},
};
use clap::{Args, Subcommand, ValueEnum};
use refit_protocol::v1::{
    ChannelCreated, ChannelTarget, ChannelView, DeliveryState, EventKind, EventView, NewChannel,
};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `refit notify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit notify add webhook https://hooks.example/refit --event updates-available\n  refit notify add mail ops@site.example --from refit@site.example --smtp smtps://mail.site.example\n  refit notify test ch-1a2b3c4d\n  refit notify log"
)]
pub(crate) struct NotifyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists channels
    List,
    /// Makes a channel
    Add(AddArgs),
    /// Removes a channel
    Remove {
        /// Its identifier
        id: String,
        /// Only shows what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
    /// Sends a test event to a channel and waits for what becomes of it
    Test {
        /// Its identifier
        id: String,
        /// How long to wait for the first try
        #[arg(long, default_value = "30s", value_name = "TIME", value_parser = crate::span::parse)]
        wait: Duration,
    },
    /// Lists events, the newest first, with each delivery
    Log {
        /// How many events
        #[arg(long, default_value_t = 20)]
        limit: u64,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    /// A signed POST (Standard Webhooks); the secret is printed this once
    Webhook {
        /// The address, http or https
        url: String,
        #[command(flatten)]
        events: Events,
    },
    /// A mail
    Mail {
        /// To whom
        address: String,
        /// From whom
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// The mail server: smtps://HOST[:PORT], or smtp://HOST[:PORT] with STARTTLS (in the clear to loopback only)
        #[arg(long, value_name = "URL")]
        smtp: String,
        /// Who logs in there
        #[arg(long, requires = "password_file")]
        user: Option<String>,
        /// File with the password; kept sealed on the server, never printed
        #[arg(long, value_name = "FILE", requires = "user")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        events: Events,
    },
}

#[derive(Debug, Args)]
struct Events {
    /// Only events of this kind; several times for several kinds
    #[arg(long = "event", value_enum, value_name = "KIND")]
    kinds: Vec<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// New paths for installed builds, with the number of servers
    UpdatesAvailable,
    /// A pack in use was withdrawn
    PackWithdrawn,
    /// Metadata of the repository are about to expire
    MetadataExpires,
    /// The repository could not be checked several times in a row
    CheckFailed,
    /// A host asks the owner of its application, and reminders
    AsksApplicationOwner,
    /// A host asks whoever deploys, and reminders
    AsksOperator,
    /// A host asks whoever makes plans, and reminders
    AsksPlanner,
    /// A host asks whoever agrees to plans, and reminders
    AsksApprover,
    /// A host asks whoever authorises, and reminders
    AsksAuthoriser,
    /// A host asks whoever configures, and reminders
    AsksConfigurer,
}

impl Kind {
    const fn event(self) -> EventKind {
        match self {
            Self::UpdatesAvailable => EventKind::UpdatesAvailable,
            Self::PackWithdrawn => EventKind::PackWithdrawn,
            Self::MetadataExpires => EventKind::MetadataExpires,
            Self::CheckFailed => EventKind::CheckFailed,
            Self::AsksApplicationOwner => EventKind::AsksApplicationOwner,
            Self::AsksOperator => EventKind::AsksOperator,
            Self::AsksPlanner => EventKind::AsksPlanner,
            Self::AsksApprover => EventKind::AsksApprover,
            Self::AsksAuthoriser => EventKind::AsksAuthoriser,
            Self::AsksConfigurer => EventKind::AsksConfigurer,
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: NotifyArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::List => {
            let channels = context.api()?.channels().await?;
            context.output.data(&channels, |channels| listed(channels))?;
            Ok(Exit::Done)
        }
        Verb::Add(args) => add(args.target, context).await,
        Verb::Remove { id, dry_run, yes } => remove(&id, dry_run, yes, context).await,
        Verb::Test { id, wait } => test(&id, wait, context).await,
        Verb::Log { limit } => {
            let events = context.api()?.notifications(limit).await?;
            context.output.data(&events, |events| log(events))?;
            Ok(Exit::Done)
        }
    }
}

async fn add(target: Target, context: &Context) -> Result<Exit, CliError> {
    let (target, events, password) = match target {
        Target::Webhook { url, events } => (ChannelTarget::Webhook { url }, events, None),
        Target::Mail { address, from, smtp, user, password_file, events } => {
            let password = password_file.as_deref().map(text).transpose()?;
            let password = password.map(|password| password.trim_end().to_owned());
            (ChannelTarget::Mail { address, from, smtp, user }, events, password)
        }
    };
    let events = events.kinds.iter().map(|kind| kind.event()).collect();
    let new = NewChannel { target, events, password };
    let created = context.api()?.add_channel(&new).await?;
    context.output.data(&created, |ChannelCreated { channel, secret }| {
        let mut lines = vec![channel.id.clone()];
        lines.extend(secret.clone());
        lines.join("\n")
    })?;
    if created.secret.is_some() {
        context
            .output
            .say("the secret is shown this once: give it to the receiver, it signs every event");
    }
    Ok(Exit::Done)
}

async fn remove(id: &str, dry_run: bool, yes: bool, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    if dry_run || !yes {
        let channels = api.channels().await?;
        let Some(channel) = channels.into_iter().find(|channel| channel.id == id) else {
            let text = format!("channel `{id}` does not exist");
            return Err(CliError::new("api.not-found", Exit::NotFound, text));
        };
        if dry_run {
            context.output.data(&channel, |channel| {
                format!("{} to {} would be removed", channel.id, channel.target.address())
            })?;
            return Ok(Exit::Done);
        }
        let question = format!("remove {id} to {}?", channel.target.address());
        if !context.output.can_ask() || !context.output.ask(&question)? {
            return Err(CliError::new("cli.declined", Exit::Failed, "declined: give --yes"));
        }
    }
    let removed = api.remove_channel(id).await?;
    context.output.data(&removed, |removed| {
        format!("{} to {} was removed", removed.id, removed.target.address())
    })?;
    Ok(Exit::Done)
}

async fn test(id: &str, wait: Duration, context: &Context) -> Result<Exit, CliError> {
    let api = context.api()?;
    let sent = api.test_channel(id).await?;
    let clock = &context.ambient.clock;
    let end = clock.now() + wait;
    loop {
        let events = api.notifications(50).await?;
        let event = events.into_iter().find(|event| event.id == sent.id);
        let tried = event.as_ref().and_then(|event| event.deliveries.first()).filter(|delivery| {
            delivery.state != DeliveryState::Pending || delivery.problem.is_some()
        });
        let (Some(event), Some(delivery)) = (&event, tried) else {
            if clock.now() >= end {
                let text = format!("event {} was not tried in time", sent.id);
                return Err(CliError::new("notify.not-delivered", Exit::TimedOut, text));
            }
            clock.sleep(Duration::from_millis(200)).await;
            continue;
        };
        context.output.data(event, |event| log(std::slice::from_ref(event)))?;
        if delivery.state == DeliveryState::Delivered {
            return Ok(Exit::Done);
        }
        let problem = delivery.problem.clone().unwrap_or_default();
        let text =
            format!("event {} was not delivered to {}: {problem}", sent.id, delivery.address);
        return Err(CliError::new("notify.not-delivered", Exit::Failed, text));
    }
}

fn listed(channels: &[ChannelView]) -> String {
    let rows = channels.iter().map(|channel| {
        let (kind, more) = match &channel.target {
            ChannelTarget::Webhook { .. } => ("webhook", String::new()),
            ChannelTarget::Mail { smtp, .. } => ("mail", smtp.clone()),
        };
        let events: Vec<_> = channel.events.iter().map(|event| event.name()).collect();
        [
            channel.id.clone(),
            kind.to_owned(),
            channel.target.address().to_owned(),
            more,
            events.join(", "),
            channel.disabled.clone().map_or_else(|| "on".to_owned(), |why| format!("off: {why}")),
        ]
    });
    table(["id", "kind", "address", "through", "events", "state"], rows.collect())
}

fn log(events: &[EventView]) -> String {
    let mut lines = Vec::new();
    for event in events {
        lines.push(format!("{}  {}  {}", event.at, event.kind.name(), event.id));
        lines.extend(event.findings.iter().map(|finding| format!("  {finding}")));
        if event.deliveries.is_empty() {
            lines.push("  nobody asked for it".to_owned());
        }
        for delivery in &event.deliveries {
            let state = match delivery.state {
                DeliveryState::Delivered => "delivered".to_owned(),
                DeliveryState::Failed => "given up".to_owned(),
                DeliveryState::Pending => match delivery.next_at {
                    Some(at) if delivery.attempts > 0 => format!("tried again at {}", moment(at)),
                    _ => "to be sent".to_owned(),
                },
            };
            let problem = delivery.problem.as_ref().map(|why| format!(": {why}"));
            let address = if delivery.address.is_empty() { "(removed)" } else { &delivery.address };
            lines.push(format!(
                "  → {} {address}: {state} after {}{}",
                delivery.channel,
                refit_names::counted(delivery.attempts as usize, "try"),
                problem.unwrap_or_default()
            ));
        }
    }
    if lines.is_empty() { "no events yet".to_owned() } else { lines.join("\n") }
}
