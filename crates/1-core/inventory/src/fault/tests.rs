//! Faults of very large files.

use super::COMPARED_MAX;
use crate::{Fleet, HostRecord};
use refit_names::{HostName, RoleName, SiteName};
use std::collections::BTreeSet;

fn host(name: &str) -> HostRecord {
    HostRecord::new(
        HostName::parse(name).unwrap(),
        SiteName::parse("north").unwrap(),
        RoleName::parse("web").unwrap(),
    )
}

#[test]
fn every_unknown_name_of_a_large_file_is_told_and_names_are_guessed_for_as_many_as_time_allows() {
    let hosts = 1_000;
    assert!(hosts * hosts > COMPARED_MAX, "enough for the limit");
    let mut fleet = Fleet::default();
    for number in 0..hosts {
        let mut record = host(&format!("web-{number}"));
        record.after.insert(HostName::parse(format!("wbe-{number}")).unwrap());
        fleet.put_host(record);
    }

    let faults = fleet.faults(&BTreeSet::new());

    assert_eq!(faults.len(), hosts);
    assert!(faults.iter().all(|fault| fault.text.contains("` is not known")), "{faults:?}");
    let guessed = faults.iter().filter(|fault| fault.text.contains("did you mean")).count();
    assert_eq!(guessed, COMPARED_MAX / hosts);
    assert_eq!(faults[0].text, "host `wbe-0` is not known; did you mean `web-0`?");
}
