//! Whether the machine needs a restart, and why.

use std::{cmp::Ordering, fs, path::Path};

/// Where Debian's packages ask for a restart, and name themselves.
const ASKED: &str = "run/reboot-required";
const ASKED_BY: &str = "run/reboot-required.pkgs";

/// Every reason that can be seen below `root`, the file system's top. `running` is the running kernel's release.
pub(crate) fn reasons(root: &Path, running: &str) -> Vec<String> {
    let mut found = vec![];
    if root.join(ASKED).exists() {
        let by = fs::read_to_string(root.join(ASKED_BY)).unwrap_or_default();
        let mut names: Vec<&str> = by.lines().filter(|line| !line.trim().is_empty()).collect();
        names.dedup();
        let by = if names.is_empty() { String::new() } else { format!(" by {}", names.join(", ")) };
        found.push(format!("/{ASKED} was written{by}"));
    }
    if let Some(newest) = newer_kernel(root, running.trim()) {
        found.push(format!("kernel {} runs and {newest} is installed", running.trim()));
    }
    found
}

/// The newest installed kernel of the same flavour when it is newer than the one that runs.
///
/// A container sees its host's kernel and has none installed.
fn newer_kernel(root: &Path, running: &str) -> Option<String> {
    let flavour = |release: &str| {
        release
            .rsplit('-')
            .next()
            .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
    };
    let entries = fs::read_dir(root.join("boot")).ok()?.flatten();
    let installed = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_prefix("vmlinuz-").map(str::to_owned)
    });
    let same: Vec<String> =
        installed.filter(|release| flavour(release) == flavour(running)).collect();
    // A machine that runs a kernel which is not installed here was booted from elsewhere.
    if !same.iter().any(|release| release == running)
        && !root.join("lib/modules").join(running).is_dir()
    {
        return None;
    }
    let newest = same.into_iter().max_by(|a, b| compare(a, b))?;
    (compare(&newest, running) == Ordering::Greater).then_some(newest)
}

/// Numbers as numbers, letters as letters: `6.1.0-9` is older than `6.1.0-10`.
fn compare(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b))
}

fn pieces(text: &str) -> Vec<(u64, String)> {
    let mut found = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..digits].parse().unwrap_or(0);
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        found.push((number, rest[..letters].to_owned()));
        rest = &rest[letters..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_kernels_are_named() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        assert_eq!(reasons(top.path(), "6.1.0-9-amd64"), Vec::<String>::new());
        fs::create_dir_all(at("run")).unwrap();
        fs::create_dir_all(at("boot")).unwrap();
        for kernel in ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-11-cloud-amd64x", "old"] {
            fs::write(at(&format!("boot/vmlinuz-{kernel}")), "").unwrap();
        }
        fs::write(at(ASKED), "").unwrap();
        fs::write(at(ASKED_BY), "libc6\nlibc6\ndbus\n").unwrap();
        let found = reasons(top.path(), "6.1.0-9-amd64\n");
        assert_eq!(
            found,
            [
                "/run/reboot-required was written by libc6, dbus",
                "kernel 6.1.0-9-amd64 runs and 6.1.0-10-amd64 is installed"
            ]
        );
        assert_eq!(reasons(top.path(), "6.1.0-10-amd64").len(), 1);
        // A container that sees a kernel of its host.
        assert_eq!(reasons(top.path(), "5.10.0-1-amd64").len(), 1);
    }
}
