//! Builds that are Debian packages: made, installed and judged with dpkg itself, on a system that is not this machine's.

use crate::{
    packs::lay_payload,
    power::run,
    system,
    tree::{self, Tree},
};
use anyhow::{Result, ensure};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The package whose version is the product's build.
pub(crate) const PACKAGE: &str = "crash-ledger";
const HOME: &str = "/usr/lib/crash-ledger";
/// The service's program.
pub(crate) const PROGRAM: &str = "/usr/lib/crash-ledger/bin/ledger";
const CONFIG: &str = "/etc/crash-ledger.conf";
const LOCAL: &str = "changed on this host\n";
/// What packages and their scripts change. Logs and caches are no part of what was.
const TOPS: [&str; 4] = ["/etc", "/var/lib/dpkg", HOME, POLICY];
/// Refit's while packages' scripts run, and the machine's own before and after, if it has one.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Scripts do what scripts do: they leave something in `/etc`, say what they see, and ask before they start a service.
const CONFIGURED: &str = "#!/bin/sh
set -e
echo \"$2 then VERSION\" >> /etc/crash-ledger.log
if [ -x /usr/sbin/policy-rc.d ]; then /usr/sbin/policy-rc.d crash-ledger start || echo \"forbidden\" >> /etc/crash-ledger.log; fi
";

/// Makes the package of a build in `folder`, and from the second on one that comes with it.
pub(crate) fn make(folder: &Path, build: &str, ledger: &Path) -> Result<()> {
    let scratch = folder.with_file_name("make");
    let tree = scratch.join(PACKAGE);
    lay_payload(&tree.join(&HOME[1..]), build, ledger)?;
    fs::create_dir_all(tree.join("etc"))?;
    fs::write(tree.join(&CONFIG[1..]), format!("of {build}\n"))?;
    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control)?;
    fs::write(control.join("conffiles"), format!("{CONFIG}\n"))?;
    fs::write(control.join("postinst"), CONFIGURED.replace("VERSION", build))?;
    fs::set_permissions(control.join("postinst"), fs::Permissions::from_mode(0o755))?;
    pack(&tree, PACKAGE, build, "", folder)?;
    if build != "1000" {
        let tree = scratch.join("more");
        fs::create_dir_all(tree.join("usr/share/crash-more"))?;
        fs::write(tree.join("usr/share/crash-more/one"), "comes with it\n")?;
        let needs = format!("Depends: {PACKAGE} (>= {build})\n");
        pack(&tree, "crash-more", "1", &needs, folder)?;
    }
    Ok(fs::remove_dir_all(scratch)?)
}

fn pack(tree: &Path, name: &str, version: &str, fields: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(tree.join("DEBIAN"))?;
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\n{fields}Maintainer: owner <owner@example.org>\nDescription: walked\n"
    );
    fs::write(tree.join("DEBIAN/control"), control)?;
    fs::create_dir_all(folder)?;
    // Not packed: the walk would spend its time on that.
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Znone", "--build"])
        .arg(tree)
        .arg(file(folder, name, version)))
}

fn file(folder: &Path, name: &str, version: &str) -> PathBuf {
    folder.join(format!("{name}_{version}.deb"))
}

/// Installs the first build, as somebody did long ago, and changes its configuration.
pub(crate) fn install(folder: &Path, build: &str) -> Result<()> {
    ensure!(system::is_own(), "packages are installed on a system of the walk's own only");
    run(Command::new("dpkg").arg("--install").arg(file(folder, PACKAGE, build)))?;
    Ok(fs::write(CONFIG, LOCAL)?)
}

/// Everything that packages change.
pub(crate) fn system() -> Result<Tree> {
    let mut all = Tree::new();
    for top in TOPS.iter().map(Path::new).filter(|top| top.exists()) {
        if top.is_dir() {
            let name = |(path, node)| (format!("{}/{path}", top.display()), node);
            all.extend(tree::read(top)?.into_iter().map(name));
        } else {
            all.insert(top.display().to_string(), tree::look(top)?);
        }
    }
    Ok(all)
}

/// What is wrong with a system that is said to be as it was `before`.
pub(crate) fn judge_old(before: &Tree) -> Result<Vec<String>> {
    Ok(tree::differences("system", before, &system()?))
}

/// What is wrong with a system that is said to have `build`.
pub(crate) fn judge_new(build: &str, before: &Tree) -> Result<Vec<String>> {
    let (now, mut wrong) = (system()?, vec![]);
    if now.get(POLICY) != before.get(POLICY) {
        wrong.push(format!("{POLICY} is not what it was"));
    }
    for (package, version) in [(PACKAGE, build), ("crash-more", "1")] {
        let form = "--showformat=${db:Status-Abbrev}${Version}";
        let said = Command::new("dpkg-query").args(["--show", form, package]).output()?.stdout;
        let (said, expected) = (String::from_utf8_lossy(&said), format!("ii {version}"));
        if said != expected {
            wrong.push(format!("{package} is `{said}`, expected `{expected}`"));
        }
        // Silent when every file is the package's; the configuration is the host's.
        let said = Command::new("dpkg").args(["--verify", package]).output()?.stdout;
        let said = String::from_utf8_lossy(&said);
        let odd = said.lines().filter(|line| !line.contains(CONFIG));
        wrong.extend(odd.map(|line| format!("dpkg verifies: {line}")));
    }
    let config = fs::read_to_string(CONFIG)?;
    if config != LOCAL {
        wrong.push(format!("{CONFIG} is `{config}`, expected `{LOCAL}`"));
    }
    let ends = [".dpkg-new", ".dpkg-tmp", ".refit-undo"];
    let left = now.keys().filter(|path| ends.iter().any(|end| path.ends_with(end)));
    wrong.extend(left.map(|path| format!("system: {path} is left over")));
    Ok(wrong)
}
