//! What the scenarios with Debian packages have in common: a product without files of its own, and packs that carry packages.

use crate::{
    debs::{self, Wanted},
    image::Recipe,
    lab::{Lab, runbook},
    machine::{Machine, copy},
};
use anyhow::{Context as _, Result};
use std::{fs, path::PathBuf, time::Duration};

const SHORT: Duration = Duration::from_secs(60);
/// Where the usual backup tells of itself on every host of the lab.
pub(crate) const PROOF: &str = "/var/backups/proof.json";

/// A product of Debian packages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packaged {
    pub(crate) product: &'static str,
    /// The shipped runbook.
    pub(crate) runbook: &'static str,
    pub(crate) first: &'static str,
    pub(crate) target: &'static str,
    /// Folders below the product's root that belong to it.
    pub(crate) data: &'static str,
    pub(crate) recipe: &'static Recipe,
    pub(crate) wanted: Wanted,
}

impl Packaged {
    /// The product's folder on its hosts.
    pub(crate) fn root(&self) -> String {
        format!("/srv/{}", self.product)
    }

    /// Says that the packages of the image are the first build.
    pub(crate) fn lay_out(&self, host: &Machine) -> Result<()> {
        let root = self.root();
        let root = root.trim_start_matches('/');
        host.write(&format!("{root}/releases/{}/packages", self.first), "those of the image\n")?;
        host.link(&format!("{root}/current"), &format!("releases/{}", self.first))
    }

    /// The pack's folder: the shipped runbook with its programs, and the packages.
    pub(crate) fn pack(&self, lab: &Lab) -> Result<PathBuf> {
        let folder = lab.work.join("packs").join(self.product);
        let payload = folder.join("payload");
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make {}", folder.display()))?;
        let shipped = runbook(self.runbook);
        copy(&shipped.join("runbook.yaml"), &folder.join("runbook.yaml"))?;
        copy(&shipped.join("payload"), &payload)?;
        copy(&debs::provide(&lab.cache, self.recipe, self.wanted)?, &self.carried(lab))?;
        let Self { product, first, target, data, .. } = self;
        let manifest = format!(
            "format: refit.pack/1\nproduct: {product}\nfrom: [\"{first}\"]\nto: \"{target}\"\nkind: service-pack\n\
             title: {product}, packages of {target}\nreadme: README.md\npayload: payload\nrunbook: runbook.yaml\nunit:\n  data: [{data}]\n\
             requirements:\n  os: [linux]\n  arch: [x86_64]\nestimate: {{ p50_ms: 60000, p95_ms: 240000, undo_p95_ms: 120000 }}\n"
        );
        let readme =
            format!("# {product}\n\nThe newer Debian packages for {product}, made by the lab.\n");
        for (file, text) in [("pack.yaml", manifest), ("README.md", readme)] {
            fs::write(folder.join(file), text)
                .with_context(|| format!("failed to write {file}"))?;
        }
        Ok(folder)
    }

    /// The packages that the pack carries.
    pub(crate) fn carried(&self, lab: &Lab) -> PathBuf {
        lab.work.join("packs").join(self.product).join("payload/debs")
    }

    /// The beginning of an agent's configuration: the product and its units.
    pub(crate) fn agent(&self, units: &[&str]) -> String {
        format!(
            "[[product]]\nname = \"{}\"\nroot = \"{}\"\n\n[product.service]\nkind = \"systemd\"\nunits = {units:?}\n\n",
            self.product,
            self.root()
        )
    }
}

/// Takes the backup that every such server has anyway, and lets it say so.
pub(crate) fn usual_backup(host: &Machine, what: &str, covers: &str) -> Result<()> {
    let script = "set -eu; mkdir -p /var/backups; tar --create --gzip --file /var/backups/usual.tar.gz $1 2>/dev/null; \
                  tar --list --gzip --file /var/backups/usual.tar.gz >/dev/null; \
                  printf '{\"taken_at\":\"%s\",\"covers\":[%s]}\\n' \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\" \"$2\" >/var/backups/proof.json";
    host.done(&["sh", "-c", script, "backup", what, covers], SHORT).map(drop)
}
