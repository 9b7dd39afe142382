//! What is walked: one row per kind of install.

use crate::walk::Fault;

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
    /// The builds are Debian packages, on a system of their own.
    pub packages: bool,
    /// Everything is installed, and what is walked is the removal of the last build; by this rule of its pack.
    pub removal: Option<&'static str>,
}

impl Kind {
    /// The build that is installed when the walk begins.
    #[must_use]
    pub fn installed(&self) -> &'static str {
        if self.removal.is_some() { self.builds[self.builds.len() - 1] } else { self.builds[0] }
    }

    /// The builds that the order leads to, in their order.
    #[must_use]
    pub fn leads_to(&self) -> &'static [&'static str] {
        let last = self.builds.len() - 1;
        if self.removal.is_some() { &self.builds[last - 1..last] } else { &self.builds[1..] }
    }

    /// Whether it dies so: dpkg and apt are not ours, and a system of its own lies in memory, where no power is cut and nothing fills up.
    #[must_use]
    pub const fn is_walked_with(&self, fault: Fault) -> bool {
        !self.packages || matches!(fault, Fault::Kill | Fault::KillTwice)
    }

    /// Whether files and database are meant to return to an earlier moment.
    #[must_use]
    pub fn returns(&self) -> bool {
        self.removal == Some(RETURNS)
    }

    /// Whether the order is made to fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.ends_on == self.installed()
    }
}

const PLAIN: Kind = Kind {
    name: "",
    builds: &["1000", "1100"],
    steps: "",
    ends_on: "1100",
    place: None,
    packages: false,
    removal: None,
};
const MIGRATES: Kind = Kind { builds: &["1100", "1200"], ends_on: "1200", ..PLAIN };
const IN_PLACE: Kind = Kind { place: Some("app"), ..PLAIN };
const PACKAGES: Kind = Kind { packages: true, ..PLAIN };
/// Whatever was written since the install stays.
const KEEPS: &str = "uninstall: { allowed: last-pack, data: keep }\n";
/// Files and database return to the moment before the install; what was written since is kept aside.
const RETURNS: &str = "uninstall: { allowed: last-pack, data: lost }\n";
const CANNOT: &str = "uninstall: { allowed: last-pack, data: keep, down: [\"false\"] }\n";

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind { name: "side-by-side", steps: SIDE_BY_SIDE, ..PLAIN },
    Kind { name: "side-by-side-rolled-back", steps: SIDE_BY_SIDE_FAILS, ends_on: "1000", ..PLAIN },
    Kind { name: "migration", steps: MIGRATION, ..MIGRATES },
    Kind { name: "migration-rolled-back", steps: MIGRATION_FAILS, ends_on: "1100", ..MIGRATES },
    Kind { name: "reboot", steps: REBOOT, ..PLAIN },
    Kind { name: "in-place", steps: EXCHANGE, ..IN_PLACE },
    Kind { name: "in-place-rolled-back", steps: EXCHANGE_FAILS, ends_on: "1000", ..IN_PLACE },
    Kind { name: "packages", steps: DEBS, ..PACKAGES },
    Kind { name: "packages-rolled-back", steps: DEBS_FAIL, ends_on: "1000", ..PACKAGES },
    Kind { name: "removal", steps: SIDE_BY_SIDE, ends_on: "1000", removal: Some(KEEPS), ..PLAIN },
    Kind {
        name: "removal-migration",
        steps: MIGRATION,
        ends_on: "1100",
        removal: Some(RETURNS),
        ..MIGRATES
    },
    Kind {
        name: "removal-in-place",
        steps: EXCHANGE,
        ends_on: "1000",
        removal: Some(KEEPS),
        ..IN_PLACE
    },
    Kind {
        name: "removal-in-place-rolled-back",
        steps: EXCHANGE,
        removal: Some(CANNOT),
        ..IN_PLACE
    },
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
macro_rules! debs {
    () => {
        r#"
  - { id: build-before, phase: before, do: { check.build: {} } }
  - { id: health-before, phase: before, do: { test: { name: health, probe: { http: { port: { param: port }, path: /health, contains: '"status":"ok"' } } } } }
  - { id: close, phase: protect, do: { traffic.close: { close: [/usr/lib/crash-ledger/bin/ledger, close], open: [/usr/lib/crash-ledger/bin/ledger, open] } } }
  - { id: stop, phase: protect, do: { service.stop: {} } }
  - { id: gone, phase: protect, do: { check.processes-gone: {} } }
  - { id: backup, phase: protect, do: { backup.take: {} } }
  - { id: backup-verified, phase: protect, do: { backup.verify: {} } }
  - { id: packages, phase: install, timeout_ms: 120000, do: { install.packages: { hold_services: true } } }"#
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
macro_rules! well {
    () => {
        r#"
  - { id: health-after, phase: after, do: { test: { name: health, probe: { http: { port: { param: port }, path: /health, contains: '"status":"ok"' } } } } }"#
    };
}
macro_rules! open {
    () => {
        r#"
  - { id: open, phase: finish, do: { traffic.open: { open: [bin/ledger, open] } } }"#
    };
}
macro_rules! opened {
    () => {
        r#"
  - { id: open, phase: finish, do: { traffic.open: { open: [/usr/lib/crash-ledger/bin/ledger, open] } } }"#
    };
}
macro_rules! proof {
    () => {
        r#"
  - { id: proof, phase: before, do: { machine.reboot: { within_ms: 600000 } } }"#
    };
}

const SIDE_BY_SIDE: &str = concat!(stage!(), before!(), switch!(), start!(), well!(), open!());
const SIDE_BY_SIDE_FAILS: &str = concat!(stage!(), before!(), switch!(), start!(), fails!());
const MIGRATION: &str =
    concat!(stage!(), before!(), switch!(), migrate!(), start!(), well!(), open!());
const MIGRATION_FAILS: &str =
    concat!(stage!(), before!(), switch!(), migrate!(), start!(), fails!());
const REBOOT: &str = concat!(stage!(), proof!(), before!(), switch!(), start!(), well!(), open!());
const EXCHANGE: &str = concat!(stage!(), before!(), exchange!(), start!(), well!(), open!());
const EXCHANGE_FAILS: &str = concat!(stage!(), before!(), exchange!(), start!(), fails!());
const DEBS: &str = concat!(stage!(), debs!(), start!(), well!(), opened!());
const DEBS_FAIL: &str = concat!(stage!(), debs!(), start!(), fails!());
