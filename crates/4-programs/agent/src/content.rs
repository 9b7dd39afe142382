//! `refit-agent content`: what fetched content takes, and giving back what the current order does not need.

use crate::{arguments::StateArgument, error::AgentError, orders::OrderStore};
use clap::{Args, Subcommand};
use refit_names::ByteSize;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

/// Arguments of `content`.
#[derive(Debug, Args)]
pub struct ContentArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists what is kept and why.
    Show(ShowArguments),
    /// Removes what the current order does not need; says first what that frees.
    Clean(CleanArguments),
}

#[derive(Debug, Args)]
struct ShowArguments {
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Debug, Args)]
struct CleanArguments {
    #[command(flatten)]
    state: StateArgument,
    /// Only say what would be freed.
    #[arg(long)]
    dry_run: bool,
    /// Remove without asking.
    #[arg(long)]
    yes: bool,
    /// Beginning of the name of something that stays; may be given several times.
    #[arg(long, value_name = "NAME")]
    keep: Vec<String>,
}

/// Something in the content folder: all that arrived of one bundle, or a tree that serves as a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Holding {
    /// The bundle's SHA-256, or `trees`.
    pub(crate) name: String,
    /// Bytes on the disk.
    pub(crate) size: ByteSize,
    /// Why it stays, if it does.
    pub(crate) needed: Option<String>,
    #[serde(skip)]
    paths: Vec<PathBuf>,
}

/// Does what the command line says; the text to print.
pub(crate) fn run(arguments: &ContentArguments, json: bool) -> Result<String, AgentError> {
    match &arguments.verb {
        Verb::Show(ShowArguments { state }) => {
            let holdings = holdings(&state.state, &[])?;
            Ok(told(&holdings, json, "kept", total(&holdings, |_| true)))
        }
        Verb::Clean(CleanArguments { state, dry_run, yes, keep }) => {
            let holdings = holdings(&state.state, keep)?;
            let frees = total(&holdings, |holding| holding.needed.is_none());
            if *dry_run || !yes {
                let word = if *dry_run { "would be freed" } else { "would be freed with --yes" };
                return Ok(told(&holdings, json, word, frees));
            }
            clean(&holdings)?;
            Ok(told(&holdings, json, "freed", frees))
        }
    }
}

fn total(holdings: &[Holding], which: impl Fn(&Holding) -> bool) -> ByteSize {
    ByteSize(holdings.iter().filter(|holding| which(holding)).map(|it| it.size.0).sum())
}

fn told(holdings: &[Holding], json: bool, word: &str, bytes: ByteSize) -> String {
    if json {
        return serde_json::json!({ "holdings": holdings, "outcome": word, "bytes": bytes })
            .to_string();
    }
    let line = |holding: &Holding| {
        let why = holding.needed.as_deref().unwrap_or("not needed");
        format!("{:<16.16} {:>12}  {why}\n", holding.name, holding.size.to_string())
    };
    holdings.iter().map(line).chain([format!("{bytes} {word}")]).collect()
}

/// All that is kept below `state`, by name. `keep` are beginnings of names that stay.
pub(crate) fn holdings(state: &Path, keep: &[String]) -> Result<Vec<Holding>, AgentError> {
    let needed = OrderStore::new(state).bundles_needed()?;
    let content = state.join("content");
    let mut paths: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in entries(&content.join("chunks"))? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        paths.entry(name).or_default().push(path);
    }
    let trees = content.join("trees");
    if trees.exists() {
        paths.insert("trees".to_owned(), vec![trees]);
    }
    let mut holdings = Vec::new();
    for (name, paths) in paths {
        let mut size = 0;
        for path in &paths {
            size += size_of(path)?;
        }
        let is_needed = if name == "trees" { !needed.is_empty() } else { needed.contains(&name) };
        let why = if is_needed {
            Some("needed by the current order".to_owned())
        } else if keep.iter().any(|start| name.starts_with(start)) {
            Some("kept by --keep".to_owned())
        } else if paths.iter().any(|path| is_in_use(path)) {
            Some("in use".to_owned())
        } else {
            None
        };
        holdings.push(Holding { name, size: ByteSize(size), needed: why, paths });
    }
    Ok(holdings)
}

/// Removes what nobody needs.
pub(crate) fn clean(holdings: &[Holding]) -> Result<(), AgentError> {
    for path in holdings.iter().filter(|it| it.needed.is_none()).flat_map(|it| &it.paths) {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.map_err(AgentError::io("remove", path))?;
    }
    Ok(())
}

/// A running fetch holds a lock on what it writes.
fn is_in_use(path: &Path) -> bool {
    path.is_file()
        && File::open(path)
            .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, AgentError> {
    let failed = AgentError::io("read", folder);
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

fn size_of(path: &Path) -> Result<u64, AgentError> {
    let metadata = fs::symlink_metadata(path).map_err(AgentError::io("read", path))?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    entries(path)?.iter().map(|entry| size_of(entry)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_names::Digest;

    #[test]
    fn clean_says_first_what_it_frees_and_keeps_what_it_is_told() {
        let state = tempfile::tempdir().unwrap();
        let chunks = state.path().join("content/chunks");
        fs::create_dir_all(chunks.join("aa11.files")).unwrap();
        fs::write(chunks.join("aa11.chunks"), [0; 100]).unwrap();
        fs::write(chunks.join("aa11.files/x"), [0; 50]).unwrap();
        fs::write(chunks.join("bb22.chunks"), [0; 7]).unwrap();
        let all = holdings(state.path(), &["bb".to_owned()]).unwrap();
        assert_eq!(total(&all, |_| true).0, 157);
        assert_eq!(total(&all, |holding| holding.needed.is_none()).0, 150);
        clean(&all).unwrap();
        let left = holdings(state.path(), &[]).unwrap();
        assert_eq!(left.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["bb22"]);
    }

    #[test]
    fn what_a_preparing_order_fetched_stays_and_what_a_dropped_one_fetched_goes() {
        let state = tempfile::tempdir().unwrap();
        let (bundle, orders) = (Digest::of(b"bundle"), state.path().join("orders"));
        let chunks = state.path().join("content/chunks");
        fs::create_dir_all(chunks.join("../trees/0")).unwrap();
        fs::write(chunks.join(format!("{}.chunks", bundle.to_hex())), [0; 9]).unwrap();
        fs::write(chunks.join("dd.chunks"), [0; 9]).unwrap();
        fs::create_dir_all(orders.join("spring-2/records")).unwrap();
        let seen = r#"{"spring":{"generation":2,"plan":"PLAN"}}"#;
        let seen = seen.replace("PLAN", &Digest::ZERO.to_string());
        fs::write(orders.join("seen.json"), seen).unwrap();
        let record = serde_json::json!({ "bundle": { "digest": bundle } }).to_string();
        fs::write(orders.join("spring-2/records/0.json"), record).unwrap();
        let free = || -> Vec<String> {
            let all = holdings(state.path(), &[]).unwrap().into_iter();
            all.filter(|it| it.needed.is_none()).map(|it| it.name).collect()
        };
        assert_eq!(free(), ["dd"]);
        fs::remove_dir_all(orders.join("spring-2")).unwrap();
        let mut all = [bundle.to_hex(), "dd".to_owned(), "trees".to_owned()];
        all.sort();
        assert_eq!(free(), all);
    }

    #[test]
    fn what_is_being_written_stays() {
        let state = tempfile::tempdir().unwrap();
        let chunks = state.path().join("content/chunks");
        fs::create_dir_all(&chunks).unwrap();
        let file = File::create(chunks.join("cc.chunks")).unwrap();
        file.lock().unwrap();
        assert_eq!(holdings(state.path(), &[]).unwrap()[0].needed.as_deref(), Some("in use"));
        drop(file);
        assert_eq!(holdings(state.path(), &[]).unwrap()[0].needed, None);
    }
}
