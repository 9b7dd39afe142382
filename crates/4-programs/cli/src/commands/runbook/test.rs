//! `refit runbook test`: what each step would do on a host, and whether it could; nothing is changed.

use super::show::faulty;
use crate::{CliError, Exit, context::Context, span};
use clap::Args;
use refit_client::ApiClient;
use refit_names::{HostName, ParameterName, ProductName};
use refit_packs::runbook;
use refit_protocol::{runbook_test::RunbookTest, v1::NewRunbookTest};
use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Arguments of `refit runbook test`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["on", "local"]))]
pub(crate) struct TestArgs {
    /// The runbook
    file: PathBuf,
    /// Asks this server's agent, through the control server
    #[arg(long, value_name = "HOST")]
    on: Option<HostName>,
    /// Tries it on this machine, with its `refit-agent`
    #[arg(long)]
    local: bool,
    /// For which product; may be left out where the server has one
    #[arg(long)]
    product: Option<ProductName>,
    /// A parameter's value; wins over the server's own
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(ParameterName, String)>,
    /// The agent's configuration, with --local [default: as refit-agent has it]
    #[arg(long, value_name = "FILE", requires = "local")]
    config: Option<PathBuf>,
    /// The agent's state folder, with --local [default: as refit-agent has it]
    #[arg(long, value_name = "DIR", requires = "local")]
    state: Option<PathBuf>,
    /// Gives up waiting for the server's agent after this time
    #[arg(long, value_parser = span::parse, default_value = "2m")]
    timeout: Duration,
}

fn pair(text: &str) -> Result<(ParameterName, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, value.to_owned()))
}

/// Between two looks while waiting.
const LOOK: Duration = Duration::from_millis(300);

pub(super) async fn run(args: TestArgs, context: &Context) -> Result<Exit, CliError> {
    let text = crate::context::text(&args.file)?;
    let name = args.file.display().to_string();
    runbook::parse(&text).map_err(|error| faulty(&name, &error))?;
    let test = match &args.on {
        Some(host) => on_host(host, text, &args, context).await?,
        None => here(&args)?,
    };
    context.output.data(&test, ToString::to_string)?;
    let failing = test.failing().count() + test.parameters.len();
    if failing > 0 {
        let things = refit_names::counted(failing, "thing");
        context.output.say(&format!("{things} would fail; nothing was changed"));
    }
    Ok(if test.passes() { Exit::Done } else { Exit::Failed })
}

async fn on_host(
    host: &HostName,
    runbook: String,
    args: &TestArgs,
    context: &Context,
) -> Result<RunbookTest, CliError> {
    let api = context.api()?;
    let product = match &args.product {
        Some(product) => product.clone(),
        None => only_product(&api, host).await?,
    };
    let parameters: BTreeMap<_, _> = args.set.iter().cloned().collect();
    let asked =
        api.ask_runbook_test(host, &NewRunbookTest { product, runbook, parameters }).await?;
    if !asked.reachable {
        let text =
            format!("agent of host `{host}` was not heard of lately: it cannot try anything");
        return Err(CliError::new("runbook.host-away", Exit::Blocked, text));
    }
    let done = async {
        loop {
            let view = api.runbook_test(asked.request.id).await?;
            if let Some(done) = view.done {
                return Ok::<_, CliError>(done);
            }
            context.ambient.clock.sleep(LOOK).await;
        }
    };
    let done = tokio::select! {
        done = done => done?,
        () = context.ambient.clock.sleep(args.timeout) => {
            let text = format!("host `{host}` has not ended the dry run in time");
            return Err(CliError::new("runbook.host-away", Exit::TimedOut, text));
        }
    };
    match (done.test, done.cause) {
        (Some(test), _) => Ok(test),
        (None, Some(cause)) => {
            Err(CliError::new(&cause.code, Exit::Blocked, format!("host `{host}`: {}", cause.text)))
        }
        (None, None) => Err(CliError::new(
            "runbook.host-away",
            Exit::Failed,
            format!("host `{host}` ended the dry run without a word"),
        )),
    }
}

async fn only_product(api: &ApiClient, host: &HostName) -> Result<ProductName, CliError> {
    let products = api.host(host).await?.record.facts.map(|facts| facts.products);
    match products.as_deref() {
        Some([only]) => Ok(only.name.clone()),
        Some(many) => {
            let names: Vec<&str> = many.iter().map(|product| product.name.as_str()).collect();
            Err(CliError::usage(format!("host `{host}` has {}: give --product", names.join(", "))))
        }
        None => Err(CliError::usage(format!("host `{host}` has told no products: give --product"))),
    }
}

/// The agent beside this program, else the one in `PATH`.
fn agent() -> PathBuf {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("refit-agent")));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("refit-agent"))
}

fn here(args: &TestArgs) -> Result<RunbookTest, CliError> {
    let program = agent();
    let mut command = Command::new(&program);
    command.args(["--json", "runbook-test"]).arg(&args.file).stdin(Stdio::null());
    // What the agent logs is not ours to tell.
    command.env("REFIT_LOG", "off");
    if let Some(product) = &args.product {
        command.args(["--product", product.as_str()]);
    }
    for (name, value) in &args.set {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    let paths: [(&str, Option<&Path>); 2] =
        [("--config", args.config.as_deref()), ("--state", args.state.as_deref())];
    for (flag, path) in paths {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    let ended = command.output().map_err(|error| CliError::io("run", program.display(), error))?;
    if let Ok(test) = serde_json::from_slice::<RunbookTest>(&ended.stdout) {
        return Ok(test);
    }
    let said: serde_json::Value = serde_json::from_slice(&ended.stderr).unwrap_or_default();
    let error = &said["error"];
    let text = match error["text"].as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
    };
    let exit = match error["exit"].as_u64() {
        Some(2) => Exit::Usage,
        Some(3) => Exit::NotFound,
        Some(7) => Exit::Blocked,
        _ => Exit::Failed,
    };
    Err(CliError::new(error["code"].as_str().unwrap_or("runbook.no-agent"), exit, text))
}
