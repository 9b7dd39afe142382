//! Backups of the same product by Refit and by restic: the first, one after 1 % changed, and what comes back.
//!
//! Only ours are read back and compared within the time: that is what makes a backup count. Both sides wait for the same
//! `pg_dump`, so its own time is told too, and the second backup of the files alone.

use super::{Product, done};
use crate::row::{Better, Row};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_backup::{DatabasePlace, Depth, Quiet, UnitPlace, prove, take, verify};
use refit_names::{BuildId, Digest, ProductName, TreePath};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The goal of issue 4, for the second backup.
const GOAL: f64 = 0.2;
/// Of 100 files, this one is changed.
const EVERY: usize = 100;
/// Files change for two seconds after they were written, for all that a file system can tell.
const CLOCK_TICK: Duration = Duration::from_millis(2_100);

/// Wall seconds of each, one round: both sides work on the very same files.
pub(super) fn run(dir: &Path, product: &Product) -> Result<Vec<Row>> {
    let (store, scratch) = (dir.join("store"), dir.join("scratch"));
    let unit = unit(dir, product)?;
    let restic = Restic::new(dir, product)?;
    std::thread::sleep(CLOCK_TICK);
    let seconds = |work: &mut dyn FnMut() -> Result<()>| -> Result<f64> {
        rustix::fs::sync();
        let begun = Instant::now();
        work()?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let save = |id: &str| -> Result<()> {
        let sealed = take(&store, id, &unit, Timestamp::now())?;
        Ok(verify(&sealed, Depth::Fresh, unit.limit).map(drop)?)
    };
    let first = (seconds(&mut || save("first"))?, seconds(&mut || restic.save())?);
    let alone = UnitPlace {
        product: ProductName::parse("files")?,
        databases: BTreeMap::new(),
        ..unit.clone()
    };
    let save_files = |id: &str| -> Result<()> {
        let sealed = take(&store, id, &alone, Timestamp::now())?;
        Ok(verify(&sealed, Depth::Fresh, alone.limit).map(drop)?)
    };
    save_files("first")?;
    restic.save_files()?;
    change(&product.files)?;
    done(Command::new("psql").args(["-q", "-d", &product.url, "-c", UPDATE]))?;
    std::thread::sleep(CLOCK_TICK);
    let second = (seconds(&mut || save("second"))?, seconds(&mut || restic.save())?);
    let files = (seconds(&mut || save_files("second"))?, seconds(&mut || restic.save_files())?);
    let dump = (second.0, seconds(&mut || restic.dump())?);
    let sealed = refit_backup::Sealed::open(&store, &unit.product, "second")?;
    std::fs::create_dir_all(&scratch)?;
    let ours = seconds(&mut || Ok(prove(&sealed, &unit, &scratch).map(drop)?))?;
    let theirs = seconds(&mut || restic.restore(&dir.join("restored")))?;
    done(Command::new("diff").arg("-rq").arg(restic.found(dir)).arg(&product.files))
        .context("restic did not bring the same files back")?;
    let against = |peer, case, (ours, theirs): (f64, f64), goal| {
        Row::compare(("host", case), Better::Less, (&[ours], &[theirs]), peer, "s", goal)
    };
    let row = |case, both, goal| against("restic, and pg_dump to a file", case, both, goal);
    Ok(vec![
        against("restic", "second backup of the files alone, 1 % changed", files, GOAL),
        against("pg_dump alone", "second backup, 1 % changed", dump, f64::INFINITY),
        row("second backup, 1 % changed", second, GOAL),
        row("first backup", first, f64::INFINITY),
        row("restore into scratch space", (ours, theirs), f64::INFINITY),
    ])
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

/// A few bytes in the middle of every hundredth file.
fn change(files: &Path) -> Result<()> {
    let mut all = Vec::new();
    for folder in std::fs::read_dir(files)? {
        for file in std::fs::read_dir(folder?.path())? {
            all.push(file?.path());
        }
    }
    all.sort();
    for path in all.iter().step_by(EVERY) {
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
        command.env("RESTIC_PASSWORD", "benchmark").arg("--repo").arg(&self.repository);
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
