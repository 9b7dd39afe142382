//! The manifest and read-me that a person completes.

use super::ImportOptions;
use crate::{ForgeError, pack::MANIFEST_FILE};
use refit_names::{BuildId, ProductName};
use std::{fs, path::Path};

/// What an archive tells about itself.
#[derive(Default)]
pub(super) struct Told {
    pub(super) product: Option<String>,
    pub(super) build: Option<String>,
    pub(super) title: Option<String>,
    pub(super) arch: Option<String>,
}

/// Endings that are no part of a name.
const ENDINGS: [&str; 12] = [
    ".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".txz", ".tzst", ".tar", ".zip", ".deb", ".gz",
    ".xz", ".zst",
];

/// Writes `pack.yaml` and `README.md` and returns what they call the product and the build.
pub(super) fn write(
    folder: &Path,
    from: &Path,
    told: &Told,
    options: &ImportOptions,
    has_twins: bool,
) -> Result<(ProductName, BuildId), ForgeError> {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    let (stem_name, stem_build) = split(stem);
    let product = named(told.product.as_deref().unwrap_or(stem_name), "product");
    let build = named(told.build.as_deref().unwrap_or(stem_build.unwrap_or("1")), "1");
    let unnamed = |error: refit_names::NameError| ForgeError::UnfitTree {
        path: from.to_owned(),
        why: error.to_string(),
    };
    let product = options.product.clone().map_or_else(|| ProductName::parse(product), Ok);
    let to = options.to.clone().map_or_else(|| BuildId::parse(build), Ok);
    let (product, to) = (product.map_err(unnamed)?, to.map_err(unnamed)?);
    let title = told.title.clone().unwrap_or_else(|| format!("{product} {to}"));
    let text = manifest(&product, &to, &title, told.arch.as_deref(), options, has_twins);
    let manifest = folder.join(MANIFEST_FILE);
    fs::write(&manifest, text).map_err(ForgeError::write(&manifest))?;
    let readme = folder.join("README.md");
    let text = format!(
        "# {product} {to}\n\n## What changes\n\n## What to know before\n\n## Whom to ask\n"
    );
    fs::write(&readme, text).map_err(ForgeError::write(&readme))?;
    Ok((product, to))
}

/// `ledger-1.2` and `ledger_1.2_amd64` into name and build.
fn split(stem: &str) -> (&str, Option<&str>) {
    let at = stem.char_indices().zip(stem.chars().skip(1)).find_map(|((at, c), next)| {
        (matches!(c, '-' | '_') && next.is_ascii_digit()).then_some(at)
    });
    at.map_or((stem, None), |at| (&stem[..at], Some(&stem[at + 1..])))
}

/// A name made of what there is: other characters become `-`.
fn named(text: &str, otherwise: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { otherwise.to_owned() } else { name.chars().take(200).collect() }
}

fn manifest(
    product: &ProductName,
    to: &BuildId,
    title: &str,
    arch: Option<&str>,
    options: &ImportOptions,
    has_twins: bool,
) -> String {
    let from: Vec<String> = options.from.iter().map(|build| format!("\"{build}\"")).collect();
    let title: String = title.chars().filter(|c| !c.is_control()).take(200).collect();
    let title = title.replace('\\', "\\\\").replace('"', "\\\"");
    let arch = match arch {
        Some("amd64") => "  arch: [x86_64]\n",
        Some("arm64") => "  arch: [aarch64]\n",
        _ => "",
    };
    let case = if has_twins { "  case_sensitive: true\n" } else { "" };
    format!(
        "# Made by `refit pack import`. `refit pack lint` tells what is still to be filled in.\n\
         format: refit.pack/1\n\
         product: {product}\n\
         # Builds that this pack can upgrade.\n\
         from: [{}]\n\
         to: \"{to}\"\n\
         # minor, service-pack or feature\n\
         kind: service-pack\n\
         title: \"{title}\"\n\
         readme: README.md\n\
         payload: payload\n\
         # What is saved and restored together, below the product's root and outside of its releases.\n\
         unit:\n  data: []\n\
         requirements:\n  os: [linux]\n{arch}{case}\
         # runbook: runbook.yaml\n\
         # web: web\n\
         # estimate: {{ p50_ms: 60000, p95_ms: 300000, undo_p95_ms: 300000 }}\n",
        from.join(", ")
    )
}
