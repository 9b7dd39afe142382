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
    /// The folder below the product's own that is exchanged in place; none: builds lie side by side.
    pub place: Option<&'static str>,
}

const PLAIN: Kind =
    Kind { name: "", builds: &["1000", "1100"], steps: "", ends_on: "1100", place: None };
const MIGRATES: Kind = Kind { builds: &["1100", "1200"], ends_on: "1200", ..PLAIN };
const IN_PLACE: Kind = Kind { place: Some("app"), ..PLAIN };

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind { name: "side-by-side", steps: SIDE_BY_SIDE, ..PLAIN },
    Kind { name: "side-by-side-rolled-back", steps: SIDE_BY_SIDE_FAILS, ends_on: "1000", ..PLAIN },
    Kind { name: "migration", steps: MIGRATION, ..MIGRATES },
    Kind { name: "migration-rolled-back", steps: MIGRATION_FAILS, ends_on: "1100", ..MIGRATES },
    Kind { name: "reboot", steps: REBOOT, ..PLAIN },
    Kind { name: "in-place", steps: EXCHANGE, ..IN_PLACE },
    Kind { name: "in-place-rolled-back", steps: EXCHANGE_FAILS, ends_on: "1000", ..IN_PLACE },
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
  - { id: backup-verified, phase: protect, do: { backup.verify: {} } }"#
    };
}
macro_rules! switch {
    () => {
        r#"
  - { id: switch, phase: install, do: { install.switch: {} } }"#
    };
}
macro_rules! exchange {
    () => {
        r#"
  - { id: exchange, phase: install, do: { install.in-place: { into: app } } }"#
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

const SIDE_BY_SIDE: &str = concat!(stage!(), before!(), switch!(), start!(), open!());
const SIDE_BY_SIDE_FAILS: &str = concat!(stage!(), before!(), switch!(), start!(), fails!());
const MIGRATION: &str = concat!(stage!(), before!(), switch!(), migrate!(), start!(), open!());
const MIGRATION_FAILS: &str =
    concat!(stage!(), before!(), switch!(), migrate!(), start!(), fails!());
const REBOOT: &str = concat!(stage!(), proof!(), before!(), switch!(), start!(), open!());
const EXCHANGE: &str = concat!(stage!(), before!(), exchange!(), start!(), open!());
const EXCHANGE_FAILS: &str = concat!(stage!(), before!(), exchange!(), start!(), fails!());
