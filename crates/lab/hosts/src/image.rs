//! Images that hosts share: a minimal Debian each, kept under a key of what it is made of.

use crate::{process::done, talk::say};
use anyhow::{Context as _, Result};
use refit_names::Digest;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Debian's release.
pub(crate) const SUITE: &str = "bookworm";
/// Where its packages are.
pub(crate) const MIRROR: &str = "http://deb.debian.org/debian";
/// Half a minute on a quiet machine; mirrors can be slow.
const LIMIT: Duration = Duration::from_secs(900);

/// What an image is made of. Only the release itself, so that its security updates are still to come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// How it is called in messages.
    pub(crate) name: &'static str,
    /// What hosts have beyond the essential packages. No proxy, no compiler: packs bring all that they need.
    packages: &'static str,
    /// A source package that is taken as `bookworm-updates` had it, older than the release's last point.
    older: Option<&'static str>,
}

/// Python for programs from PyPI, PostgreSQL for their data and for itself, and a balancer.
pub(crate) const SERVER: Recipe = Recipe {
    name: "server",
    packages: "systemd,systemd-sysv,dbus,iproute2,python3,python3-venv,postgresql,ca-certificates,procps,haproxy",
    older: None,
};

/// Samba, CUPS, and what is held while such a machine is changed: schedulers, quota, UPS.
pub(crate) const FILE_PRINT: Recipe = Recipe {
    name: "file-print",
    packages: "systemd,systemd-sysv,dbus,iproute2,ca-certificates,procps,samba,smbclient,cups-daemon,cups-client,cron,at,quota,nut-server,nut-client",
    older: Some("samba"),
};

impl Recipe {
    fn key(&self) -> String {
        let text = format!("{SUITE} {} {:?}", self.packages, self.older);
        Digest::of(text.as_bytes()).to_hex()[..16].to_owned()
    }

    /// The image's folder, made if it is not there.
    pub(crate) fn provide(&self, cache: &Path) -> Result<PathBuf> {
        let image = self.folder(cache);
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
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase"]).arg(format!("--include={}", self.packages));
        let mut sources = vec![format!("deb {MIRROR} {SUITE} main")];
        if let Some(source) = self.older {
            let wish = format!(
                "Package: src:{source}\\nPin: release n={SUITE}-updates\\nPin-Priority: 1001\\n"
            );
            let hook = format!("printf '{wish}' >\"$1/etc/apt/preferences.d/older\"");
            make.arg(format!("--setup-hook=mkdir -p \"$1/etc/apt/preferences.d\" && {hook}"))
                .arg("--customize-hook=rm \"$1/etc/apt/preferences.d/older\"");
            sources.push(format!("deb {MIRROR} {SUITE}-updates main"));
        }
        done(make.arg(SUITE).arg(&partial).args(sources), LIMIT)?;
        fs::rename(&partial, &image)
            .with_context(|| format!("failed to name {}", image.display()))?;
        Ok(image)
    }

    /// Where the image lies.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("image-{}", self.key()))
    }
}
