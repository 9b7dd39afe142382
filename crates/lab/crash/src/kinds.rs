//! What is walked: one row per kind of install.

/// One kind of install, with how it is meant to end.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name in the table.
    pub name: &'static str,
    /// Builds of the legs: the first is installed.
    pub builds: &'static [&'static str],
    /// Steps of every leg, as a runbook has them; `BUILD` stands for the leg's.
    pub steps: &'static str,
    /// The build that is reached where nothing is killed.
    pub ends_on: &'static str,
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind { name: "side-by-side", builds: &["1000", "1100"], steps: SIDE_BY_SIDE, ends_on: "1100" },
    Kind {
        name: "side-by-side-rolled-back",
        builds: &["1000", "1100"],
        steps: SIDE_BY_SIDE_FAILS,
        ends_on: "1000",
    },
    Kind { name: "migration", builds: &["1100", "1200"], steps: MIGRATION, ends_on: "1200" },
    Kind {
        name: "migration-rolled-back",
        builds: &["1100", "1200"],
        steps: MIGRATION_FAILS,
        ends_on: "1100",
    },
    Kind { name: "reboot", builds: &["1000", "1100"], steps: REBOOT, ends_on: "1100" },
];

macro_rules! stage {
    () => {
        r#"
  - { id: stage, phase: stage, do: { install.stage: {} } }"#
    };
}
macro_rules! before {
    () => {
        r#"
  - { id: build-before, phase: before, do: { check.build: {} } }
  - { id: health-before, phase: before, do: { test: { name: health, probe: { http: { port: { param: port }, path: /health, contains: '"status":"ok"' } } } } }
  - { id: close, phase: protect, do: { traffic.close: { close: [bin/ledger, close], open: [bin/ledger, open] } } }
  - { id: stop, phase: protect, do: { service.stop: {} } }
  - { id: gone, phase: protect, do: { check.processes-gone: {} } }
  - { id: backup, phase: protect, do: { backup.take: {} } }
  - { id: backup-verified, phase: protect, do: { backup.verify: {} } }
  - { id: switch, phase: install, do: { install.switch: {} } }"#
    };
}
macro_rules! migrate {
    () => {
        r#"
  - { id: migrate, phase: install, do: { database.migrate: { run: [bin/ledger, migrate] } } }"#
    };
}
macro_rules! start {
    () => {
        r#"
  - { id: start, phase: after, do: { service.start: { ready: { http: { port: { param: port }, path: /health, contains: '"build":"BUILD"' } } } } }"#
    };
}
macro_rules! fails {
    () => {
        r#"
  - { id: health-after, phase: after, do: { test: { name: health, probe: { http: { port: { param: port }, path: /health, contains: "what is never said" } } } } }"#
    };
}
macro_rules! open {
    () => {
        r#"
  - { id: health-after, phase: after, do: { test: { name: health, probe: { http: { port: { param: port }, path: /health, contains: '"status":"ok"' } } } } }
  - { id: open, phase: finish, do: { traffic.open: { open: [bin/ledger, open] } } }"#
    };
}
macro_rules! proof {
    () => {
        r#"
  - { id: proof, phase: before, do: { machine.reboot: { within_ms: 600000 } } }"#
    };
}

const SIDE_BY_SIDE: &str = concat!(stage!(), before!(), start!(), open!());
const SIDE_BY_SIDE_FAILS: &str = concat!(stage!(), before!(), start!(), fails!());
const MIGRATION: &str = concat!(stage!(), before!(), migrate!(), start!(), open!());
const MIGRATION_FAILS: &str = concat!(stage!(), before!(), migrate!(), start!(), fails!());
const REBOOT: &str = concat!(stage!(), proof!(), before!(), start!(), open!());
