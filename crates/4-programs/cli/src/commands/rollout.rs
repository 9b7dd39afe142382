//! `refit rollout`: campaigns, from the first draft to the last wave.

mod create;
mod decide;
mod papers;
mod plan;
mod plan_file;
mod questions;
mod show;
mod simulate;
mod watch;

use crate::{CliError, Exit, context::Context, span};
use clap::{Args, Subcommand};
use refit_names::{Digest, HostName, RolloutName, StepId};
use std::time::Duration;

/// Arguments of `refit rollout`.
#[derive(Debug, Args)]
pub(crate) struct RolloutArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a rollout: a target build for a set of servers
    #[command(
        after_help = "Examples:\n  refit rollout create spring --product ledger --target 1200 --share 10 --share 30 --share 60\n  refit rollout create spring-back --product ledger --target 1100 --remove"
    )]
    Create(create::CreateArgs),
    /// Makes a plan, or a new one that replaces it, and shows it
    #[command(
        after_help = "Examples:\n  refit rollout plan spring\n  refit rollout plan spring --by 2026-12-01 --dry-run\n  refit rollout plan spring --pin web-1=2026-11-20 --diff\n  refit rollout plan spring --emergency 'a hole that is being used'\n  refit rollout plan spring --rollback wave-2"
    )]
    Plan(plan::PlanArgs),
    /// Shows what one plan changes of another
    #[command(
        after_help = "Examples:\n  refit rollout diff spring\n  refit rollout diff spring 1 3"
    )]
    Diff(plan::DiffArgs),
    /// Lists all rollouts
    List,
    /// Shows the current plan: who, when, why
    #[command(after_help = "Example:\n  refit rollout show spring --json")]
    Show {
        /// The rollout
        name: RolloutName,
    },
    /// Runs the plan many times under a virtual clock: does it fit, when is it done, what goes wrong
    #[command(
        after_help = "Examples:\n  refit rollout simulate spring\n  refit rollout simulate spring --runs 5000 --seed 7 --failure 2%\n  refit rollout simulate --plan plan.json --json | jq .finish"
    )]
    Simulate(simulate::SimulateArgs),
    /// Writes the approach document or the project plan, as PDF or as one HTML page
    #[command(
        after_help = "Examples:\n  refit rollout document spring approach -o approach.pdf\n  refit rollout document spring project-plan --simulate -o plan.html"
    )]
    Document(papers::DocumentArgs),
    /// Writes the plan as spreadsheet, CSV or calendar
    #[command(
        after_help = "Examples:\n  refit rollout export spring -o spring.xlsx\n  refit rollout export spring --person engineer -o engineer.ics"
    )]
    Export(papers::ExportArgs),
    /// Agrees to exactly the plan with this hash
    #[command(
        after_help = "Example:\n  refit rollout agree spring --plan sha256:… --remark 'seen by the change board'"
    )]
    Agree(Decide),
    /// Lets all servers fetch, check and store what they need; nothing is down
    Prepare {
        /// The rollout
        name: RolloutName,
        /// Waits until every server is prepared
        #[command(flatten)]
        wait: Wait,
    },
    /// Authorises exactly the plan with this hash
    Authorise(Decide),
    /// Sets what may be set between prepare and deploy, and who must sign
    #[command(
        after_help = "Example:\n  refit rollout configure spring --parallel 2 --party deployer --party application-owner"
    )]
    Configure(decide::ConfigureArgs),
    /// Starts it, by waves or on selected servers
    #[command(
        after_help = "Example:\n  refit rollout deploy spring --wait\n  refit rollout deploy spring --host web-1 --host web-2"
    )]
    Deploy {
        /// The rollout
        name: RolloutName,
        /// Only these servers; else by waves
        #[arg(long = "host")]
        hosts: Vec<HostName>,
        /// Waits until it is over
        #[command(flatten)]
        wait: Wait,
    },
    /// Shows where it stands
    Status {
        /// The rollout
        name: RolloutName,
    },
    /// Follows it until it is over; Ctrl-C only stops watching
    #[command(after_help = "Example:\n  refit rollout watch spring --json | jq .state")]
    Watch {
        /// The rollout
        name: RolloutName,
        /// Gives up watching after this time
        #[arg(long, value_parser = span::parse)]
        timeout: Option<Duration>,
    },
    /// Lists what servers ask people, with who, until when and what silence means
    #[command(
        after_help = "Examples:\n  refit rollout questions\n  refit rollout questions spring --all --json"
    )]
    Questions(questions::QuestionsArgs),
    /// Answers what a server asks; it goes on with its next word to the control server
    #[command(
        after_help = "Examples:\n  refit rollout answer spring web-1 may-go-down --yes --reason 'agreed by phone'\n  refit rollout answer spring web-1 ticket --set number=4711 --set by=night-shift\n  refit rollout answer spring web-1 photo --upload rack.png\n  refit rollout answer spring web-1 go-on --choose again"
    )]
    Answer(questions::AnswerArgs),
    /// Fetches a file that was handed in with an answer
    #[command(after_help = "Example:\n  refit rollout uploaded sha256:… -o rack.png")]
    Uploaded(questions::UploadedArgs),
    /// Says why a server is where it is, what unblocks it, and when at the latest
    #[command(after_help = "Example:\n  refit rollout why spring web-1")]
    Why {
        /// The rollout
        name: RolloutName,
        /// The server
        host: HostName,
    },
    /// Starts no further server until it is resumed
    Pause(decide::Because),
    /// Goes on after a pause or a halt
    Resume(decide::Because),
    /// Gives it up; servers that have begun go on to a whole build
    Cancel {
        #[command(flatten)]
        because: decide::Because,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
    /// Starts the next wave where that is done by hand
    Advance {
        /// The rollout
        name: RolloutName,
    },
    /// Takes an advisory finding of a server, with your name and reason; it stands in the certificate
    #[command(
        after_help = "Example:\n  refit rollout acknowledge spring web-7 load --reason 'the nightly report runs until six'"
    )]
    Acknowledge {
        /// The rollout
        name: RolloutName,
        /// The server
        host: HostName,
        /// The advisory step of the runbook
        check: StepId,
        /// Why it may be so
        #[arg(long)]
        reason: String,
    },
    /// Goes on without a server
    #[command(
        after_help = "Example:\n  refit rollout ignore spring web-7 --reason 'disk is being replaced'"
    )]
    Ignore {
        /// The rollout
        name: RolloutName,
        /// The server
        host: HostName,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

/// A decision about exactly one plan.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The rollout
    name: RolloutName,
    /// The plan's hash; without it the current plan is shown and you are asked
    #[arg(long)]
    plan: Option<Digest>,
    /// A remark for the record
    #[arg(long, default_value = "")]
    remark: String,
    /// Does not ask
    #[arg(long)]
    yes: bool,
}

/// Whether to wait, and how long.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Waits until it is done
    #[arg(long)]
    wait: bool,
    /// Gives up waiting after this time
    #[arg(long, value_parser = span::parse, requires = "wait")]
    timeout: Option<Duration>,
}

/// Runs it.
pub(crate) async fn run(args: RolloutArgs, context: &Context) -> Result<Exit, CliError> {
    let verb = match args.verb {
        Verb::Simulate(args) => return simulate::run(context, args).await,
        Verb::Document(args) => return papers::document(context, args).await,
        Verb::Export(args) => return papers::export(context, args).await,
        verb => verb,
    };
    let api = context.api()?;
    let view = match verb {
        Verb::Create(args) => api.create_rollout(&args.choose(&api).await?.into_request()).await?,
        Verb::Plan(args) => return plan::run(context, &api, args).await,
        Verb::Diff(args) => return plan::diff(context, &api, args).await,
        Verb::Show { name } => return show::plan(context, &api.plan(&name).await?),
        Verb::List => return show::rollouts(context, &api.rollouts().await?),
        Verb::Agree(args) => decide::agree(context, &api, args).await?,
        Verb::Authorise(args) => decide::authorise(context, &api, args).await?,
        Verb::Configure(args) => decide::configure(&api, args).await?,
        Verb::Prepare { name, wait } => {
            let view = api.prepare(&name).await?;
            if wait.wait {
                return watch::until(context, &api, &name, wait.timeout, watch::Goal::Prepared)
                    .await;
            }
            view
        }
        Verb::Deploy { name, hosts, wait } => {
            let hosts = hosts.into_iter().collect();
            let view = api.deploy(&name, &refit_protocol::v1::Deploy { hosts }).await?;
            if wait.wait {
                return watch::until(context, &api, &name, wait.timeout, watch::Goal::Over).await;
            }
            view
        }
        // Ran above: they need no server.
        Verb::Simulate(_) | Verb::Document(_) | Verb::Export(_) => return Ok(Exit::Done),
        Verb::Status { name } => api.rollout(&name).await?,
        Verb::Watch { name, timeout } => {
            return watch::until(context, &api, &name, timeout, watch::Goal::Over).await;
        }
        Verb::Questions(args) => return questions::list(context, &api, args).await,
        Verb::Answer(args) => return questions::answer(context, &api, args).await,
        Verb::Uploaded(args) => return questions::uploaded(context, &api, args).await,
        Verb::Why { name, host } => {
            return show::why(context, &name, &api.why(&name, &host).await?);
        }
        Verb::Pause(args) => api.pause(&args.name, &args.reason()).await?,
        Verb::Resume(args) => api.resume(&args.name, &args.reason()).await?,
        Verb::Cancel { because, yes } => decide::cancel(context, &api, because, yes).await?,
        Verb::Advance { name } => api.advance(&name).await?,
        Verb::Acknowledge { name, host, check, reason } => {
            let reason = refit_protocol::v1::Reason { reason };
            api.acknowledge(&name, (&host, &check), &reason).await?
        }
        Verb::Ignore { name, host, reason } => {
            api.ignore(&name, &host, &refit_protocol::v1::Reason { reason }).await?
        }
    };
    context.output.data(&view, show::status)?;
    Ok(Exit::Done)
}
