//! The packs of a walk: made by the real forge, of a tree with all that packs keep, or of Debian packages.

use crate::{debs, kinds::Kind};
use anyhow::{Result, anyhow};
use refit_content::{Origin, Realise, fetch};
use refit_packs::record::PackRecord;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};
use url::Url;

/// Builds the packs of a kind below `packs`, with the real forge, and the tree of the first build.
pub(crate) fn make(kind: &Kind, packs: &Path, ledger: &Path) -> Result<()> {
    for (at, build) in kind.builds.iter().enumerate() {
        let folder = packs.join(build);
        let payload = folder.join("payload");
        if kind.packages {
            debs::make(&payload.join("debs"), build, ledger)?;
        } else {
            lay_payload(&payload, build, ledger)?;
        }
        if at == 0 {
            continue;
        }
        let from = kind.builds[at - 1];
        fs::write(folder.join("README.md"), "what is new\n")?;
        fs::write(folder.join("pack.yaml"), pack_yaml(kind, from, build))?;
        fs::write(folder.join("runbook.yaml"), runbook_yaml(kind, build))?;
        let built = refit_forge::pack::build(&folder)?;
        fs::write(folder.join("record.json"), built.record_json())?;
        fs::copy(built.bundle(), folder.join("bundle"))?;
        bring(&folder, built.record(), &packs.join(from).join("payload"))?;
    }
    Ok(())
}

/// What prepare does: everything that the build before does not hold arrives in the cache.
fn bring(folder: &Path, record: &PackRecord, seed: &Path) -> Result<()> {
    let url = Url::from_file_path(folder.join("bundle"));
    let url = url.map_err(|()| anyhow!("{} is no address", folder.display()))?;
    let origin = Origin { http: reqwest::Client::builder().build()?, url };
    let entries = record.entries_for(&Default::default());
    let realise = Realise {
        entries: &entries,
        bundle: &record.bundle,
        seeds: &[seed.to_owned()],
        into: &folder.join("never"),
        cache: &folder.join("cache"),
        progress: &|_| (),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fetch(&origin, &realise))?;
    Ok(())
}

fn pack_yaml(kind: &Kind, from: &str, to: &str) -> String {
    let removal = kind.removal.unwrap_or_default();
    format!(
        "format: refit.pack/1\nproduct: ledger\nfrom: [\"{from}\"]\nto: \"{to}\"\nkind: service-pack\ntitle: t\nreadme: README.md\n\
         payload: payload\nrunbook: runbook.yaml\nunit:\n  data: [data/ledger.json, data/notes]\n  databases:\n    entries: {{ engine: sqlite, path: data/ledger.db }}\n{removal}"
    )
}

fn runbook_yaml(kind: &Kind, build: &str) -> String {
    format!(
        "format: refit.runbook/1\nname: ledger\nversion: 1\nparameters:\n  port: {{ type: port, about: \"where it listens\" }}\nsteps:{}\n\
         rollback:\n  method: switch-and-restore\n  trigger: a step fails\n  deadline_ms: 60000\n  owner: owner\n",
        kind.steps.replace("BUILD", build)
    )
}

/// A tree with all that packs keep: a program, a link, an empty folder; files that stay, change, come and go.
pub(crate) fn lay_payload(payload: &Path, build: &str, ledger: &Path) -> Result<()> {
    for folder in ["bin", "share/list", "share/empty"] {
        fs::create_dir_all(payload.join(folder))?;
    }
    fs::copy(ledger, payload.join("bin/ledger"))?;
    fs::write(payload.join("share/build"), format!("{build}\n"))?;
    fs::write(payload.join("share/same"), "the same in every build\n".repeat(40))?;
    fs::write(payload.join(format!("share/only-{build}")), format!("news of {build}\n"))?;
    fs::write(payload.join("share/long"), format!("of {build}\n").repeat(9000))?;
    for number in 0..4 {
        let changed = if number % 2 == 0 { "" } else { build };
        fs::write(payload.join(format!("share/list/{number}")), format!("{number} {changed}\n"))?;
    }
    symlink(format!("only-{build}"), payload.join("share/news"))?;
    Ok(fs::set_permissions(payload.join("bin/ledger"), fs::Permissions::from_mode(0o755))?)
}
