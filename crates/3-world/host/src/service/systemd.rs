//! Units of systemd: over the system bus, or through `systemctl` where there is no bus.

use super::{Service, state_name};
use crate::{
    command::{Run, last_lines},
    error::StepError,
};
use refit_inventory::ServiceState;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;
use zbus_systemd::{
    systemd1::{ManagerProxy, UnitProxy},
    zbus::Connection,
};

/// `systemctl` itself only talks to the manager.
const TALK_LIMIT: Duration = Duration::from_secs(60);
/// How often a unit on its way is looked at: it is part of the downtime.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a unit that is on its way up is waited for before it is stopped.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);

/// The manager of this machine.
pub(crate) enum Systemd {
    Bus { runtime: Runtime, connection: Connection },
    Command,
}

/// What is asked of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Running,
    Stopped,
}

impl Systemd {
    /// Over the bus where there is one.
    pub(crate) fn connect() -> Self {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return Self::Command;
        };
        match runtime.block_on(Connection::system()) {
            Ok(connection) => Self::Bus { runtime, connection },
            Err(error) => {
                tracing::debug!(%error, "no system bus, using systemctl");
                Self::Command
            }
        }
    }

    fn bus<T>(what: &str, result: Result<T, zbus_systemd::zbus::Error>) -> Result<T, StepError> {
        result.map_err(|source| StepError::Bus { what: what.to_owned(), source: Box::new(source) })
    }

    fn systemctl(arguments: &[&str]) -> Run {
        let words = std::iter::once("systemctl").chain(arguments.iter().copied());
        Run {
            argv: words.map(str::to_owned).collect(),
            folder: PathBuf::from("/"),
            below: PathBuf::from("/"),
            environment: BTreeMap::new(),
            user: None,
            secrets: vec![],
        }
    }

    /// `active`, `inactive`, `failed`, `activating`, …
    pub(crate) fn active(&self, unit: &str) -> Result<String, StepError> {
        match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    let manager = ManagerProxy::new(connection).await?;
                    let path = manager.load_unit(unit.to_owned()).await?;
                    // A fresh look each time: a cached value would be that of the first.
                    let unit = UnitProxy::builder(connection)
                        .path(path)
                        .cache_properties(zbus_systemd::zbus::proxy::CacheProperties::No)
                        .build()
                        .await?;
                    unit.active_state().await
                };
                Self::bus(&format!("ask for the state of {unit}"), runtime.block_on(ask))
            }
            Self::Command => {
                let show = ["show", "--property=ActiveState", "--value", unit];
                Ok(Self::systemctl(&show).succeed(TALK_LIMIT)?.trim().to_owned())
            }
        }
    }

    /// Whether the host has such a unit.
    pub(crate) fn exists(&self, unit: &str) -> Result<bool, StepError> {
        let state = match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    let manager = ManagerProxy::new(connection).await?;
                    let path = manager.load_unit(unit.to_owned()).await?;
                    UnitProxy::builder(connection)
                        .path(path)
                        .cache_properties(zbus_systemd::zbus::proxy::CacheProperties::No)
                        .build()
                        .await?
                        .load_state()
                        .await
                };
                Self::bus(&format!("look for {unit}"), runtime.block_on(ask))?
            }
            Self::Command => {
                let show = ["show", "--property=LoadState", "--value", unit];
                Self::systemctl(&show).succeed(TALK_LIMIT)?.trim().to_owned()
            }
        };
        Ok(state != "not-found")
    }

    /// Whether a boot starts it: `enabled`, `disabled`, `static`, …; empty for a unit without a file.
    pub(crate) fn at_boot(&self, unit: &str) -> Result<String, StepError> {
        match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    let manager = ManagerProxy::new(connection).await?;
                    manager.get_unit_file_state(unit.to_owned()).await
                };
                // A unit without a file is not started by a boot.
                Ok(runtime.block_on(ask).unwrap_or_default())
            }
            Self::Command => {
                let show = ["show", "--property=UnitFileState", "--value", unit];
                Ok(Self::systemctl(&show).succeed(TALK_LIMIT)?.trim().to_owned())
            }
        }
    }

    /// Whether a boot shall start it.
    pub(crate) fn set_at_boot(&self, unit: &str, enabled: &str) -> Result<(), StepError> {
        let on = enabled == "enabled";
        match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    let manager = ManagerProxy::new(connection).await?;
                    let files = vec![unit.to_owned()];
                    if on {
                        manager.enable_unit_files(files, false, false).await.map(drop)?;
                    } else {
                        manager.disable_unit_files(files, false).await.map(drop)?;
                    }
                    manager.reload().await
                };
                Self::bus(&format!("change the boot state of {unit}"), runtime.block_on(ask))
            }
            Self::Command => {
                let verb = if on { "enable" } else { "disable" };
                Self::systemctl(&[verb, unit]).succeed(TALK_LIMIT).map(drop)
            }
        }
    }

    pub(crate) fn start(&self, unit: &str, limit: Duration) -> Result<(), StepError> {
        self.reach(unit, Goal::Running, limit)
    }

    pub(crate) fn stop(&self, unit: &str, limit: Duration) -> Result<(), StepError> {
        self.reach(unit, Goal::Stopped, limit)
    }

    fn request(&self, unit: &str, goal: Goal) -> Result<(), StepError> {
        match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    let manager = ManagerProxy::new(connection).await?;
                    let (unit, mode) = (unit.to_owned(), "replace".to_owned());
                    match goal {
                        Goal::Running => manager.start_unit(unit, mode).await,
                        Goal::Stopped => manager.stop_unit(unit, mode).await,
                    }
                };
                Self::bus(&format!("start or stop {unit}"), runtime.block_on(ask)).map(drop)
            }
            Self::Command => {
                let verb = if goal == Goal::Running { "start" } else { "stop" };
                Self::systemctl(&["--no-block", verb, unit]).succeed(TALK_LIMIT).map(drop)
            }
        }
    }

    fn reach(&self, unit: &str, goal: Goal, limit: Duration) -> Result<(), StepError> {
        let (deadline, mut before) = (Instant::now() + limit, self.active(unit)?);
        if goal == Goal::Stopped && before == "activating" {
            before = self.arrived(unit, deadline.min(Instant::now() + ARRIVAL_LIMIT))?;
        }
        if reached(&before, goal) {
            return Ok(());
        }
        if before == "failed" {
            // So that a failure that is seen later is this start's.
            self.forget_failure(unit)?;
            before = "inactive".to_owned();
        }
        self.request(unit, goal)?;
        let mut began = false;
        loop {
            let state = self.active(unit)?;
            if reached(&state, goal) {
                return Ok(());
            }
            began |= state == "activating" || state != before;
            let failed = goal == Goal::Running && began && state == "failed";
            if failed || Instant::now() >= deadline {
                let expected = if goal == Goal::Running { "active" } else { "inactive" };
                return Err(StepError::Service {
                    service: unit.to_owned(),
                    expected,
                    found: state,
                });
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The state of a unit once it is no longer on its way up: one that is stopped before its manager knows its main process, at a boot
    /// say, can leave that process behind, and then nobody starts it again.
    fn arrived(&self, unit: &str, deadline: Instant) -> Result<String, StepError> {
        loop {
            let state = self.active(unit)?;
            if state != "activating" || Instant::now() >= deadline {
                return Ok(state);
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn forget_failure(&self, unit: &str) -> Result<(), StepError> {
        match self {
            Self::Bus { runtime, connection } => {
                let ask = async {
                    ManagerProxy::new(connection).await?.reset_failed_unit(unit.to_owned()).await
                };
                Self::bus(&format!("reset {unit}"), runtime.block_on(ask))
            }
            Self::Command => Self::systemctl(&["reset-failed", unit]).succeed(TALK_LIMIT).map(drop),
        }
    }

    /// Restarts the machine.
    pub(crate) fn reboot(&self) -> Result<(), StepError> {
        match self {
            Self::Bus { runtime, connection } => {
                let (target, mode) =
                    ("reboot.target".to_owned(), "replace-irreversibly".to_owned());
                let ask =
                    async { ManagerProxy::new(connection).await?.start_unit(target, mode).await };
                Self::bus("restart the machine", runtime.block_on(ask)).map(drop)
            }
            Self::Command => Self::systemctl(&["reboot"]).succeed(TALK_LIMIT).map(drop),
        }
    }
}

fn reached(state: &str, goal: Goal) -> bool {
    match goal {
        Goal::Running => state == "active",
        Goal::Stopped => matches!(state, "inactive" | "failed"),
    }
}

/// The units of one product.
pub(super) struct Units {
    units: Vec<String>,
    /// Which units a boot started before they were stopped: a boot in the middle of a run must not start them.
    kept: PathBuf,
}

impl Units {
    pub(super) fn new(name: String, units: Vec<String>, folder: PathBuf) -> Self {
        Self { units, kept: folder.join(format!("{name}.boot.json")) }
    }

    fn kept(&self) -> Result<Vec<String>, StepError> {
        match fs::read(&self.kept) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(StepError::io("read", &self.kept)(error)),
        }
    }

    fn keep(&self, units: &[String]) -> Result<(), StepError> {
        let folder = self.kept.parent().unwrap_or(&self.kept);
        fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
        let fresh = self.kept.with_extension("new");
        let text = serde_json::to_vec(units)?;
        let write = || -> std::io::Result<()> {
            fs::write(&fresh, text)?;
            fs::File::open(&fresh)?.sync_all()?;
            fs::rename(&fresh, &self.kept)
        };
        write().map_err(StepError::io("write", &self.kept))?;
        Ok(refit_backup::sync_folder(folder)?)
    }
}

impl Service for Units {
    fn owns(&self, pid: i32) -> Option<bool> {
        // A unit's processes live in a group of the unit's name.
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mut parts = groups.lines().flat_map(|line| line.split('/'));
        Some(parts.any(|part| self.units.iter().any(|unit| unit == part)))
    }

    fn last_words(&self) -> Option<String> {
        let mut words = vec!["journalctl", "--lines=5", "--output=cat", "--quiet", "--no-pager"];
        words.extend(self.units.iter().flat_map(|unit| ["--unit", unit.as_str()]));
        let said = Run::of_host(&words).succeed(TALK_LIMIT).ok()?;
        Some(said.trim()).filter(|said| !said.is_empty()).map(last_lines)
    }

    fn state(&self) -> Result<ServiceState, StepError> {
        let systemd = Systemd::connect();
        let states = self.units.iter().map(|unit| systemd.active(unit));
        let states = states.collect::<Result<Vec<_>, _>>()?;
        let all = |goal| states.iter().all(|state| reached(state, goal));
        Ok(match (all(Goal::Running), all(Goal::Stopped)) {
            (true, _) => ServiceState::Running,
            (_, true) => ServiceState::Stopped,
            _ => ServiceState::Mixed,
        })
    }

    fn start(&self, limit: Duration) -> Result<(), StepError> {
        let (systemd, deadline) = (Systemd::connect(), Instant::now() + limit);
        let kept = self.kept()?;
        for unit in &kept {
            systemd.set_at_boot(unit, "enabled")?;
        }
        for unit in &self.units {
            systemd.start(unit, deadline.saturating_duration_since(Instant::now()))?;
        }
        if !kept.is_empty() {
            self.keep(&[])?;
        }
        Ok(())
    }

    fn stop(&self, limit: Duration) -> Result<(), StepError> {
        let (systemd, deadline) = (Systemd::connect(), Instant::now() + limit);
        let mut kept = self.kept()?;
        for unit in &self.units {
            if !kept.contains(unit) && systemd.at_boot(unit)? == "enabled" {
                kept.push(unit.clone());
            }
        }
        self.keep(&kept)?;
        for unit in self.units.iter().rev() {
            systemd.stop(unit, deadline.saturating_duration_since(Instant::now()))?;
        }
        for unit in &kept {
            systemd.set_at_boot(unit, "disabled")?;
        }
        let state = self.state()?;
        if state != ServiceState::Stopped {
            let service = self.units.join(", ");
            let found = state_name(state).to_owned();
            return Err(StepError::Service { service, expected: "stopped", found });
        }
        Ok(())
    }

    fn units(&self) -> &[String] {
        &self.units
    }
}
