//! `refit rollout questions`, `answer` and `uploaded`: what hosts ask, and what people say to it.

use crate::{CliError, Exit, context::Context, output::table};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clap::Args;
use refit_client::ApiClient;
use refit_names::{Digest, HostName, ParameterName, RolloutName, StepId};
use refit_packs::runbook::UPLOAD_BYTES_MAX;
use refit_protocol::v1::{NewAnswer, NewGiven, QuestionState, QuestionView, QuestionsQuery};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `refit rollout questions`.
#[derive(Debug, Args)]
pub(crate) struct QuestionsArgs {
    /// Only of this rollout
    name: Option<RolloutName>,
    /// Those that are closed too
    #[arg(long)]
    all: bool,
}

/// Arguments of `refit rollout answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The rollout
    name: RolloutName,
    /// The server
    host: HostName,
    /// The step that asks
    step: StepId,
    /// What you answer
    #[command(flatten)]
    what: What,
    /// Why, for the record
    #[arg(long, default_value = "")]
    reason: String,
    /// Only says whether the answer would be taken
    #[arg(long)]
    dry_run: bool,
}

/// Exactly one answer.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Yes, go on
    #[arg(long)]
    yes: bool,
    /// No, do not
    #[arg(long)]
    no: bool,
    /// One of the named ways on
    #[arg(long, value_name = "NAME")]
    choose: Option<ParameterName>,
    /// A value; once for each field
    #[arg(long, value_name = "FIELD=VALUE", value_parser = pair)]
    set: Vec<(ParameterName, String)>,
    /// A file: a photo, a screenshot
    #[arg(long, value_name = "FILE")]
    upload: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(ParameterName, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not FIELD=VALUE"))?;
    Ok((name.parse().map_err(|error| format!("{error}"))?, value.to_owned()))
}

/// Arguments of `refit rollout uploaded`.
#[derive(Debug, Args)]
pub(crate) struct UploadedArgs {
    /// The file's digest, as evidence and `rollout questions --all` name it
    digest: Digest,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) async fn list(
    context: &Context,
    api: &ApiClient,
    args: QuestionsArgs,
) -> Result<Exit, CliError> {
    let query = QuestionsQuery { rollout: args.name, all: args.all };
    let views = api.questions(&query).await?;
    context.output.data(&views, |views| listed(views))?;
    if views.is_empty() {
        context.output.say("nobody is asked anything");
    }
    Ok(Exit::Done)
}

fn listed(views: &[QuestionView]) -> String {
    let rows = views.iter().map(|view| {
        [
            view.key.order.rollout.to_string(),
            view.host.to_string(),
            view.key.step.to_string(),
            view.question.ask().to_string(),
            view.state.to_string(),
            view.until.to_string(),
            said(view),
        ]
    });
    let head = ["rollout", "host", "step", "asks", "state", "until", "question"];
    if views.is_empty() { String::new() } else { table(head, rows.collect()) }
}

/// What is asked with its answers, or what was answered.
fn said(view: &QuestionView) -> String {
    let text = view.question.text();
    match (&view.counted, &view.given) {
        (Some(counted), Some(given)) if counted != given => {
            format!("{text} — {counted}; too late came: {given}")
        }
        (Some(answer), _) | (None, Some(answer)) => format!("{text} — {answer}"),
        (None, None) => {
            let silence = match view.question.default() {
                Some(default) => format!("silence means {default}"),
                None => "silence fails the step".to_owned(),
            };
            format!("{text} [{}; {silence}]", view.question.answers())
        }
    }
}

pub(super) async fn answer(
    context: &Context,
    api: &ApiClient,
    args: AnswerArgs,
) -> Result<Exit, CliError> {
    let (given, dry_run) = (given(args.what)?, args.dry_run);
    let new = NewAnswer { answer: given, reason: args.reason, dry_run };
    let view = api.answer(&args.name, &args.host, &args.step, &new).await?;
    context.output.data(&view, |view| {
        let answer = view.given.as_ref().map(ToString::to_string).unwrap_or_default();
        let verb = if dry_run { "would be taken" } else { "is on its way to the host" };
        format!("{} of {}: {answer}: {verb}", view.key.step, view.host)
    })?;
    debug_assert!(dry_run || view.state != QuestionState::Open, "an answer leaves it open");
    Ok(Exit::Done)
}

fn given(what: What) -> Result<NewGiven, CliError> {
    if let Some(choice) = what.choose {
        return Ok(NewGiven::Choice { choice });
    }
    if let Some(path) = what.upload {
        return file(&path);
    }
    if !what.set.is_empty() {
        let mut values = BTreeMap::new();
        for (name, value) in what.set {
            if values.insert(name.clone(), value).is_some() {
                return Err(CliError::usage(format!("field `{name}` is set twice")));
            }
        }
        return Ok(NewGiven::Values { values });
    }
    Ok(if what.yes { NewGiven::Yes {} } else { NewGiven::No {} })
}

fn file(path: &Path) -> Result<NewGiven, CliError> {
    let read = |error| CliError::io("read", path.display(), error);
    let size = fs::metadata(path).map_err(read)?.len();
    if size > UPLOAD_BYTES_MAX {
        // Looked at before it is read: nobody hands in a disk image.
        let text = format!(
            "file {} has {size} bytes, expected at most {UPLOAD_BYTES_MAX}",
            path.display()
        );
        return Err(CliError::new("people.upload-too-large", Exit::Usage, text));
    }
    let bytes = fs::read(path).map_err(read)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(NewGiven::File { name: name.unwrap_or_default(), content: BASE64.encode(bytes) })
}

pub(super) async fn uploaded(
    context: &Context,
    api: &ApiClient,
    args: UploadedArgs,
) -> Result<Exit, CliError> {
    let bytes = api.uploaded(&args.digest).await?;
    let found = Digest::of(&bytes);
    if found != args.digest {
        let text = format!("file has the digest {found}, expected {}", args.digest);
        return Err(CliError::new("people.upload-damaged", Exit::NotVerified, text));
    }
    fs::write(&args.output, &bytes)
        .map_err(|error| CliError::io("write", args.output.display(), error))?;
    context.output.say(&format!("{} bytes in {}", bytes.len(), args.output.display()));
    Ok(Exit::Done)
}
