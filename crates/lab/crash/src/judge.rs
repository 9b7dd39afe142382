//! The judge: it shares no code with the engine, and reads folders, databases and answers over HTTP.

use crate::{
    debs,
    host::{Host, PATIENCE},
    tree::{self, Tree},
    writer::ask,
};
use anyhow::{Result, bail};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What Refit keeps in the folder of a product that is exchanged in place.
const OWN: &str = ".refit";

impl Host {
    /// What is wrong with the host, which says that it ended on `build`; empty when it is whole and nothing is lost.
    pub(crate) fn judge(&self, build: &str, acknowledged: &[String]) -> Result<Vec<String>> {
        let mut wrong = vec![];
        wrong.extend(self.judge_service(build)?);
        wrong.extend(self.judge_tree(build)?);
        wrong.extend(self.judge_database(build, acknowledged)?);
        wrong.extend(self.judge_state(build)?);
        if self.kind.packages {
            wrong.extend(if build == self.kind.installed() {
                debs::judge_old(&self.system)?
            } else {
                debs::judge_new(build, &self.system)?
            });
        }
        Ok(wrong)
    }

    fn judge_service(&self, build: &str) -> Result<Vec<String>> {
        let ready = || {
            let answer = ask(self.spec.port(), "GET", "/health", "");
            Ok(answer.is_some_and(|(_, body)| {
                body.contains(&format!("\"build\":\"{build}\""))
                    && body.contains("\"mode\":\"open\"")
            }))
        };
        let mut wrong = vec![];
        if let Err(error) = self.wait("the service's answers", ready) {
            let answer = ask(self.spec.port(), "GET", "/health", "");
            wrong.push(format!("{error}: expected build {build}, open; found {answer:?}"));
        }
        let runs = refit_host::process::running_from(&self.spec.root(&self.folder))?;
        if runs.len() != 1 {
            wrong.push(format!("expected one process, found {runs:?}"));
        }
        Ok(wrong)
    }

    /// Releases byte for byte, the link, the data that is no database, and nothing else.
    fn judge_tree(&self, build: &str) -> Result<Vec<String>> {
        let found = tree::read(&self.spec.root(&self.folder))?;
        let (mut expected, mut wrong) = (Tree::new(), vec![]);
        let mut seen = found.clone();
        for (path, node) in &self.before {
            if !path.starts_with("data/ledger") {
                expected.insert(path.clone(), node.clone());
            }
        }
        let link = tree::What::Link(format!("releases/{build}"));
        match (expected.get_mut("current"), found.get("current")) {
            (Some(current), _) => current.what = link,
            // Before the first pack nothing says which build it is but the package itself.
            (None, Some(node)) if build != self.kind.installed() && node.what == link => {
                expected.insert("current".to_owned(), node.clone());
            }
            (None, _) => {}
        }
        seen.retain(|path, _| !path.starts_with("data/ledger"));
        for leg in self.kind.leads_to() {
            let prefix = format!("releases/{leg}");
            let of_leg = |path: &String| *path == prefix || path.starts_with(&format!("{prefix}/"));
            let release = tree::below(&found, &prefix);
            if !release.is_empty() || build == *leg {
                let payload = tree::read(&self.spec.packs().join(leg).join("payload"))?;
                wrong.extend(tree::differences(
                    &prefix,
                    &tree::timeless(&payload),
                    &tree::timeless(&release),
                ));
            }
            seen.retain(|path, _| !of_leg(path));
            expected.retain(|path, _| !of_leg(path));
        }
        if self.kind.packages {
            // The first release of such a product comes with its first pack.
            seen.remove("releases");
        }
        if let Some(place) = self.kind.place {
            wrong.extend(self.judge_place(build, place, &found)?);
            let inside = |path: &String| path.starts_with(&format!("{place}/"));
            expected.retain(|path, _| !inside(path));
            seen.retain(|path, _| !inside(path));
        }
        wrong.extend(tree::differences("product", &expected, &seen));
        let (settings, was) = (found.get("data/ledger.json"), self.before.get("data/ledger.json"));
        let installed = self.kind.installed();
        let migrated = [build, installed].contains(&"1200") && build != installed;
        if !migrated && settings != was {
            wrong.push(format!("data/ledger.json is {settings:?}, expected {was:?}"));
        }
        let known =
            ["data/ledger.json", "data/ledger.db", "data/ledger.db-wal", "data/ledger.db-shm"];
        let odd = found
            .keys()
            .filter(|path| path.starts_with("data/ledger") && !known.contains(&path.as_str()));
        wrong.extend(odd.map(|path| format!("product: {path} is too much")));
        Ok(wrong)
    }

    /// The folder that the product lives in: all of the build, byte for byte, what is the host's own, and nothing else.
    fn judge_place(&self, build: &str, place: &str, found: &Tree) -> Result<Vec<String>> {
        let (mut seen, mut before) = (tree::below(found, place), tree::below(&self.before, place));
        for side in [&mut seen, &mut before] {
            side.retain(|path, _| !Path::new(path).starts_with(OWN));
        }
        if build == self.kind.installed() {
            return Ok(tree::differences(place, &before, &seen));
        }
        let mut expected = tree::read(&self.spec.packs().join(build).join("payload"))?;
        let own = "share/of-this-host".to_owned();
        expected.extend(before.get(&own).map(|node| (own, node.clone())));
        let (expected, seen) = (tree::timeless(&expected), tree::timeless(&seen));
        Ok(tree::differences(place, &expected, &seen))
    }

    fn judge_database(&self, build: &str, acknowledged: &[String]) -> Result<Vec<String>> {
        let path = self.spec.root(&self.folder).join("data/ledger.db");
        let database = rusqlite::Connection::open(&path)?;
        database.busy_timeout(PATIENCE)?;
        let mut wrong = vec![];
        let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if verdict != "ok" {
            wrong.push(format!("the database is damaged: {verdict}"));
        }
        let schema: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let wanted = if build == "1200" { 2 } else { 1 };
        if schema != wanted {
            wrong.push(format!("the database has schema {schema}, expected {wanted}"));
        }
        let stored = entries(&database)?;
        let mut must = acknowledged.to_vec();
        if self.kind.returns() && build != self.kind.installed() {
            // What was written since the install is not in the product, and not thrown away.
            must.clone_from(&self.before_install);
            let mut kept = stored.clone();
            for aside in files_named("ledger.db", &self.spec.state(&self.folder).join("backups"))? {
                kept.extend(entries(&rusqlite::Connection::open(&aside)?)?);
            }
            let gone = acknowledged.iter().filter(|id| !kept.contains(*id)).count();
            if gone > 0 {
                wrong.push(format!("{gone} writes are neither stored nor kept beside the backup"));
            }
        }
        let lost: Vec<_> = must.iter().filter(|id| !stored.contains(*id)).collect();
        if !lost.is_empty() {
            wrong.push(format!(
                "{} of {} acknowledged writes are lost: {lost:?}",
                lost.len(),
                must.len()
            ));
        }
        if must.len() < 4 {
            bail!("only {} writes were acknowledged: nothing would be proven", must.len());
        }
        Ok(wrong)
    }

    /// Nothing half done in the agent's folder, no process of the order, and a build that was taken back is kept away.
    fn judge_state(&self, build: &str) -> Result<Vec<String>> {
        let state = self.spec.state(&self.folder);
        let found = tree::read(&state)?;
        let half = |path: &&String| {
            [".partial", ".new", ".refit-restore", ".scratch"].iter().any(|end| path.ends_with(end))
        };
        let mut wrong: Vec<String> =
            found.keys().filter(half).map(|path| format!("state: {path} is left over")).collect();
        for process in fs::read_dir("/proc")?.flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let mark = format!("REFIT_ORDER={}", state.display());
            if environment.split(|byte| *byte == 0).any(|word| word.starts_with(mark.as_bytes())) {
                wrong.push(format!("process {} of the order still runs", process.path().display()));
            }
        }
        let journal = rusqlite::Connection::open(state.join("journal.db"))?;
        let kept: i64 =
            journal.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
        // A removal that fails blames no build: the older one was not installed.
        let installs = self.kind.removal.is_none();
        let back = installs && self.kind.leads_to().last() != Some(&build);
        if (kept > 0) != back {
            wrong.push(format!("{kept} builds are in quarantine on a host that ended on {build}"));
        }
        Ok(wrong)
    }
}

fn entries(database: &rusqlite::Connection) -> Result<BTreeSet<String>> {
    let mut query = database.prepare("SELECT id FROM entries")?;
    let stored = query.query_map([], |row| row.get::<_, String>(0))?;
    Ok(stored.collect::<Result<_, _>>()?)
}

fn files_named(name: &str, top: &Path) -> Result<Vec<PathBuf>> {
    let inside = tree::read(top)?.into_keys().map(|path| top.join(path));
    Ok(inside.filter(|path| path.file_name().is_some_and(|found| found == name)).collect())
}
