//! `refit repo`: make and publish repositories, and a plain client for any TUF repository.

use super::pack::refused as forge_refused;
use crate::{CliError, Exit, context::Context, output::table, span};
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use refit_forge::{
    key::PublicKey,
    repo::{self, Expiry, InitOptions, PublishReport, PublishedPack, Signers},
};
use refit_names::TargetName;
use refit_repository::{Repository, RepositoryError, Source, TrustStore};
use serde_json::json;
use std::{fs, path::PathBuf, time::Duration};
use url::Url;

/// Arguments of `refit repo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  refit repo init ./repository --keys ./keys\n  refit repo publish ./repository --keys ./keys hello-1100.refit\n  refit repo trust --root ./repository/metadata/1.root.json --state ./state\n  refit repo refresh --state ./state --metadata-url https://packs.example/metadata/"
)]
pub(crate) struct RepoArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes keys and an empty signed repository
    Init(InitArgs),
    /// Adds packs and renews the expiry; without packs it only renews
    Publish(PublishArgs),
    /// Pins the root of a repository in a state folder
    Trust(TrustArgs),
    /// Brings and verifies the newest metadata
    Refresh(RefreshArgs),
    /// Brings and verifies one target
    Get(GetArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The repository's folder: metadata/ and targets/ for any static web server
    dir: PathBuf,
    /// The folder for the private keys; root and targets keys belong offline
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// How many root keys to make
    #[arg(long, default_value_t = 1, value_name = "N")]
    root_keys: u64,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    root_threshold: u64,
    /// How many targets keys to make
    #[arg(long, default_value_t = 1, value_name = "N")]
    targets_keys: u64,
    /// How many of them must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    targets_threshold: u64,
    /// How long the root is believed
    #[arg(long, default_value = "365d", value_name = "TIME", value_parser = span::parse)]
    root_expires: Duration,
    /// How long what is published is believed, until it is renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

#[derive(Debug, Args)]
struct PublishArgs {
    /// The repository's folder
    dir: PathBuf,
    /// The folder with the private keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Packs
    packs: Vec<PathBuf>,
    /// Public key that must have signed each pack
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long it is believed, until it is renewed
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span::parse)]
    expires: Duration,
}

#[derive(Debug, Args)]
struct TrustArgs {
    /// The root file, from a source that you trust
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The folder that remembers what is trusted
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

#[derive(Debug, Args)]
struct RefreshArgs {
    /// The folder that remembers what is trusted
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The folder with timestamp.json: http, https or file
    #[arg(long, value_name = "URL")]
    metadata_url: Url,
}

#[derive(Debug, Args)]
struct GetArgs {
    #[command(flatten)]
    refresh: RefreshArgs,
    /// The folder with the targets
    #[arg(long, value_name = "URL")]
    targets_url: Url,
    /// The target's name, folders and all
    #[arg(long, value_name = "NAME", value_parser = parse_target)]
    target: TargetName,
    /// The folder under which the target gets its own name
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn parse_target(text: &str) -> Result<TargetName, String> {
    TargetName::parse(text).map_err(|error| error.to_string())
}

/// Runs it.
pub(crate) async fn run(args: RepoArgs, context: &Context) -> Result<Exit, CliError> {
    match args.verb {
        Verb::Init(args) => init(&args, context).await,
        Verb::Publish(args) => publish(&args, context).await,
        Verb::Trust(args) => trust(&args, context),
        Verb::Refresh(args) => show(&refresh(&args, &args.metadata_url, context).await?, context),
        Verb::Get(args) => get(&args, context).await,
    }
}

fn lasting(time: Duration) -> Result<SignedDuration, CliError> {
    SignedDuration::try_from(time).map_err(|error| CliError::usage(error.to_string()))
}

async fn init(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let options = InitOptions {
        root: Signers { keys: args.root_keys, threshold: args.root_threshold },
        targets: Signers { keys: args.targets_keys, threshold: args.targets_threshold },
        expiry: Expiry { root: lasting(args.root_expires)?, online: lasting(args.expires)? },
    };
    let root = repo::init(&args.dir, &args.keys, &options, context.ambient.clock.now())
        .await
        .map_err(forge_refused)?;
    context
        .output
        .data(&json!({ "repository": args.dir, "keys": args.keys, "root": root }), |_| {
            root.display().to_string()
        })?;
    context.output.say("clients pin this root; keep root-*.der and targets-*.der offline");
    Ok(Exit::Done)
}

async fn publish(args: &PublishArgs, context: &Context) -> Result<Exit, CliError> {
    let key = args.key.as_deref().map(PublicKey::read).transpose().map_err(forge_refused)?;
    let now = context.ambient.clock.now();
    let expires = lasting(args.expires)?;
    let report = repo::publish(&args.dir, &args.keys, &args.packs, key.as_ref(), expires, now)
        .await
        .map_err(forge_refused)?;
    let PublishReport { added, unchanged, version, expires } = &report;
    let list = |packs: &[PublishedPack]| -> Vec<_> {
        packs
            .iter()
            .map(|pack| json!({ "product": pack.product, "to": pack.to, "record": pack.record }))
            .collect()
    };
    let data = json!({ "added": list(added), "unchanged": list(unchanged), "version": version, "expires": expires.to_string() });
    context.output.data(&data, |_| {
        let row = |pack: &PublishedPack, what: &str| {
            [
                pack.product.to_string(),
                pack.to.to_string(),
                what.to_owned(),
                pack.record.to_string(),
            ]
        };
        let rows: Vec<_> = added
            .iter()
            .map(|pack| row(pack, "added"))
            .chain(unchanged.iter().map(|pack| row(pack, "unchanged")))
            .collect();
        if rows.is_empty() {
            String::new()
        } else {
            table(["product", "build", "", "record"], rows)
        }
    })?;
    context.output.say(&format!("metadata version {version}, believed until {expires}"));
    Ok(Exit::Done)
}

/// An error about what was signed ends with the exit code for that, whatever its code is called.
fn refused(error: RepositoryError) -> CliError {
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

fn trust(args: &TrustArgs, context: &Context) -> Result<Exit, CliError> {
    let root =
        fs::read(&args.root).map_err(|error| CliError::io("read", args.root.display(), error))?;
    TrustStore::create(&args.state, &root).map_err(refused)?;
    let digest = refit_names::Digest::of(&root);
    context.output.data(&json!({ "state": args.state, "root": digest }), |_| digest.to_string())?;
    Ok(Exit::Done)
}

async fn refresh(
    args: &RefreshArgs,
    targets: &Url,
    context: &Context,
) -> Result<Repository, CliError> {
    let store = TrustStore::open(&args.state).map_err(refused)?;
    let source = Source {
        metadata: args.metadata_url.clone(),
        targets: targets.clone(),
        http: http(&args.metadata_url, targets)?,
    };
    refit_repository::refresh(&store, &source, context.ambient.clock.now()).await.map_err(refused)
}

/// The machine's own trust, which a machine without any needs only for https.
fn http(metadata: &Url, targets: &Url) -> Result<reqwest::Client, CliError> {
    let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(20));
    let secure = [metadata, targets].iter().any(|url| url.scheme() == "https");
    let builder = if secure { builder } else { builder.tls_certs_only([]) };
    builder.build().map_err(|error| {
        CliError::new(
            "cli.io",
            Exit::Failed,
            format!("failed to set up HTTP: {}", refit_names::chain(&error)),
        )
    })
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

async fn get(args: &GetArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = refresh(&args.refresh, &args.targets_url, context).await?;
    let path = repository.save_below(&args.target, &args.out).await.map_err(refused)?;
    context
        .output
        .data(&json!({ "target": args.target, "file": path }), |_| path.display().to_string())?;
    Ok(Exit::Done)
}
