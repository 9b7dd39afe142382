//! Three releases of the ledger, two packs between them, one signed repository.

use crate::{DemoError, DemoOptions, Ground, children};
use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Builds in the order in which they follow each other.
pub(crate) const BUILDS: [&str; 3] = ["1000", "1100", "1200"];
/// Size of what is another in every release, and as large as a map.
const MAP_BYTES: usize = 256 << 10;
/// Help texts; each release rewrites some of them.
const HELP_PAGES: u32 = 60;

/// What was built.
pub(crate) struct Releases {
    /// Folders with the three release trees, in the order of [`BUILDS`].
    pub(crate) trees: [PathBuf; 3],
}

/// The schema that a build works with.
pub(crate) const fn schema_of(build: &[u8]) -> u32 {
    if matches!(build, b"1200") { 2 } else { 1 }
}

/// Files of a pack beside its payload, as they stand in `examples/ledger/packs`.
macro_rules! pack_files {
    ($build:literal) => {
        [
            (
                "pack.yaml",
                include_str!(concat!("../../../../examples/ledger/packs/", $build, "/pack.yaml")),
            ),
            (
                "runbook.yaml",
                include_str!(concat!(
                    "../../../../examples/ledger/packs/",
                    $build,
                    "/runbook.yaml"
                )),
            ),
            (
                "README.md",
                include_str!(concat!("../../../../examples/ledger/packs/", $build, "/README.md")),
            ),
            (
                "web/index.html",
                include_str!(concat!(
                    "../../../../examples/ledger/packs/",
                    $build,
                    "/web/index.html"
                )),
            ),
        ]
    };
}

/// Builds releases and packs, and publishes the packs.
pub(crate) async fn build(ground: &Ground, options: &DemoOptions) -> Result<Releases, DemoError> {
    let packs = ground.folder("packs")?;
    let (keys, repository) = (ground.folder("keys")?, ground.dir().join("repository"));
    let mut trees = Vec::new();
    for build in BUILDS {
        let tree = packs.join(build).join("payload");
        release(options, build, &tree).await?;
        trees.push(tree);
    }
    let refit = options.refit.as_path();
    let mut made = Vec::new();
    for (build, files) in [("1100", pack_files!("1100")), ("1200", pack_files!("1200"))] {
        let folder = packs.join(build);
        for (name, text) in files {
            write(&folder.join(name), options.load.adapted(name, text).as_bytes())?;
        }
        children::run(
            refit,
            &[
                "pack".as_ref(),
                "build".as_ref(),
                folder.as_os_str(),
                "--out".as_ref(),
                packs.as_os_str(),
            ],
            &[],
        )
        .await?;
        made.push(packs.join(format!("ledger-{build}.refit")));
    }
    let keys = keys.as_os_str();
    children::run(
        refit,
        &["repo".as_ref(), "init".as_ref(), repository.as_os_str(), "--keys".as_ref(), keys],
        &[],
    )
    .await?;
    let mut publish =
        vec!["repo".as_ref(), "publish".as_ref(), repository.as_os_str(), "--keys".as_ref(), keys];
    publish.extend(made.iter().map(|pack| pack.as_os_str()));
    children::run(refit, &publish, &[]).await?;
    let trees = <[PathBuf; 3]>::try_from(trees).map_err(|_| DemoError::value("three releases"))?;
    Ok(Releases { trees })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(DemoError::io("make", folder))?;
    }
    fs::write(path, bytes).map_err(DemoError::io("write", path))
}

/// The tree of one release: the program, its build's name, pictures that never change and texts of which some do.
async fn release(options: &DemoOptions, build: &str, tree: &Path) -> Result<(), DemoError> {
    let program = options.ledgers.join(format!("ledger-{build}"));
    if !program.is_file() {
        return Err(DemoError::NoProgram { path: program, hint: "build it with ./dev build" });
    }
    let bin = tree.join("bin/ledger");
    write(&bin, &[])?;
    // A product ships without debugging information. Where binutils are missing, the pack is larger.
    if children::run(
        Path::new("strip"),
        &["-o".as_ref(), bin.as_os_str(), program.as_os_str()],
        &[],
    )
    .await
    .is_err()
    {
        fs::copy(&program, &bin).map_err(DemoError::io("copy", &program))?;
    }
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755))
        .map_err(DemoError::io("write", &bin))?;
    write(&tree.join("share/build"), format!("{build}\n").as_bytes())?;
    write(
        &tree.join("share/pictures.bin"),
        &noise("pictures", options.release_mib as usize * (1 << 20)),
    )?;
    write(&tree.join("share/map.bin"), &noise(&format!("map of {build}"), MAP_BYTES))?;
    for page in 0..HELP_PAGES {
        write(&tree.join(format!("share/help/page-{page:02}.txt")), help(build, page).as_bytes())?;
    }
    Ok(())
}

/// The same bytes for the same name, and no pattern that a compressor finds (xorshift).
pub(crate) fn noise(name: &str, length: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A help text; every fifth page is new in each release.
fn help(build: &str, page: u32) -> String {
    const WORDS: [&str; 16] = [
        "account", "entry", "sum", "booking", "amount", "cent", "balance", "month", "close",
        "open", "report", "ledger", "column", "row", "page", "total",
    ];
    let edition = if page.is_multiple_of(5) { build } else { "1000" };
    let mut text = format!("Help, page {page}, edition {edition}\n");
    for (index, byte) in noise(&format!("help {page} {edition}"), 6_000).into_iter().enumerate() {
        let separator = if index % 12 == 11 { '\n' } else { ' ' };
        // Writing to a text cannot fail.
        let _ = write!(text, "{}{separator}", WORDS[usize::from(byte % 16)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_of_the_ledger_are_lawful() {
        for files in [pack_files!("1100"), pack_files!("1200")] {
            refit_packs::manifest::parse(files[0].1).unwrap();
            refit_packs::runbook::parse(files[1].1).unwrap();
            let database = Some("postgres:///x".to_owned());
            let load = crate::Load { files: 1, mib: 1, database };
            let unit = refit_packs::manifest::parse(&load.adapted(files[0].0, files[0].1)).unwrap();
            assert_eq!((unit.unit.data.len(), unit.unit.databases.len()), (2, 2));
            let runbook = load.adapted(files[1].0, files[1].1);
            refit_packs::runbook::parse(&runbook).unwrap();
            assert!(runbook.contains("id: ahead"), "{runbook}");
        }
    }

    #[test]
    fn every_fifth_help_page_is_new_in_a_release() {
        let changed =
            (0..HELP_PAGES).filter(|page| help("1000", *page) != help("1100", *page)).count();
        assert_eq!(changed, 12);
    }
}
