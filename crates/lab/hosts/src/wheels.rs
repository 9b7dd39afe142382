//! Released packages from PyPI, brought once and kept under a key of their list.

use crate::{process::done, talk::say};
use anyhow::{Context as _, Result};
use refit_names::Digest;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The image's Python, for which wheels are chosen.
const PYTHON: &str = "3.11";
const PLATFORMS: [&str; 5] = [
    "manylinux1_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_28_x86_64",
    "any",
];
const LIMIT: Duration = Duration::from_secs(900);

/// The folder with exactly the wheels of `requirements`.
pub(crate) fn provide(cache: &Path, build: &str, requirements: &Path) -> Result<PathBuf> {
    let list = fs::read(requirements)
        .with_context(|| format!("failed to read {}", requirements.display()))?;
    let wheels = cache.join(format!("wheels-{build}-{}", &Digest::of(&list).to_hex()[..16]));
    if wheels.is_dir() {
        return Ok(wheels);
    }
    say(&format!("bringing the wheels of buildbot {build}"));
    let pip = cache.join("pip");
    if !pip.join("bin/pip").exists() {
        done(Command::new("python3").args(["-m", "venv"]).arg(&pip), LIMIT)?;
    }
    let partial = cache.join(format!("wheels-{build}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("failed to remove {}", partial.display()))?;
    }
    let mut command = Command::new(pip.join("bin/pip"));
    command.args([
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
    ]);
    for platform in PLATFORMS {
        command.args(["--platform", platform]);
    }
    done(command.arg("--dest").arg(&partial).arg("--requirement").arg(requirements), LIMIT)?;
    fs::rename(&partial, &wheels)
        .with_context(|| format!("failed to name {}", wheels.display()))?;
    Ok(wheels)
}
