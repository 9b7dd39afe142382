//! Refit: `refit pack build --against`, `refit repo publish`, and a host that updates from that repository.

use super::{Cost, output, same, say, timed, trees::Pair, web::Web};
use crate::child::programs;
use crate::row::median;
use anyhow::{Context, Result};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The publisher does this once per release, hosts again and again: their median counts.
const HOST_ROUNDS: usize = 3;

/// `other` is done once before each of the host's rounds: what is compared by CPU is measured in the same minutes.
pub(super) fn measure(
    pair: &Pair,
    dir: &Path,
    web: &Web,
    mut other: impl FnMut(usize) -> Result<()>,
) -> Result<Cost> {
    let ground = dir.join("refit");
    let refit = programs()?.join("refit");
    for (build, from, tree) in [("2", "1", &pair.new), ("1", "0", &pair.old)] {
        folder(&ground.join(build), build, from, tree)?;
    }
    let pack = ground.join("app-2.refit");
    let publisher = timed(
        Command::new(&refit)
            .args(["pack", "build"])
            .arg(ground.join("2"))
            .arg("--against")
            .arg(ground.join("1"))
            .arg("--out")
            .arg(&pack),
    )?;
    let plain = timed(
        Command::new(&refit)
            .args(["pack", "build"])
            .arg(ground.join("2"))
            .arg("--out")
            .arg(ground.join("plain.refit")),
    )?;
    let (repository, keys) = (web.folder.join("refit"), ground.join("keys"));
    output(Command::new(&refit).args(["repo", "init"]).arg(&repository).arg("--keys").arg(&keys))?;
    let publish = timed(
        Command::new(&refit)
            .args(["repo", "publish"])
            .arg(&repository)
            .arg("--keys")
            .arg(&keys)
            .arg(&pack),
    )?;
    say(&format!("Refit: pack build {publisher:.1} s, repo publish {publish:.1} s more"));
    let (mut bytes, mut host) = (Vec::new(), Vec::new());
    for round in 0..HOST_ROUNDS {
        other(round)?;
        let state = ground.join(format!("host-{round}"));
        std::fs::create_dir(&state)?;
        let before = web.sent()?;
        host.push(timed(
            // This very program, also when somebody builds another in its place.
            Command::new("/proc/self/exe")
                .arg("delivery-host")
                .arg(format!("{}/refit", web.url))
                .arg(repository.join("metadata/1.root.json"))
                .arg(&pair.old)
                .arg(&state),
        )?);
        bytes.push(web.sent()? - before);
        same(&state.join("release"), &pair.new)?;
    }
    Ok(Cost {
        name: "Refit".to_owned(),
        bytes: median(&bytes),
        publisher: Some(publisher),
        delta: Some(publisher - plain),
        host: Some(median(&host)),
    })
}

/// A pack's folder around a tree.
pub(super) fn folder(folder: &Path, build: &str, from: &str, tree: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let manifest = format!(
        "format: refit.pack/1\nproduct: app\nfrom: [\"{from}\"]\nto: \"{build}\"\nkind: service-pack\ntitle: app {build}\n\
         readme: README.md\npayload: payload\nunit: {{ data: [data] }}\nrequirements: {{ os: [linux], case_sensitive: true }}\n\
         estimate: {{ p50_ms: 20000, p95_ms: 60000, undo_p95_ms: 60000 }}\n"
    );
    std::fs::write(folder.join("pack.yaml"), manifest)?;
    std::fs::write(folder.join("README.md"), "# app\n")?;
    // A pack's payload must be a folder of its own, not a link out of it.
    let payload = folder.join("payload");
    output(Command::new("cp").arg("-al").arg(tree).arg(&payload)).or_else(|_| {
        symlink(tree, &payload).map(|()| String::new()).context("failed to lay out the payload")
    })?;
    Ok(())
}
