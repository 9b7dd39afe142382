//! What others use. Each function makes what is sent, applies it, compares the outcome and says what it cost.

use super::{Cost, length, output, same, shell, timed, trees::Pair, web::Web};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

type Peer = fn(&Pair, &Path, &Web) -> Result<Vec<Cost>>;

/// All peers of the issue.
pub(super) const ALL: &[Peer] = &[
    full_zstd,
    |pair, dir, _| zstd_patch(pair, dir, "-3"),
    |pair, dir, _| zstd_patch(pair, dir, "-12"),
    xdelta3,
    |pair, dir, _| rsync(pair, dir, &[]),
    |pair, dir, _| rsync(pair, dir, &["-z", "--compress-choice=zstd"]),
    zsync,
    casync,
    ostree,
];

fn full_zstd(pair: &Pair, dir: &Path, _: &Web) -> Result<Vec<Cost>> {
    let (file, tar) = (dir.join("full.zst"), dir.join("made.tar"));
    let publisher = timed(&mut shell("zstd -3 -q -f \"$1\" -o \"$2\"", &[&pair.new_tar, &file]))?;
    let host = timed(&mut shell("zstd -d -q -f \"$1\" -o \"$2\"", &[&file, &tar]))?;
    let cost = cost("full, zstd -3", length(&file)?, publisher, host);
    compare(pair, &tar)?;
    std::fs::remove_file(file)?;
    Ok(vec![cost])
}

fn zstd_patch(pair: &Pair, dir: &Path, level: &str) -> Result<Vec<Cost>> {
    let (file, tar) = (dir.join("patch.zst"), dir.join("made.tar"));
    let line = format!("zstd {level} -q -f --long=30 --patch-from=\"$1\" \"$2\" -o \"$3\"");
    let publisher = timed(&mut shell(&line, &[&pair.old_tar, &pair.new_tar, &file]))?;
    let line = "zstd -d -q -f --long=30 --patch-from=\"$1\" \"$2\" -o \"$3\"";
    let host = timed(&mut shell(line, &[&pair.old_tar, &file, &tar]))?;
    compare(pair, &tar)?;
    Ok(vec![cost(&format!("zstd {level} --patch-from"), length(&file)?, publisher, host)])
}

/// How the costs of xdelta3 are called: from archive to archive, and with what the archives cost a host that has and wants a tree.
pub(super) const XDELTA3: [&str; 2] =
    ["xdelta3 -9 -S djw, archive to archive", "xdelta3 -9 -S djw, tree to tree"];

fn xdelta3(pair: &Pair, dir: &Path, _: &Web) -> Result<Vec<Cost>> {
    let file = dir.join("x.vcdiff");
    let line = "xdelta3 -e -f -9 -S djw -B 536870912 -s \"$1\" \"$2\" \"$3\"";
    let publisher = timed(&mut shell(line, &[&pair.old_tar, &pair.new_tar, &file]))?;
    let host = xdelta3_host(pair, dir, "first")?;
    let bytes = length(&file)?;
    let costs = XDELTA3.into_iter().zip(host);
    Ok(costs.map(|(name, host)| cost(name, bytes, publisher, host)).collect())
}

/// Applies the delta that was made; the unpacked tree stays, because removing many files makes the next ones dearer for a while.
pub(super) fn xdelta3_host(pair: &Pair, dir: &Path, round: &str) -> Result<[f64; 2]> {
    let (file, tar) = (dir.join("x.vcdiff"), dir.join("made.tar"));
    let line = "xdelta3 -d -f -B 536870912 -s \"$1\" \"$2\" \"$3\"";
    let host = timed(&mut shell(line, &[&pair.old_tar, &file, &tar]))?;
    let unpacked = dir.join(format!("unpacked-{round}"));
    std::fs::create_dir(&unpacked)?;
    // Its source must be a file that can be sought in; and what goes to /dev/null tar does not even read.
    let source = dir.join("source.tar");
    let line = "tar --sort=name -cf \"$1\" -C \"$2\" .";
    let around = timed(&mut shell(line, &[&source, &pair.old]))?
        + timed(&mut shell("tar -xf \"$1\" -C \"$2\"", &[&tar, &unpacked]))?;
    std::fs::remove_file(source)?;
    same(&unpacked, &pair.new)?;
    compare(pair, &tar)?;
    Ok([host, host + around])
}

fn rsync(pair: &Pair, dir: &Path, more: &[&str]) -> Result<Vec<Cost>> {
    let made = dir.join("rsync");
    output(Command::new("cp").arg("-a").arg(&pair.old).arg(&made))?;
    let before = crate::child::children_cpu()?;
    let said = output(
        Command::new("rsync")
            .args([
                "-a",
                "--no-whole-file",
                "--delete",
                "--checksum",
                "--stats",
                "--no-human-readable",
            ])
            .args(more)
            .arg(format!("{}/", pair.new.display()))
            .arg(format!("{}/", made.display())),
    )?;
    let both_ends = crate::child::children_cpu()? - before;
    let bytes: f64 = said
        .lines()
        .filter(|line| {
            line.starts_with("Total bytes sent") || line.starts_with("Total bytes received")
        })
        .filter_map(|line| line.rsplit(' ').next()?.replace(',', "").parse::<f64>().ok())
        .sum();
    same(&made, &pair.new)?;
    std::fs::remove_dir_all(made)?;
    let name = ["rsync", &more.join(" ")].join(" ");
    Ok(vec![Cost {
        name: name.trim().to_owned(),
        bytes,
        publisher: None,
        delta: None,
        host: Some(both_ends),
    }])
}

fn zsync(pair: &Pair, dir: &Path, web: &Web) -> Result<Vec<Cost>> {
    let (served, made) = (web.folder.join("new.tar"), dir.join("zsync.tar"));
    std::fs::hard_link(&pair.new_tar, &served)?;
    let publisher = timed(
        Command::new("zsyncmake").args(["-o", "new.tar.zsync", "new.tar"]).current_dir(&web.folder),
    )?;
    let before = web.sent()?;
    let url = format!("{}/new.tar.zsync", web.url);
    let host = timed(
        Command::new("zsync")
            .arg("-q")
            .arg("-i")
            .arg(&pair.old_tar)
            .arg("-o")
            .arg(&made)
            .arg(url)
            .current_dir(dir),
    )?;
    let bytes = web.sent()? - before;
    output(Command::new("cmp").arg(&made).arg(&pair.new_tar))?;
    std::fs::remove_file(made)?;
    std::fs::remove_file(served)?;
    Ok(vec![cost("zsync", bytes, publisher, host)])
}

fn casync(pair: &Pair, dir: &Path, web: &Web) -> Result<Vec<Cost>> {
    let (store, made) = (web.folder.join("store"), dir.join("casync"));
    let index = web.folder.join("new.caidx");
    let publisher = timed(
        Command::new("casync")
            .args(["make", "--without=all"])
            .arg("--store")
            .arg(&store)
            .arg(&index)
            .arg(&pair.new),
    )?;
    let before = web.sent()?;
    let host = timed(
        Command::new("casync")
            .args(["extract", "--without=all", "--seed"])
            .arg(&pair.old)
            .arg(format!("--store={}/store", web.url))
            .arg(format!("{}/new.caidx", web.url))
            .arg(&made),
    )?;
    let bytes = web.sent()? - before;
    same(&made, &pair.new)?;
    for folder in [store, made] {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(vec![cost("casync", bytes, publisher, host)])
}

fn ostree(pair: &Pair, dir: &Path, _: &Web) -> Result<Vec<Cost>> {
    let (source, target) = (dir.join("ostree"), dir.join("ostree-host"));
    let (delta, made) = (dir.join("ostree.delta"), dir.join("ostree-made"));
    // What can be served: like a pack, it has the whole release compressed.
    let line = "ostree --repo=\"$1\" init --mode=archive
        ostree --repo=\"$1\" commit -b app --timestamp=@1 --canonical-permissions \"$2\" >\"$1/old\"";
    std::fs::create_dir(&source)?;
    output(&mut shell(line, &[&source, &pair.old]))?;
    let line = "ostree --repo=\"$1\" commit -b app --timestamp=@2 --canonical-permissions \"$2\" >\"$1/new\"";
    let commit = timed(&mut shell(line, &[&source, &pair.new]))?;
    let line = "ostree --repo=\"$1\" static-delta generate --max-bsdiff-size=64 --inline --min-fallback-size=0 \\
        --from=\"$(cat \"$1/old\")\" --to=\"$(cat \"$1/new\")\" --filename=\"$2\" >/dev/null";
    let generate = timed(&mut shell(line, &[&source, &delta]))?;
    // The host has the old release as a commit of its own.
    let line = "ostree --repo=\"$1\" init --mode=bare-user-only
        ostree --repo=\"$1\" pull-local \"$2\" \"$(cat \"$2/old\")\" >/dev/null";
    std::fs::create_dir(&target)?;
    output(&mut shell(line, &[&target, &source]))?;
    let line = "ostree --repo=\"$1\" static-delta apply-offline \"$2\"
        ostree --repo=\"$1\" checkout -U \"$(cat \"$3/new\")\" \"$4\"";
    let host = timed(&mut shell(line, &[&target, &delta, &source, &made]))?;
    same(&made, &pair.new)?;
    let cost = Cost {
        name: "ostree static-delta --max-bsdiff-size=64".to_owned(),
        bytes: length(&delta)?,
        publisher: Some(commit + generate),
        delta: Some(generate),
        host: Some(host),
    };
    for folder in [source, target, made] {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(vec![cost])
}

fn cost(name: &str, bytes: f64, publisher: f64, host: f64) -> Cost {
    Cost { name: name.to_owned(), bytes, publisher: Some(publisher), delta: None, host: Some(host) }
}

/// Archives were made the same way: the same archive is the same tree.
fn compare(pair: &Pair, tar: &Path) -> Result<()> {
    output(Command::new("cmp").arg(tar).arg(&pair.new_tar)).context("another archive was made")?;
    Ok(std::fs::remove_file(tar)?)
}
