//! What a host's disk and units look like, as its own tools tell it, so that a way back can be compared with the start.

use crate::machine::Machine;
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// Reading half a gigabyte while compilers run beside it.
const LIMIT: Duration = Duration::from_secs(180);
/// Lines that a difference names.
const NAMED: usize = 12;

/// Versions of all packages, what `dpkg --verify` finds, and a digest of every file of programs, configuration and dpkg's records.
/// Left out: what Python writes beside its modules, what dpkg keeps of yesterday, and the agent's own folder. Of the print queues,
/// which CUPS writes anew with each job, all but the time of the last one.
const DISK: &str = r"
dpkg-query --show --showformat='package ${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n'
dpkg --verify | sed 's/^/verify /' || :
find /usr /etc /var/lib/dpkg -xdev -type f \
  ! -path '*/__pycache__/*' ! -path '/etc/refit/*' ! -path '*-old' ! -path '*/lock*' ! -path '/usr/local/bin/refit-agent' \
  ! -path '/etc/cups/printers.conf*' -print0 |
  sort -z | xargs -0 sha256sum | sed 's/^/file /'
[ ! -e /etc/cups/printers.conf ] || sed '/^StateTime /d; s/^/queue /' /etc/cups/printers.conf
";

/// Packages and files of a host.
pub(crate) fn disk(host: &Machine) -> Result<String> {
    host.done(&["sh", "-c", DISK], LIMIT)
}

/// Whether each unit runs, and whether a boot starts it.
pub(crate) fn units(host: &Machine, units: &[&str]) -> Result<String> {
    let script = "for unit; do echo \"$unit $(systemctl is-active \"$unit\") $(systemctl is-enabled \"$unit\" 2>/dev/null)\"; done";
    let mut words = vec!["sh", "-c", script, "units"];
    words.extend(units);
    host.done(&words, LIMIT)
}

/// Versions by package, from [`disk`].
pub(crate) fn versions(disk: &str) -> BTreeMap<String, String> {
    let packages = disk.lines().filter_map(|line| line.strip_prefix("package "));
    let pairs = packages.filter_map(|line| {
        let mut words = line.split(' ');
        let name = words.next()?.split(':').next()?;
        Some((name.to_owned(), words.next()?.to_owned()))
    });
    pairs.collect()
}

/// Fails with the first lines that differ.
pub(crate) fn same(before: &str, after: &str) -> Result<()> {
    let lost = before.lines().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.lines().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    let differences: Vec<String> = lost.chain(new).take(NAMED).collect();
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Every package that the pack carries, if the host has it, is there in the carried version.
pub(crate) fn carried_are_there(debs: &Path, disk: &str) -> Result<usize> {
    let installed = versions(disk);
    let mut count = 0;
    for entry in
        std::fs::read_dir(debs).with_context(|| format!("failed to list {}", debs.display()))?
    {
        let path = entry?.path();
        let fields = crate::process::done(
            std::process::Command::new("dpkg-deb")
                .args(["--show", "--showformat=${Package} ${Version}"])
                .arg(&path),
            LIMIT,
        )?;
        let (name, version) = fields.trim().split_once(' ').context("dpkg-deb names no version")?;
        if let Some(found) = installed.get(name) {
            ensure!(found == version, "{name}: expected {version}, found {found}");
            count += 1;
        }
    }
    ensure!(count > 0, "none of the carried packages is installed");
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_named() {
        let error = same("file a 1\nfile b 2\n", "file a 1\nfile b 3\n").unwrap_err().to_string();
        assert!(error.contains("- file b 2") && error.contains("+ file b 3"), "{error}");
        same("x\n", "x\n").unwrap();
    }

    #[test]
    fn versions_are_read() {
        let found = versions("package samba:amd64 2:4.17 ii \nverify x\n");
        assert_eq!(found.get("samba").map(String::as_str), Some("2:4.17"));
    }
}
