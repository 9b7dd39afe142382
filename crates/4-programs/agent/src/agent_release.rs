//! Which version of the agent runs.
//!
//! The installed program is the launcher and is never replaced. A newer version lies in `STATE/agent/VERSION/`; the launcher hands over
//! to it and counts the starts. A version that was in contact with the server is confirmed; one that is not after a few starts is given
//! up, and the installed program goes on by itself.

use crate::files;
use serde::{Deserialize, Serialize};
use std::{
    env, fs, io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Set by the launcher: its own path.
const LAUNCHER: &str = "REFIT_AGENT_LAUNCHER";
/// Starts without contact that are taken for accidents (a reboot, a server that is away for a while).
const STARTS_MAX: u32 = 3;

/// The newer version that the launcher hands over to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selected {
    pub(crate) version: String,
    pub(crate) program: PathBuf,
    pub(crate) starts: u32,
    pub(crate) confirmed: bool,
    /// Why it was given up.
    pub(crate) failed: Option<String>,
}

/// A version as numbers; texts that are none compare with nothing.
pub(crate) fn numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// Whether `version` is at least `needed`; unreadable versions never are.
pub(crate) fn suffices(version: &str, needed: &str) -> bool {
    match (numbers(version), numbers(needed)) {
        (Some(mut version), Some(mut needed)) => {
            let length = version.len().max(needed.len());
            version.resize(length, 0);
            needed.resize(length, 0);
            version >= needed
        }
        _ => false,
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("agent").join("selected.json")
}

/// What was selected, if anything.
pub(crate) fn selected(state: &Path) -> io::Result<Option<Selected>> {
    files::read_json(&file(state))
}

/// What the launcher does with a selection.
#[derive(Debug, PartialEq, Eq)]
enum Handover {
    /// Go on with the installed program.
    Stay,
    /// Write this down and start its program.
    Start(Selected),
    /// Write this down and go on with the installed program.
    GiveUp(Selected),
}

fn decide(mut selected: Selected) -> Handover {
    let newer = suffices(&selected.version, VERSION) && !suffices(VERSION, &selected.version);
    if selected.failed.is_some() || !newer {
        return Handover::Stay;
    }
    if !selected.confirmed {
        if selected.starts >= STARTS_MAX {
            selected.failed = Some(format!(
                "it was started {STARTS_MAX} times and never was in contact with the server"
            ));
            return Handover::GiveUp(selected);
        }
        selected.starts += 1;
    }
    Handover::Start(selected)
}

/// Becomes the selected version, if there is one and it deserves it; returns otherwise.
pub(crate) fn hand_over(state: &Path) {
    if env::var_os(LAUNCHER).is_some() {
        return;
    }
    let decided = match selected(state) {
        Ok(Some(selected)) => decide(selected),
        Ok(None) => return,
        Err(error) => {
            tracing::error!(%error, "failed to read {}", file(state).display());
            return;
        }
    };
    match decided {
        Handover::Stay => {}
        Handover::GiveUp(selected) => give_up(state, &selected),
        Handover::Start(mut selected) => {
            // Counted before the start: a version that takes the machine down counts too.
            if let Err(error) = files::write_json(&file(state), &selected) {
                tracing::error!(%error, "failed to write {}", file(state).display());
                return;
            }
            tracing::info!(version = selected.version, "handing over to the newer agent");
            let Ok(launcher) = env::current_exe() else { return };
            let arguments: Vec<_> = env::args_os().skip(1).collect();
            let error =
                Command::new(&selected.program).args(arguments).env(LAUNCHER, launcher).exec();
            selected.failed = Some(format!("it does not start: {error}"));
            give_up(state, &selected);
        }
    }
}

fn give_up(state: &Path, selected: &Selected) {
    tracing::error!(
        version = selected.version,
        reason = selected.failed,
        "going on with the installed agent"
    );
    if let Err(error) = files::write_json(&file(state), selected) {
        tracing::error!(%error, "failed to write {}", file(state).display());
    }
}

/// This version was in contact with the server: it is good.
pub(crate) fn confirm(state: &Path) {
    if env::var_os(LAUNCHER).is_none() {
        return;
    }
    let confirmed = selected(state).and_then(|selected| match selected {
        Some(selected) if selected.version == VERSION && !selected.confirmed => {
            files::write_json(&file(state), &Selected { confirmed: true, ..selected })
        }
        _ => Ok(()),
    });
    if let Err(error) = confirmed {
        tracing::error!(%error, "failed to confirm this version");
    }
}

/// Whether this process is a newer version that was not in contact yet.
pub(crate) fn on_probation(state: &Path) -> bool {
    let unconfirmed = |selected: Selected| selected.version == VERSION && !selected.confirmed;
    env::var_os(LAUNCHER).is_some() && selected(state).ok().flatten().is_some_and(unconfirmed)
}

/// Makes a verified program executable and proves that it says the version that it is named after.
pub(crate) fn try_out(program: &Path, version: &str) -> Result<(), String> {
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .arg("--version")
        .env_clear()
        .output()
        .map_err(|error| format!("it does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || said != format!("refit-agent {version}") {
        return Err(format!(
            "expected it to say `refit-agent {version}`, it said `{said}` ({})",
            output.status
        ));
    }
    Ok(())
}

/// Selects `program` and starts anew as the launcher, which hands over to it. Returns only when that fails.
pub(crate) fn select_and_restart(state: &Path, version: &str, program: &Path) -> io::Error {
    let (version, program) = (version.to_owned(), program.to_owned());
    let selected = Selected { version, program, starts: 0, confirmed: false, failed: None };
    match files::write_json(&file(state), &selected) {
        Ok(()) => restart(),
        Err(error) => error,
    }
}

/// Starts anew as the launcher, with the same arguments and the same process id.
pub(crate) fn restart() -> io::Error {
    let launcher = match env::var_os(LAUNCHER) {
        Some(launcher) => PathBuf::from(launcher),
        None => match env::current_exe() {
            Ok(program) => program,
            Err(error) => return error,
        },
    };
    Command::new(launcher).args(env::args_os().skip(1)).env_remove(LAUNCHER).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newer(starts: u32, confirmed: bool) -> Selected {
        Selected { version: "99.0".into(), program: "/x".into(), starts, confirmed, failed: None }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(suffices("0.10.0", "0.9.9") && suffices("1.2", "1.2.0"));
        assert!(!suffices("0.9", "0.10") && !suffices("new", "0.1"));
    }

    #[test]
    fn version_that_never_comes_up_is_given_up_after_three_starts() {
        let Handover::Start(first) = decide(newer(0, false)) else { panic!("not started") };
        assert_eq!(first.starts, 1);
        let Handover::GiveUp(given_up) = decide(newer(3, false)) else { panic!("not given up") };
        assert_eq!(decide(given_up), Handover::Stay);
    }

    #[test]
    fn confirmed_version_is_always_started_and_an_older_one_never() {
        assert_eq!(decide(newer(3, true)), Handover::Start(newer(3, true)));
        assert_eq!(decide(Selected { version: VERSION.into(), ..newer(0, true) }), Handover::Stay);
    }
}
