//! A throw-away PostgreSQL: own folder, Unix socket only, gone when dropped.

use anyhow::{Context as _, bail};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Where Debian puts each version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root; this account exists everywhere and owns nothing.
const UNPRIVILEGED: &str = "nobody";

/// A running server.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
}

impl Postgres {
    /// Starts one, or says loudly that the tests that need it are left out.
    ///
    /// With `CI` or `REFIT_TEST_ALL` set, a machine without PostgreSQL is an error, never a silent gap.
    ///
    /// # Errors
    /// When PostgreSQL is missing on a machine that must have it, or does not start.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(programs) = programs() else {
            let must = ["CI", "REFIT_TEST_ALL"].iter().any(|name| std::env::var_os(name).is_some());
            if must {
                bail!("PostgreSQL is missing: install Debian's package `postgresql`");
            }
            say(
                "SKIPPED: PostgreSQL is missing (Debian's package `postgresql`); its tests did not run",
            );
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("refit-pg-").tempdir_in("/tmp")?;
        let server = Self { folder, programs };
        // The unprivileged account must be able to enter.
        fs::set_permissions(server.folder.path(), fs::Permissions::from_mode(0o755))?;
        let data = server.folder.path().join("data");
        fs::create_dir(&data)?;
        if is_root() {
            run(Command::new("chown").arg("-R").arg(UNPRIVILEGED).arg(server.folder.path()))?;
        }
        let path = data.display().to_string();
        server.run(
            "initdb",
            &["-D", &path, "-U", "refit", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        )?;
        let socket = server.folder.path().display();
        let options = format!("-c listen_addresses='' -c fsync=off -k {socket}");
        let log = server.folder.path().join("log").display().to_string();
        server
            .run("pg_ctl", &["-D", &path, "-o", &options, "-l", &log, "-w", "-t", "60", "start"])?;
        Ok(Some(server))
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        let socket = self.folder.path().display().to_string();
        self.run("createdb", &["-h", &socket, "-U", "refit", name])?;
        let host = socket.replace('/', "%2F");
        Ok(format!("postgres://refit@{host}/{name}"))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let user = format!("--reuid={UNPRIVILEGED}");
            command.args([&user, "--regid=nogroup", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        run(command.args(arguments).current_dir(self.folder.path()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data").display().to_string();
        if let Err(error) = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]) {
            say(&format!("throw-away PostgreSQL did not stop: {error:#}"));
        }
    }
}

/// The newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten().map(|entry| entry.path().join("bin"));
    let whole = |path: &PathBuf| path.join("initdb").is_file() && path.join("pg_ctl").is_file();
    let number = |path: &PathBuf| {
        let version = path.parent().and_then(Path::file_name)?.to_str()?;
        version.parse::<u32>().ok()
    };
    versions.filter(whole).max_by_key(number)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    // The server inherits what is open: with pipes the call would wait for its end.
    let log = tempfile::tempfile()?;
    let (out, err) = (log.try_clone()?, log.try_clone()?);
    let status = command.stdin(Stdio::null()).stdout(out).stderr(err).status();
    let status = status.with_context(|| format!("failed to run {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    use std::io::{Read as _, Seek as _};
    let (mut log, mut text) = (log, String::new());
    log.rewind()?;
    log.read_to_string(&mut text)?;
    bail!("{command:?} ended with {status}: {text}")
}

fn say(line: &str) {
    use std::io::Write as _;
    // Not `eprintln!`: the test harness swallows that when the test passes.
    let _ = writeln!(std::io::stderr(), "{line}");
}
