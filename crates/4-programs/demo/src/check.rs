//! The demo's own check: it asks the hosts' files and databases, not the server.

use crate::{
    DemoReport, HostOutcome, HostReport,
    clients::{Written, entry, id},
    content::{BUILDS, Releases, schema_of},
    hosts::Host,
    proof::Certificate,
};
use refit_names::{BuildId, HostName};
use refit_protocol::v1::{RolloutHostView, RolloutView};
use refit_rollout::HostState;
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Compares everything with what was promised.
pub(crate) fn check(
    releases: &Releases,
    hosts: &[Host],
    written: &BTreeMap<HostName, Written>,
    view: &RolloutView,
    certificates: &BTreeMap<HostName, Certificate>,
) -> DemoReport {
    let mut problems = Vec::new();
    let mut reports = Vec::new();
    for (number, wave) in (1..).zip(&view.waves) {
        for seen in &wave.hosts {
            let Some(host) = hosts.iter().find(|host| host.spec.name == seen.host) else {
                problems.push(format!("{} is in the rollout and was never asked for", seen.host));
                continue;
            };
            let told = written.get(&seen.host).cloned().unwrap_or_default();
            let certificate = certificates.get(&seen.host);
            let mut found = Found { problems: Vec::new() };
            reports.push(found.host(number, releases, host, seen, &told, certificate));
            problems.extend(
                found.problems.into_iter().map(|problem| format!("{}: {problem}", seen.host)),
            );
        }
    }
    if reports.len() != hosts.len() {
        problems.push(format!(
            "{} hosts are in the rollout, expected {}",
            reports.len(),
            hosts.len()
        ));
    }
    DemoReport {
        lost_writes: reports.iter().map(|report| report.lost_writes).sum(),
        hosts: reports,
        duration_ms: 0,
        certificates_dir: PathBuf::new(),
        console_url: String::new(),
        problems,
    }
}

/// What is wrong with one host.
struct Found {
    problems: Vec<String>,
}

impl Found {
    fn host(
        &mut self,
        wave: u32,
        releases: &Releases,
        host: &Host,
        seen: &RolloutHostView,
        told: &Written,
        certificate: Option<&Certificate>,
    ) -> HostReport {
        let (outcome, build_after) = self.outcome(host, seen);
        self.files(releases, host, &build_after);
        let lost = self.writes(host, told, &build_after);
        if told.acknowledged == 0 {
            self.problems.push("not one write was acknowledged".to_owned());
        }
        self.problems.extend(
            told.refused.iter().map(|text| format!("a write was refused for good: {text}")),
        );
        match certificate {
            None => self.problems.push("it has no certificate".to_owned()),
            Some(Certificate { flaw: Some(flaw), .. }) => {
                self.problems.push(format!("its certificate does not hold: {flaw}"));
            }
            Some(_) => {}
        }
        let evidence = seen.evidence.as_ref();
        let first = || seen.path.first().cloned().unwrap_or_else(|| build_after.clone());
        HostReport {
            name: host.spec.name.clone(),
            wave,
            risk: seen.risk,
            outcome,
            build_before: evidence.map_or_else(first, |evidence| evidence.build_before.clone()),
            downtime_ms: u64::try_from(told.longest_gap.as_millis()).unwrap_or(u64::MAX),
            bytes_fetched: evidence.map_or(0, |evidence| evidence.prepare.bytes_fetched.0),
            bytes_full: evidence.map_or(0, |evidence| evidence.prepare.bytes_full.0),
            acknowledged_writes: told.acknowledged,
            lost_writes: lost,
            certificate: certificate
                .map(|certificate| certificate.json.clone())
                .unwrap_or_default(),
            build_after,
        }
    }

    /// How it ended, compared with how it had to.
    fn outcome(&mut self, host: &Host, seen: &RolloutHostView) -> (HostOutcome, BuildId) {
        let (outcome, build) = match &seen.state {
            HostState::Succeeded { build } => (HostOutcome::Succeeded, build.clone()),
            HostState::RolledBack { build, .. } => (HostOutcome::RolledBack, build.clone()),
            other => {
                self.problems.push(format!("it did not end: {other:?}"));
                (HostOutcome::Unfinished, installed(host).unwrap_or_else(|| seen.path[0].clone()))
            }
        };
        let expected =
            if host.spec.is_bad { HostOutcome::RolledBack } else { HostOutcome::Succeeded };
        if outcome != expected && outcome != HostOutcome::Unfinished {
            self.problems
                .push(format!("it ended as {outcome:?}, expected {expected:?}: {:?}", seen.state));
        }
        (outcome, build)
    }

    /// The tree behind `current` is exactly the release of one build, and the database has the schema of the same one.
    fn files(&mut self, releases: &Releases, host: &Host, build: &BuildId) {
        let found = installed(host);
        if found.as_ref() != Some(build) {
            let found = found.map_or("nothing".to_owned(), |found| found.to_string());
            self.problems
                .push(format!("`current` leads to {found}, it was reported to be build {build}"));
        }
        let Some(index) = BUILDS.iter().position(|known| *known == build.as_str()) else {
            self.problems.push(format!("build {build} is none of {BUILDS:?}"));
            return;
        };
        match same_trees(&releases.trees[index], &host.root.join("current")) {
            Ok(()) => {}
            Err(difference) => self
                .problems
                .push(format!("its files are not those of build {build}: {difference}")),
        }
        let schema = schema_of(build.as_str().as_bytes());
        let settings = fs::read(host.root.join("data/ledger.json")).ok();
        let settings: Option<serde_json::Value> =
            settings.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let said = settings.as_ref().and_then(|settings| settings["schema"].as_u64());
        if said != Some(u64::from(schema)) {
            self.problems
                .push(format!("its settings are for schema {said:?}, build {build} has {schema}"));
        }
        if host.root.join("traffic.closed").exists() {
            self.problems.push("it still refuses writes".to_owned());
        }
    }

    /// Counts acknowledged entries that are not there as they were sent.
    fn writes(&mut self, host: &Host, told: &Written, build: &BuildId) -> u64 {
        match read_entries(&host.root.join("data/ledger.db"), schema_of(build.as_str().as_bytes()))
        {
            Ok(found) => {
                let lost: Vec<String> = (1..=told.acknowledged)
                    .map(|number| (id(&host.spec.name, number), entry(number)))
                    .filter(|(id, (account, amount))| {
                        found.get(id).is_none_or(|(is_account, is_amount)| {
                            is_account != account || is_amount != amount
                        })
                    })
                    .map(|(id, _)| id)
                    .collect();
                if !lost.is_empty() {
                    let shown =
                        lost.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
                    self.problems
                        .push(format!("{} acknowledged writes are lost: {shown}", lost.len()));
                }
                if host.spec.is_bad
                    && found
                        .values()
                        .filter(|(account, _)| account.ends_with("arbour fees"))
                        .count()
                        != 2
                {
                    self.problems.push("its old entries are not all there".to_owned());
                }
                lost.len() as u64
            }
            Err(error) => {
                self.problems.push(format!("its database cannot be read: {error}"));
                told.acknowledged
            }
        }
    }
}

/// The build that `current` leads to.
fn installed(host: &Host) -> Option<BuildId> {
    let target = fs::read_link(host.root.join("current")).ok()?;
    BuildId::parse(target.file_name()?.to_str()?).ok()
}

type Entries = BTreeMap<String, (String, i64)>;

fn read_entries(database: &Path, schema: u32) -> Result<Entries, String> {
    let read = || -> rusqlite::Result<(u32, String, Entries)> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let whole = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let mut query = connection.prepare("SELECT id, account, amount FROM entries")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok((found, whole, rows.collect::<Result<_, _>>()?))
    };
    match read() {
        Ok((found, _, _)) if found != schema => {
            Err(format!("it has schema {found}, expected {schema}"))
        }
        Ok((_, whole, _)) if whole != "ok" => Err(format!("integrity check says: {whole}")),
        Ok((_, _, entries)) => Ok(entries),
        Err(error) => Err(error.to_string()),
    }
}

/// Says the first difference in names or bytes.
fn same_trees(expected: &Path, found: &Path) -> Result<(), String> {
    let names = |folder: &Path| -> Result<BTreeSet<PathBuf>, String> {
        let entries =
            fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        entries
            .map(|entry| {
                entry.map(|entry| entry.file_name().into()).map_err(|error| error.to_string())
            })
            .collect()
    };
    let (wanted, there) = (names(expected)?, names(found)?);
    if let Some(odd) = wanted.symmetric_difference(&there).next() {
        return Err(format!("{} is in only one of them", found.join(odd).display()));
    }
    for name in wanted {
        let (wanted, there) = (expected.join(&name), found.join(&name));
        if wanted.is_dir() {
            same_trees(&wanted, &there)?;
        } else if fs::read(&wanted).ok() != fs::read(&there).ok() {
            return Err(format!("{} differs", there.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_missing_and_extra_files_are_differences() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        for tree in [&a, &b] {
            fs::create_dir_all(tree.join("bin")).unwrap();
            fs::write(tree.join("bin/ledger"), "program").unwrap();
        }
        assert_eq!(same_trees(&a, &b), Ok(()));
        fs::write(b.join("bin/ledger"), "changed").unwrap();
        assert!(same_trees(&a, &b).unwrap_err().contains("differs"));
        fs::write(b.join("bin/ledger"), "program").unwrap();
        fs::write(b.join("extra"), "").unwrap();
        assert!(same_trees(&a, &b).unwrap_err().contains("extra"));
    }

    #[test]
    fn entry_that_is_not_as_it_was_sent_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        let database = Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE entries (id TEXT, account TEXT, amount INTEGER); PRAGMA user_version = 1;").unwrap();
        let host = HostName::parse("north-01").unwrap();
        for number in [1, 3] {
            let (account, amount) = entry(number);
            let amount = if number == 3 { amount + 1 } else { amount };
            database
                .execute(
                    "INSERT INTO entries VALUES (?1, ?2, ?3)",
                    (id(&host, number), account, amount),
                )
                .unwrap();
        }
        let spec = crate::hosts::specs(1, crate::Failure::None).unwrap().remove(0);
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::rename(&path, dir.path().join("data/ledger.db")).unwrap();
        let host = Host { spec, port: 1, root: dir.path().to_owned() };
        let mut found = Found { problems: Vec::new() };
        let told = Written { acknowledged: 3, ..Written::default() };
        assert_eq!(found.writes(&host, &told, &BuildId::parse("1000").unwrap()), 2);
        assert_eq!(
            found.problems,
            ["2 acknowledged writes are lost: north-01-000002, north-01-000003"]
        );
    }
}
