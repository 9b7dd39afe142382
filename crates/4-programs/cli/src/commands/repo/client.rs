//! `refit repo trust|refresh|get|runbooks`: the plain client for any TUF repository.

use crate::{CliError, Exit, context::Context, output::table};
use clap::Args;
use refit_names::TargetName;
use refit_repository::{
    Repository, RepositoryError, Source, TrustStore, refresh as bring, same_server,
};
use serde_json::json;
use std::{fs, path::PathBuf, time::Duration};
use url::Url;

#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// The root file, from a source that you trust
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The folder that remembers what is trusted
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RefreshArgs {
    /// The folder that remembers what is trusted
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The folder with timestamp.json: http, https or file
    #[arg(long, value_name = "URL")]
    metadata_url: Url,
}

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    refresh: RefreshArgs,
    /// The folder with the targets
    #[arg(long, value_name = "URL")]
    targets_url: Url,
    /// The target's name, folders and all; several times for several targets
    #[arg(long, value_name = "NAME", value_parser = parse_target, required = true)]
    target: Vec<TargetName>,
    /// The folder under which the target gets its own name
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Arguments of `refit repo inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A metadata file, published or staged
    file: PathBuf,
}

fn parse_target(text: &str) -> Result<TargetName, String> {
    TargetName::parse(text).map_err(|error| error.to_string())
}

/// An error about what was signed ends with the exit code for that, whatever its code is called.
pub(in crate::commands) fn refused(error: RepositoryError) -> CliError {
    let verification = error.is_verification();
    let missing =
        matches!(error, RepositoryError::NoSuchTarget { .. } | RepositoryError::NoTrust { .. });
    let mut error = CliError::from(error);
    if verification {
        error.exit = Exit::NotVerified;
    } else if missing {
        error.exit = Exit::NotFound;
    }
    error
}

/// Pins a root.
pub(super) fn trust(args: &TrustArgs, context: &Context) -> Result<Exit, CliError> {
    let root =
        fs::read(&args.root).map_err(|error| CliError::io("read", args.root.display(), error))?;
    TrustStore::create(&args.state, &root).map_err(refused)?;
    let digest = refit_names::Digest::of(&root);
    context.output.data(&json!({ "state": args.state, "root": digest }), |_| digest.to_string())?;
    Ok(Exit::Done)
}

/// Brings the newest metadata and shows what is published.
pub(super) async fn refresh(args: &RefreshArgs, context: &Context) -> Result<Exit, CliError> {
    show(&refreshed(args, &args.metadata_url, context).await?, context)
}

async fn refreshed(
    args: &RefreshArgs,
    targets: &Url,
    context: &Context,
) -> Result<Repository, CliError> {
    let store = TrustStore::open(&args.state).map_err(refused)?;
    let source = Source {
        metadata: args.metadata_url.clone(),
        targets: targets.clone(),
        http: http(&args.metadata_url, targets, context)?,
    };
    bring(&store, &source, context.ambient.clock.now()).await.map_err(refused)
}

/// For https the authority that `--ca` names, else the machine's own trust; folders and plain http need neither.
pub(in crate::commands) fn http(
    metadata: &Url,
    targets: &Url,
    context: &Context,
) -> Result<reqwest::Client, CliError> {
    let failed = |error: reqwest::Error| {
        CliError::new(
            "cli.io",
            Exit::Failed,
            format!("failed to set up HTTP: {}", refit_names::chain(&error)),
        )
    };
    let builder =
        reqwest::Client::builder().connect_timeout(Duration::from_secs(20)).redirect(same_server());
    let secure = [metadata, targets].iter().any(|url| url.scheme() == "https");
    if !secure {
        return builder.tls_certs_only([]).build().map_err(failed);
    }
    let builder = match context.authority()? {
        Some(authority) => {
            let certificates =
                reqwest::Certificate::from_pem_bundle(authority.as_bytes()).map_err(failed)?;
            builder.tls_certs_only(certificates)
        }
        None => builder,
    };
    builder.build().map_err(failed)
}

fn show(repository: &Repository, context: &Context) -> Result<Exit, CliError> {
    let versions = repository.versions();
    let expires = repository.expires_at().to_string();
    let targets = repository.targets();
    context.output.data(
        &json!({ "versions": versions, "expires": expires, "targets": targets }),
        |_| {
            let rows = versions
                .iter()
                .map(|(role, version)| [role.clone(), version.to_string()])
                .collect();
            format!(
                "{}\n\nexpires {expires}\n{}",
                table(["role", "version"], rows),
                targets.join("\n")
            )
        },
    )?;
    Ok(Exit::Done)
}

/// Brings one target.
pub(super) async fn get(args: &GetArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = refreshed(&args.refresh, &args.targets_url, context).await?;
    let mut files = Vec::new();
    for target in &args.target {
        let path = repository.save_below(target, &args.out).await.map_err(refused)?;
        files.push((target, path));
    }
    let all: Vec<_> =
        files.iter().map(|(target, path)| json!({ "target": target, "file": path })).collect();
    // The first one's own fields were there before several could be asked for.
    let first = files.first().map(|(target, path)| (target, path));
    let data = json!({
        "target": first.map(|first| first.0), "file": first.map(|first| first.1), "files": all,
    });
    context.output.data(&data, |_| {
        let paths: Vec<_> = files.iter().map(|(_, path)| path.display().to_string()).collect();
        paths.join("\n")
    })?;
    Ok(Exit::Done)
}

/// Lists runbooks.
pub(super) async fn runbooks(args: &RefreshArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = refreshed(args, &args.metadata_url, context).await?;
    let entries = repository.runbooks().await.map_err(refused)?;
    let data: Vec<_> = entries
        .iter()
        .map(|entry| json!({ "name": entry.name, "version": entry.version, "target": entry.target, "role": entry.role }))
        .collect();
    context.output.data(&json!({ "runbooks": data }), |_| {
        let rows = entries.iter().map(|entry| {
            [
                entry.name.to_string(),
                entry.version.to_string(),
                entry.role.clone(),
                entry.target.to_string(),
            ]
        });
        table(["runbook", "version", "signed by", "target"], rows.collect())
    })?;
    Ok(Exit::Done)
}

/// Shows a metadata file.
pub(super) fn inspect(args: &InspectArgs, context: &Context) -> Result<Exit, CliError> {
    let text =
        fs::read(&args.file).map_err(|error| CliError::io("read", args.file.display(), error))?;
    let found = refit_repository::inspect(&text).map_err(refused)?;
    context.output.data(&found, |found| {
        let mut lines = vec![format!("{} version {}", found.role, found.version)];
        lines.push(format!("expires {}, {} entries", found.expires, found.entries));
        lines.extend(found.keys.iter().map(|keys| keys.to_string()));
        lines.extend(found.signatures.iter().map(|id| format!("signed by {id}")));
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}
