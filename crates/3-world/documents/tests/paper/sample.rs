//! A plan of the second seed's shape: about 180 servers, three kinds of time, five engineers.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use refit_documents::paper::{
    EngineerNote, HostNote, KnownTrouble, PackNote, PaperInput, RiskLine, RollbackNote,
    RunbookNote, Standing,
};
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, Percent, PersonName, TargetName, TimeClass,
};
use refit_plan::{
    Advance, Excluded, Leg, Opening, PLAN_FORMAT, PackPin, Plan, PlannedHost, PlannedWave,
    RiskPoint, Slot,
};
use std::collections::BTreeMap;

const MINUTE: u64 = 60_000;

fn person(number: usize) -> PersonName {
    format!("engineer-{number}").parse().unwrap()
}

fn pack(to: &str) -> PackPin {
    PackPin {
        to: BuildId::parse(to).unwrap(),
        record: TargetName::parse(format!("packs/windows-{to}.json")).unwrap(),
        digest: Digest::of(to.as_bytes()),
        size: ByteSize(372 << 20),
    }
}

fn leg(from: &str, to: &str) -> Leg {
    Leg { from: BuildId::parse(from).unwrap(), pack: pack(to), way: Default::default() }
}

const ROLES: [&str; 5] = ["file-print", "domain-controller", "firewall", "cluster-node", "app"];
const SITES: [&str; 3] = ["dublin", "cork", "galway"];

fn host(number: usize) -> PlannedHost {
    let (role, site) = (ROLES[number % 5], SITES[number % 3]);
    let risk = u32::try_from(number * 85 / 180).unwrap();
    let legs = if number.is_multiple_of(9) {
        vec![leg("sp1", "sp2")]
    } else {
        vec![leg("sp0", "sp1"), leg("sp1", "sp2")]
    };
    PlannedHost {
        host: HostName::parse(format!("srv-{role}-{number:03}.{site}.example.net")).unwrap(),
        site: site.parse().unwrap(),
        role: role.parse().unwrap(),
        risk,
        because: format!("risk {risk}, place {} of 180", number + 1),
        legs,
        parameters: BTreeMap::new(),
        p50_ms: 25 * MINUTE,
        p95_ms: 45 * MINUTE,
        undo_p95_ms: 30 * MINUTE,
        validation_ms: 15 * MINUTE,
        estimated_from: String::new(),
        reasons: reasons(risk, role),
        slot: None,
    }
}

fn reasons(risk: u32, role: &str) -> Vec<RiskPoint> {
    let point = |code: &str, points, text: String, mitigation: &str| RiskPoint {
        code: code.to_owned(),
        points,
        text,
        mitigation: mitigation.to_owned(),
    };
    let mut reasons = vec![point(
        "role",
        risk / 2,
        format!("role {role}"),
        "rehearse the runbook on a spare server",
    )];
    if risk > 30 {
        let text = format!("last reboot {risk} days ago");
        reasons.push(point(
            "last-reboot",
            risk / 4,
            text,
            "reboot it before the change and watch its logs",
        ));
    }
    if risk > 60 {
        let text = "backup is 9 days old".to_owned();
        reasons.push(point(
            "backup-age",
            risk / 4,
            text,
            "take and verify a backup the evening before",
        ));
    }
    reasons
}

/// Slots of a wave from `opens` on: so many hosts at once, one person each, the next night when a window is full.
fn place(
    hosts: &mut [PlannedHost],
    opens: Timestamp,
    class: TimeClass,
    at_once: usize,
    hours: i64,
) {
    let per_window = usize::try_from(hours).unwrap() - 1;
    for (place, host) in hosts.iter_mut().enumerate() {
        let round = place / at_once;
        let (night, hour) = (round / per_window, round % per_window);
        let opens = opens + SignedDuration::from_hours(24 * i64::try_from(night).unwrap());
        host.slot = Some(Slot {
            opening: Opening {
                window: class.to_string().parse().unwrap(),
                opens_at: opens,
                closes_at: opens + SignedDuration::from_hours(hours),
            },
            starts_at: opens + SignedDuration::from_hours(i64::try_from(hour).unwrap()),
            class,
            people: [person(place % at_once % 5 + 1)].into(),
        });
    }
}

fn wave(number: usize, mut hosts: Vec<PlannedHost>, opens: &str, class: TimeClass) -> PlannedWave {
    place(
        &mut hosts,
        opens.parse().unwrap(),
        class,
        5,
        if class == TimeClass::Weekend { 12 } else { 6 },
    );
    PlannedWave {
        name: format!("wave-{number}").parse().unwrap(),
        failure_budget: u32::try_from(hosts.len() / 10).unwrap(),
        hosts,
        goal: Percent::new(90).unwrap(),
        soak_ms: 24 * 60 * MINUTE,
        timeout_ms: 5 * 24 * 60 * MINUTE,
        parallel: 5,
        advance: if number == 1 { Advance::Manual } else { Advance::Automatic },
    }
}

/// The plan.
pub(crate) fn plan() -> Plan {
    let hosts: Vec<PlannedHost> = (0..180).map(host).collect();
    let part = |from: usize, to: usize| hosts[from..to].to_vec();
    Plan {
        format: PLAN_FORMAT.to_owned(),
        rollout: "sp2".parse().unwrap(),
        generation: Generation(3),
        parent: None,
        made_at: "2026-11-16T10:00:00Z".parse().unwrap(),
        author: "planner".parse().unwrap(),
        product: "windows-2003".parse().unwrap(),
        target: BuildId::parse("sp2").unwrap(),
        packs: vec![pack("sp1"), pack("sp2")],
        waves: vec![
            wave(1, part(0, 10), "2026-11-23T09:00:00Z", TimeClass::WorkingHours),
            wave(2, part(10, 60), "2026-11-25T20:00:00Z", TimeClass::OutOfHours),
            wave(3, part(60, 130), "2026-11-30T20:00:00Z", TimeClass::OutOfHours),
            wave(4, part(130, 180), "2026-12-05T06:00:00Z", TimeClass::Weekend),
        ],
        failure_budget: 9,
        excluded: vec![Excluded {
            host: "srv-legacy-001".parse().unwrap(),
            because: "unreachable since 2026-10-02: its agent was not heard of".to_owned(),
        }],
        approvals_needed: 2,
        parts: std::collections::BTreeSet::new(),
        deadline: Some("2026-12-20T00:00:00Z".parse().unwrap()),
        emergency: None,
        staging: Vec::new(),
        begun: std::collections::BTreeSet::new(),
        stated: std::collections::BTreeSet::new(),
    }
}

/// The plan with everything that may be known around it.
pub(crate) fn input() -> PaperInput {
    let plan = plan();
    let hash = plan.hash().unwrap();
    let hosts = plan
        .hosts()
        .enumerate()
        .map(|(place, (_, host))| {
            let note = HostNote {
                owner: Some(format!("owner-{}", host.role).parse().unwrap()),
                criticality: place * 4 / 180,
                cluster: (host.role.as_str() == "cluster-node").then(|| "sql-1".to_owned()),
                time_class: None,
                after: Vec::new(),
            };
            (host.host.clone(), note)
        })
        .collect();
    let issue = KnownTrouble {
        id: "KB-914962".to_owned(),
        text: "Printing stops on servers with drivers older than version 3.1".to_owned(),
        holds: false,
        roles: vec!["file-print".to_owned()],
    };
    let note = PackNote {
        title: "Service Pack 2".to_owned(),
        kind: "service-pack".to_owned(),
        readme:
            "Read this before installing. Binaries go to a drive other than C where there is one."
                .to_owned(),
        issues: vec![issue],
        terms: vec!["a reboot is always needed".to_owned()],
    };
    PaperInput {
        standing: Standing {
            state: "planned".to_owned(),
            agreed_by: vec!["approver".parse().unwrap()],
            authorised_by: None,
        },
        zone: TimeZone::get("Europe/Dublin").unwrap(),
        hosts,
        packs: [(BuildId::parse("sp2").unwrap(), note)].into(),
        runbooks: vec![runbook()],
        risks: (1..=6u8).map(risk).collect(),
        engineers: (1..=5)
            .map(|n| (person(n), EngineerNote { skills: Vec::new(), hosts_at_once: 2 }))
            .collect(),
        parties: vec!["deployer".to_owned(), "application-owner".to_owned()],
        remarks: vec!["180 hosts in 4 waves to build sp2, 1 left out".to_owned()],
        ..PaperInput::of_plan(plan, hash)
    }
}

fn risk(number: u8) -> RiskLine {
    RiskLine {
        id: u64::from(number),
        host: "srv-app-004.cork.example.net".parse().unwrap(),
        text: "The line-of-business application has never been tested with this service pack"
            .to_owned(),
        likelihood: number.min(5),
        impact: 6 - number.min(5),
        left: number.is_multiple_of(2).then_some((1, 6 - number.min(5))),
        mitigation: "Tested on a copy of the server; the vendor is on call that night".to_owned(),
        owner: Some("owner-app".parse().unwrap()),
        state: if number.is_multiple_of(2) { "mitigated" } else { "open" }.to_owned(),
    }
}

fn runbook() -> RunbookNote {
    let step =
        |phase: &str, id: &str, kind: &str| (phase.to_owned(), id.to_owned(), kind.to_owned());
    RunbookNote {
        name: "file-print".to_owned(),
        builds: vec![BuildId::parse("sp2").unwrap()],
        roles: vec!["file-print".parse().unwrap()],
        steps: vec![
            step("before", "logs.save", "saves and clears the event logs"),
            step("before", "proof.reboot", "reboots to see that the server comes back"),
            step("before", "tests.before", "runs the client tests"),
            step("protect", "backup.take", "saves files and databases as one unit"),
            step("protect", "antivirus.hold", "stops and disables, restores exactly afterwards"),
            step("install", "install", "installs the service pack"),
            step("after", "tests.after", "runs the client tests and compares"),
        ],
        tests: vec!["users reach their home drive".to_owned(), "users can print".to_owned()],
        unit: vec![
            "system state".to_owned(),
            "shares".to_owned(),
            "printer configuration".to_owned(),
        ],
        rollback: RollbackNote {
            method: "switch-and-restore".to_owned(),
            trigger: "client tests fail or the server does not come back within 20 minutes"
                .to_owned(),
            deadline_ms: 30 * MINUTE,
            owner: "owner-file-print".parse().unwrap(),
            tested: Some("2026-11-10 on a spare server".to_owned()),
        },
    }
}
