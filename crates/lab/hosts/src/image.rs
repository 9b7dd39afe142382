//! The image that all hosts share: a minimal Debian, kept under a key of its package list.

use crate::{process::done, talk::say};
use anyhow::{Context as _, Result};
use refit_names::Digest;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const SUITE: &str = "bookworm";
/// What hosts have beyond the essential packages. No proxy, no compiler: packs bring all that they need.
const PACKAGES: &str =
    "systemd,systemd-sysv,dbus,iproute2,python3,python3-venv,postgresql,ca-certificates,procps";
/// Half a minute on a quiet machine; mirrors can be slow.
const LIMIT: Duration = Duration::from_secs(900);

/// The image's folder, made if it is not there.
pub(crate) fn provide(cache: &Path) -> Result<PathBuf> {
    let key = Digest::of(format!("{SUITE} {PACKAGES}").as_bytes()).to_hex();
    let image = cache.join(format!("image-{}", &key[..16]));
    if image.is_dir() {
        say(&format!("image {} is there", image.display()));
        return Ok(image);
    }
    say(&format!("making the image {} with mmdebstrap", image.display()));
    let partial = image.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("failed to remove {}", partial.display()))?;
    }
    done(
        Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
            .arg(&partial),
        LIMIT,
    )?;
    fs::rename(&partial, &image).with_context(|| format!("failed to name {}", image.display()))?;
    Ok(image)
}
