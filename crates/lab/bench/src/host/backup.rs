//! Backups of the same product by Refit and by restic: the first, one after 1 % changed, and what comes back.
//!
//! Only ours are read back and compared within the time: that is what makes a backup count. Both sides wait for the same
//! `pg_dump`, so its own time is told too, and the second backup of the files alone. Ours lies sealed on the host then, which is what
//! an upgrade waits for; what keeping it in a repository of restic's format costs after that is a row of its own.

use super::{Product, done};
use crate::row::{Better, Row};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_backup::{DatabasePlace, Quiet, Sealed, UnitPlace, prove, take_verified};
use refit_names::{BuildId, Digest, HostName, ProductName, TreePath};
use refit_vault::{Target, Vault, VaultPlace};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The goal of issue 4, for the second backup.
const GOAL: f64 = 0.2;
/// One of so many files is changed.
const EVERY: usize = 100;
/// Second backups, of which the middle one counts.
const ROUNDS: usize = 3;
/// Of both repositories.
const PASSWORD: &str = "benchmark";
/// Files change for two seconds after they were written, for all that a file system can tell.
const CLOCK_TICK: Duration = Duration::from_millis(2_100);

/// Wall seconds of each. Both sides work on the very same files, in turns; what is quick has several rounds.
pub(super) fn run(dir: &Path, product: &Product) -> Result<Vec<Row>> {
    let ours = Ours::new(dir, product)?;
    let restic = Restic::new(dir, product)?;
    std::thread::sleep(CLOCK_TICK);
    let first =
        (seconds(|| save(&ours.store, "first", &ours.unit).map(drop))?, seconds(|| restic.save())?);
    ours.keep("first")?;
    save(&ours.store, "first", &ours.files)?;
    restic.save_files()?;
    let seconds = again(&ours, &restic, product)?;
    let sealed = Sealed::open(&ours.store, &ours.unit.product, &last())?;
    let scratch = dir.join("scratch");
    std::fs::create_dir_all(&scratch)?;
    let proof = self::seconds(|| Ok(prove(&sealed, &ours.unit, &scratch).map(drop)?))?;
    let restored = self::seconds(|| restic.restore(&dir.join("restored")))?;
    done(Command::new("diff").arg("-rq").arg(restic.found(dir)).arg(&product.files))
        .context("restic did not bring the same files back")?;
    let against = |peer, case, (ours, theirs): (&[f64], &[f64]), goal| {
        Row::compare(("host", case), Better::Less, (ours, theirs), peer, "s", goal)
    };
    let row = |case, both, goal| against("restic, and pg_dump to a file", case, both, goal);
    let Second { whole, files, dump, kept } = &seconds;
    let none = f64::INFINITY;
    Ok(vec![
        against("restic", "second backup of the files alone, 1 % changed", files.pair(), GOAL),
        against("pg_dump alone", "second backup, 1 % changed", (&whole.ours, dump), none),
        row("second backup, 1 % changed", whole.pair(), GOAL),
        row("pg_dump alone, of that", (dump, &whole.theirs), none),
        row("second backup, and kept in a repository", (kept, &whole.theirs), none),
        row("first backup", (&[first.0], &[first.1]), none),
        row("restore into scratch space", (&[proof], &[restored]), none),
    ])
}

/// Seconds of all rounds.
#[derive(Default)]
struct Both {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Both {
    fn pair(&self) -> (&[f64], &[f64]) {
        (&self.ours, &self.theirs)
    }
}

/// Seconds of what was measured in each round.
#[derive(Default)]
struct Second {
    whole: Both,
    files: Both,
    dump: Vec<f64>,
    kept: Vec<f64>,
}

/// Changes a little and saves it, again and again.
fn again(ours: &Ours, restic: &Restic<'_>, product: &Product) -> Result<Second> {
    let mut found = Second::default();
    for round in 0..ROUNDS {
        let id = format!("again-{round}");
        change(&product.files, round)?;
        done(Command::new("psql").args(["-q", "-d", &product.url, "-c", UPDATE]))?;
        std::thread::sleep(CLOCK_TICK);
        let saved = seconds(|| save(&ours.store, &id, &ours.unit).map(drop))?;
        found.whole.ours.push(saved);
        found.whole.theirs.push(seconds(|| restic.save())?);
        found.kept.push(saved + seconds(|| ours.keep(&id))?);
        found.files.ours.push(seconds(|| save(&ours.store, &id, &ours.files).map(drop))?);
        found.files.theirs.push(seconds(|| restic.save_files())?);
        found.dump.push(seconds(|| restic.dump())?);
    }
    Ok(found)
}

fn last() -> String {
    format!("again-{}", ROUNDS - 1)
}

/// Nothing that is still being written to disk from before counts.
fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    rustix::fs::sync();
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64())
}

fn save(store: &Path, id: &str, unit: &UnitPlace) -> Result<Sealed> {
    Ok(take_verified(store, id, unit, Timestamp::now())?)
}

/// Backups on the host, and a repository for them.
struct Ours {
    store: PathBuf,
    unit: UnitPlace,
    files: UnitPlace,
    vault: VaultPlace,
}

impl Ours {
    fn new(dir: &Path, product: &Product) -> Result<Self> {
        let unit = unit(dir, product)?;
        let files = UnitPlace {
            product: ProductName::parse("files")?,
            databases: BTreeMap::new(),
            ..unit.clone()
        };
        let target = Target::Folder(dir.join("vault"));
        let vault = VaultPlace { target, password: PASSWORD.to_owned() };
        Vault::create(&vault)?;
        Ok(Self { store: dir.join("store"), unit, files, vault })
    }

    /// As a person's call does it: the password is worked on each time, as restic does.
    fn keep(&self, id: &str) -> Result<()> {
        let sealed = Sealed::open(&self.store, &self.unit.product, id)?;
        let vault = Vault::open(&self.vault)?;
        Ok(vault.keep(&HostName::parse("bench")?, &sealed).map(drop)?)
    }
}

/// Two rows of a hundred.
const UPDATE: &str = "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid % 50 = 0";

fn unit(dir: &Path, product: &Product) -> Result<UnitPlace> {
    let folder = product.files.file_name().and_then(|name| name.to_str());
    let main = ("main".to_owned(), DatabasePlace::Postgres(product.url.clone()));
    Ok(UnitPlace {
        product: ProductName::parse("ledger")?,
        build: BuildId::parse("1200")?,
        release: Digest::of(b"release"),
        root: dir.to_owned(),
        data: vec![TreePath::parse(folder.context("no folder")?)?],
        databases: BTreeMap::from([main]),
        product_is: Quiet::Stopped,
        run_as: None,
        environment: BTreeMap::new(),
        limit: Duration::from_secs(600),
        meter: refit_backup::Meter::default(),
    })
}

/// A few bytes in the middle of every hundredth file, others in each round.
fn change(files: &Path, round: usize) -> Result<()> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(files)? {
        for file in std::fs::read_dir(folder?.path())? {
            all.push(file?.path());
        }
    }
    all.sort();
    for path in all.iter().skip(round).step_by(EVERY) {
        let file = std::fs::File::options().write(true).open(path)?;
        file.write_all_at(b"changed in the benchmark", 4_096)?;
    }
    Ok(())
}

/// As its documentation says it: a dump to a file, and the file with the folder.
struct Restic<'a> {
    repository: PathBuf,
    dump: PathBuf,
    product: &'a Product,
}

impl<'a> Restic<'a> {
    fn new(dir: &Path, product: &'a Product) -> Result<Self> {
        let new = Self { repository: dir.join("restic"), dump: dir.join("main.dump"), product };
        done(new.command().arg("init"))?;
        Ok(new)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("restic");
        command.env("RESTIC_PASSWORD", PASSWORD).arg("--repo").arg(&self.repository);
        command.env("RESTIC_CACHE_DIR", self.repository.with_extension("cache")).arg("--quiet");
        command
    }

    fn dump(&self) -> Result<()> {
        let mut dump = Command::new("pg_dump");
        // Without compression, or every dump would be new to the repository from its first change on.
        dump.args(["--format=custom", "--compress=0", "--file"]).arg(&self.dump);
        done(dump.arg(&self.product.url)).map(drop)
    }

    fn save_files(&self) -> Result<()> {
        done(self.command().arg("backup").arg(&self.product.files)).map(drop)
    }

    fn save(&self) -> Result<()> {
        self.dump()?;
        done(self.command().arg("backup").arg(&self.product.files).arg(&self.dump)).map(drop)
    }

    fn restore(&self, to: &Path) -> Result<()> {
        done(
            self.command()
                .args(["restore", "latest", "--path"])
                .arg(&self.dump)
                .arg("--target")
                .arg(to),
        )?;
        // Ours is restored into a database too.
        let scratch = "refit_bench_scratch";
        let at = self.product.url.rsplit_once('/').context("no database in the URL")?.0;
        done(
            Command::new("psql")
                .args(["-q", "-d", &self.product.url, "-c"])
                .arg(format!("CREATE DATABASE {scratch}")),
        )?;
        let mut bring = Command::new("pg_restore");
        bring
            .args(["--single-transaction", "--dbname", &format!("{at}/{scratch}")])
            .arg(&self.dump);
        done(&mut bring)?;
        done(
            Command::new("psql")
                .args(["-q", "-d", &self.product.url, "-c"])
                .arg(format!("DROP DATABASE {scratch}")),
        )
        .map(drop)
    }

    /// Where the files came back: restic keeps whole paths.
    fn found(&self, dir: &Path) -> PathBuf {
        let inside = self.product.files.strip_prefix("/").unwrap_or(&self.product.files);
        dir.join("restored").join(inside)
    }
}
