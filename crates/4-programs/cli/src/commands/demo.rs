//! `refit demo`: the main job on this machine.

use crate::{CliError, Exit, context::Context, output::Output};
use clap::Args;
use refit_demo::{
    AfterReport, DemoError, DemoOptions, DemoReport, Display, Failure, Ground, Load, Talk,
};
use refit_names::counted;
use std::{env, path::PathBuf, sync::Arc};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Arguments of `refit demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  refit demo\n  refit demo --hosts 4 --no-fail --json | jq .hosts"
)]
pub(crate) struct DemoArgs {
    /// How many hosts, 1 to 200
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=200))]
    hosts: u32,
    /// Size of what is the same in every release, in MiB
    #[arg(long, default_value_t = 2, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=4096))]
    release_mib: u32,
    /// No host's data makes the migration fail
    #[arg(long)]
    no_fail: bool,
    /// For benchmarks: files in every host's data
    #[arg(long, default_value_t = 0, hide = true)]
    data_files: u32,
    /// For benchmarks: the size of all of them, in MiB
    #[arg(long, default_value_t = 0, hide = true)]
    data_mib: u32,
    /// For benchmarks: a PostgreSQL database that belongs to the unit too
    #[arg(long, hide = true)]
    database_url: Option<String>,
    /// Leaves everything running to look at until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Folder for everything; must be new or empty [default: a new one among the temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The agent [default: refit-agent beside this program]
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Folder with ledger-1000, ledger-1100 and ledger-1200 [default: that of this program]
    #[arg(long, value_name = "DIR")]
    ledgers: Option<PathBuf>,
}

/// Ctrl-C, SIGTERM and the end of the terminal.
struct Stop([Signal; 3]);

impl Stop {
    fn listen() -> Result<Self, CliError> {
        let on = |kind| signal(kind).map_err(|error| CliError::io("wait for", "signals", error));
        Ok(Self([
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: DemoArgs, context: &Context) -> Result<Exit, CliError> {
    let output = context.output;
    let options = options(&args, output)?;
    let mut stop = Stop::listen()?;
    let mut ground = Ground::new(options.dir.as_deref())?;
    let talk: Talk = Arc::new(move |line| output.say(line));
    talk(&format!("everything is in {}", ground.dir().display()));

    let ended = tokio::select! {
        ended = refit_demo::run(&options, &mut ground, &talk) => Some(ended),
        () = stop.wait() => None,
    };
    let report = match ended {
        Some(Ok(report)) => report,
        other => {
            output.say("ending everything that was started");
            ground.end().await;
            output.say(&format!("left to look at: {}", ground.dir().display()));
            return match other {
                Some(Err(error)) => Err(CliError::from(error)),
                _ => Ok(Exit::Interrupted),
            };
        }
    };
    let after = if args.keep { AfterReport::Stays } else { AfterReport::Ends };
    let printed = output.data(&report, |report| refit_demo::table(report, after));
    if args.keep {
        output.say("everything keeps running; Ctrl-C ends it");
        stop.wait().await;
    }
    ground.end().await;
    printed?;
    verdict(&report, &ground, &args, output)
}

/// A clean run leaves the certificates; anything else leaves everything.
fn verdict(
    report: &DemoReport,
    ground: &Ground,
    args: &DemoArgs,
    output: Output,
) -> Result<Exit, CliError> {
    if report.problems.is_empty() && report.lost_writes == 0 {
        if !args.keep {
            ground.tidy_up();
        }
        return Ok(Exit::Done);
    }
    output.say(&format!("left to look at: {}", ground.dir().display()));
    let text = format!("the demo's own check found {}", counted(report.problems.len(), "fault"));
    Err(CliError::new("demo.check-failed", Exit::NotVerified, text)
        .with_details(report.problems.clone()))
}

fn options(args: &DemoArgs, output: Output) -> Result<DemoOptions, CliError> {
    let refit = env::current_exe()
        .map_err(|error| CliError::io("find", "this program's own file", error))?;
    let folder = refit.parent().map(PathBuf::from).unwrap_or_default();
    let agent = args.agent.clone().unwrap_or_else(|| folder.join("refit-agent"));
    if !agent.is_file() {
        let hint = "build it with ./dev build, or name it with --agent";
        return Err(DemoError::NoProgram { path: agent, hint }.into());
    }
    Ok(DemoOptions {
        hosts: args.hosts,
        release_mib: args.release_mib,
        failure: if args.no_fail { Failure::None } else { Failure::OneHost },
        load: Load {
            files: args.data_files,
            mib: args.data_mib,
            database: args.database_url.clone(),
        },
        dir: args.dir.clone(),
        ledgers: args.ledgers.clone().unwrap_or(folder),
        display: if output.talks_to_terminal() && !output.is_json() {
            Display::Bars
        } else {
            Display::Lines
        },
        refit,
        agent,
    })
}
