//! Backups with nothing but the commands that users type: a real server, a real agent, a real ledger with its database.

use refit_testkit::free_port;
use serde_json::Value;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const REFIT: &str = env!("CARGO_BIN_EXE_refit");
const LIMIT: Duration = Duration::from_secs(60);

/// A program of another crate, which `cargo test` of the workspace and `./dev build` put beside ours.
fn neighbour(name: &str) -> PathBuf {
    let path = Path::new(REFIT).with_file_name(name);
    assert!(path.is_file(), "{} is not built: ./dev build", path.display());
    path
}

struct World {
    dir: tempfile::TempDir,
    server: String,
    ledger: u16,
    running: Vec<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The ledger outlives its agent: found by the folder that its program lies in.
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let program = fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if program.starts_with(self.dir.path()) {
                let _ = Command::new("kill").arg(entry.file_name()).status();
            }
        }
    }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        command.env("REFIT_SERVER", &self.server).env("REFIT_CA", self.path("server/ca.pem"));
        let token = ["operator.token", "admin.token"].map(|name| self.path(name));
        command
            .env("REFIT_TOKEN_FILE", token.iter().find(|path| path.exists()).unwrap_or(&token[1]));
        command.env("REFIT_STATE", self.path("state")).env("REFIT_AGENT_STATE", self.path("state"));
        command.env("REFIT_AGENT_CONFIG", self.path("agent.toml"));
        command
    }

    /// `refit`; it must end with `code`. Both of its outputs.
    #[track_caller]
    fn refit(&self, args: &[&str], code: i32) -> String {
        ended(&args.join(" "), &self.command(Path::new(REFIT), args).output().unwrap(), code)
    }

    /// `refit-agent backup` on the host; it must end with `code`.
    #[track_caller]
    fn host(&self, args: &[&str], code: i32) -> String {
        let state = self.path("state").display().to_string();
        let all = [&["backup", "--state", &state], args].concat();
        let output = self.command(&neighbour("refit-agent"), &all).output().unwrap();
        ended(&all.join(" "), &output, code)
    }

    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "late: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn start(&mut self, program: &Path, args: &[&str], log: &str) {
        let log = fs::File::create(self.path(log)).unwrap();
        let mut command = self.command(program, args);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push(command.spawn().unwrap());
    }

    fn new() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            server: format!("https://127.0.0.1:{}", free_port()),
            ledger: free_port(),
            running: Vec::new(),
        };
        let listen = world.server.trim_start_matches("https://").to_owned();
        world.start(
            Path::new(REFIT),
            &["server", "--state", "server", "--listen", &listen],
            "server.log",
        );
        world.until("the server answers", |world| {
            let copied = fs::copy(world.path("server/admin.token"), world.path("admin.token"));
            let list = world.command(Path::new(REFIT), &["user", "list"]).output().unwrap();
            copied.is_ok() && list.status.success()
        });
        let release = world.path("root/releases/1000");
        for folder in ["bin", "share"] {
            fs::create_dir_all(release.join(folder)).unwrap();
        }
        fs::copy(neighbour("ledger-1000"), release.join("bin/ledger")).unwrap();
        fs::write(release.join("share/build"), "1000").unwrap();
        fs::create_dir_all(world.path("root/data/files")).unwrap();
        symlink("releases/1000", world.path("root/current")).unwrap();
        for number in 0..50 {
            fs::write(world.path(&format!("root/data/files/{number}")), vec![b'a'; 2_000]).unwrap();
        }
        fs::write(world.path("password"), "a password\n").unwrap();
        let config = format!(
            "[backup]\nrepository = {:?}\npassword_file = {:?}\n[[product]]\nname = \"ledger\"\nroot = {:?}\n\
             [product.service]\nkind = \"supervised\"\nrun = [\"current/bin/ledger\", \"serve\"]\n\
             [product.parameters]\nport = \"{}\"\n[product.unit]\ndata = [\"data/files\"]\n\
             databases = {{ entries = {{ engine = \"sqlite\", path = \"data/ledger.db\" }} }}\n",
            world.path("mount/repository"),
            world.path("password"),
            world.path("root"),
            world.ledger
        );
        fs::write(world.path("agent.toml"), config).unwrap();
        let args = ["fleet", "token", "--site", "north", "--role", "app", "--host", "web-1"];
        let token = world.refit(&args, 0);
        let add = ["user", "add", "operator", "--right", "deployer", "--right", "planner"];
        let token = (token, world.refit(&add, 0));
        let (agent, state) = (neighbour("refit-agent"), world.path("state").display().to_string());
        let server = world.server.clone();
        let first = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
        fs::write(world.path("operator.token"), first(&token.1)).unwrap();
        let token = first(&token.0);
        let args = [
            "enroll", "--server", &server, "--host", "web-1", "--token", &token, "--state", &state,
        ];
        ended("enroll", &world.command(&agent, &args).output().unwrap(), 0);
        let config = world.path("agent.toml").display().to_string();
        world.start(&agent, &["run", "--state", &state, "--config", &config], "agent.log");
        world.until("the ledger runs", |world| world.count().is_some());
        world.until("the server has heard of it", |world| {
            world.refit(&["fleet", "list", "--json"], 0).contains("\"services\": \"running\"")
        });
        world
    }

    fn ask(&self, text: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ledger)).ok()?;
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn post(&self, id: &str) {
        let body = format!(r#"{{"id":"{id}","account":"till","amount":1}}"#);
        let length = body.len();
        let answer =
            self.ask(&format!("POST /entries HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert!(answer.as_ref().is_some_and(|answer| answer.contains(" 201 ")), "{answer:?}");
    }

    /// Entries in the ledger's database, when it answers.
    fn count(&self) -> Option<u64> {
        let answer = self.ask("GET /count HTTP/1.0\r\n\r\n")?;
        let body = answer.split("\r\n\r\n").nth(1)?;
        serde_json::from_str::<Value>(body).ok()?["count"].as_u64()
    }

    fn backups(&self) -> Vec<Value> {
        let listed =
            self.command(Path::new(REFIT), &["backup", "list", "web-1", "--json"]).output();
        let hosts: Value = serde_json::from_slice(&listed.unwrap().stdout).unwrap_or_default();
        hosts[0]["report"]["backups"].as_array().cloned().unwrap_or_default()
    }
}

#[track_caller]
fn ended(what: &str, output: &Output, code: i32) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{what}\n{out}\n{err}");
    format!("{out}\n{err}")
}

#[test]
fn backups_are_asked_for_proven_restored_scheduled_and_forgotten_by_commands() {
    let world = World::new();
    a_target_that_is_not_there_is_named_and_never_made(&world);
    a_unit_goes_and_comes_back_whole(&world);
    a_schedule_is_followed_and_its_retention_too(&world);
    what_does_not_fit_is_refused_before_anything_changes(&world);
    a_damaged_snapshot_is_found_and_never_restored(&world);
}

const WAIT: [&str; 3] = ["--wait", "--timeout", "60s"];

fn with_wait<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &WAIT].concat()
}

fn a_target_that_is_not_there_is_named_and_never_made(world: &World) {
    let told = world.refit(&with_wait(&["backup", "run", "web-1", "ledger"]), 1);
    assert!(told.contains("backup.repository-missing"), "{told}");
    assert!(told.contains("is the volume mounted?"), "{told}");
    assert!(!world.path("mount").exists(), "nothing is made where a volume should be");
    let alarms = world.refit(&["backup", "list"], 6);
    assert!(alarms.contains("no backup repository in"), "{alarms}");
    world.host(&["run", "ledger"], 1);
    world.host(&["init"], 0);
    world.host(&["init"], 1);
}

fn a_unit_goes_and_comes_back_whole(world: &World) {
    world.post("first");
    let told = world.refit(&with_wait(&["backup", "run", "web-1", "ledger", "--quiesce"]), 0);
    assert!(told.contains("kept as snapshot"), "{told}");
    let backups = world.backups();
    let [only] = backups.as_slice() else { panic!("{backups:?}") };
    assert_eq!((&only["stood_still"], &only["local"]), (&Value::Bool(true), &Value::Bool(true)));
    let id = only["id"].as_str().unwrap();
    world.until("the ledger runs again", |world| world.count() == Some(1));
    let shown = world.refit(&["backup", "show", "web-1", "ledger", "latest"], 0);
    assert!(shown.contains(id) && shown.contains("the product stood still"), "{shown}");
    let proof =
        world.refit(&with_wait(&["backup", "verify", "web-1", "ledger", id, "--scratch"]), 0);
    assert!(proof.contains("entries: ") && proof.contains("every page checked"), "{proof}");
    // Both halves change after it, and come back together.
    world.post("second");
    fs::write(world.path("root/data/files/7"), "spoilt").unwrap();
    fs::remove_file(world.path("root/data/files/8")).unwrap();
    fs::write(world.path("root/data/files/new"), "new").unwrap();
    // It is asked about, and nobody answers.
    world.refit(&with_wait(&["backup", "restore", "web-1", "ledger", id]), 2);
    let told = world.refit(&with_wait(&["backup", "restore", "web-1", "ledger", id, "--yes"]), 0);
    assert!(told.contains("what was there is kept in"), "{told}");
    world.until("the ledger is back at that moment", |world| world.count() == Some(1));
    assert_eq!(fs::read(world.path("root/data/files/7")).unwrap(), vec![b'a'; 2_000]);
    assert!(
        world.path("root/data/files/8").exists() && !world.path("root/data/files/new").exists()
    );
    // The volume of the repository is away: what lies on the host comes back all the same.
    let (mount, away) = (world.path("mount"), world.path("away"));
    fs::rename(&mount, &away).unwrap();
    world.post("while it is away");
    let told = world.host(&["verify", "ledger", id], 1);
    assert!(told.contains("backup.repository-missing"), "what was not read is no proof: {told}");
    world.host(&["restore", "ledger", "latest", "--yes"], 1);
    world.host(&["restore", "ledger", id, "--yes"], 0);
    world.until("the ledger is back without the repository", |world| world.count() == Some(1));
    fs::rename(&away, &mount).unwrap();
    // The host lost it, the repository has it: also without the server.
    fs::remove_dir_all(world.path("state/backups/ledger")).unwrap();
    world.post("third");
    let snapshot = only["snapshot"].as_str().unwrap();
    let told = world.host(&["restore", "ledger", &snapshot[..8], "--yes"], 0);
    assert!(told.contains("fetching it from the repository"), "{told}");
    world.until("the ledger is back once more", |world| world.count() == Some(1));
}

fn a_schedule_is_followed_and_its_retention_too(world: &World) {
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let at = soon.strftime("%H:%M:%S").to_string();
    let set = ["backup", "schedule", "set", "nightly", "--product", "ledger", "--at", &at];
    world.refit(
        &[
            &set[..],
            &["--keep-last", "1", "--keep-daily", "0", "--keep-weekly", "0"],
            &["--keep-monthly", "0", "--prove-every", "1"],
        ]
        .concat(),
        0,
    );
    assert!(world.refit(&["backup", "schedule", "list"], 0).contains("nightly"));
    world.until("the schedule is followed, and its backup proven", |world| {
        let scheduled =
            |view: &&Value| view["id"].as_str().is_some_and(|id| id.starts_with("scheduled"));
        world.backups().iter().find(scheduled).is_some_and(|view| !view["proven_at"].is_null())
    });
    let kept = world.backups().iter().filter(|view| !view["snapshot"].is_null()).count();
    assert_eq!(kept, 1, "the retention keeps the newest only: {:?}", world.backups());
    world.refit(&["backup", "schedule", "remove", "nightly"], 0);
    world.host(&["run", "ledger"], 0);
    let told = world.host(
        &[
            "forget",
            "ledger",
            "--keep-last",
            "1",
            "--keep-daily",
            "0",
            "--keep-weekly",
            "0",
            "--keep-monthly",
            "0",
            "--dry-run",
        ],
        0,
    );
    assert!(told.contains("would go"), "{told}");
    assert_eq!(world.host(&["list", "ledger", "--json"], 0).matches("\"snapshot\"").count(), 2);
}

fn what_does_not_fit_is_refused_before_anything_changes(world: &World) {
    let told = world.host(&["run", "abacus"], 3);
    assert!(told.contains("product `abacus` is not in the agent's configuration"), "{told}");
    let told = world.host(&["restore", "ledger", "no-such", "--yes"], 3);
    assert!(told.contains("no backup `no-such`"), "{told}");
    // The release that ran then is another now: files of one build under another's program would be worse than none.
    let build = world.path("root/releases/1000/share/build");
    fs::write(&build, "1000, changed by hand").unwrap();
    let before = world.count();
    let told = world.host(&["restore", "ledger", "latest", "--yes"], 7);
    assert!(told.contains("releases/1000"), "{told}");
    assert_eq!(world.count(), before, "the ledger was not even stopped");
    fs::write(&build, "1000").unwrap();
}

fn a_damaged_snapshot_is_found_and_never_restored(world: &World) {
    fs::remove_dir_all(world.path("state/backups/ledger")).unwrap();
    for folder in fs::read_dir(world.path("mount/repository/data")).unwrap().flatten() {
        for pack in fs::read_dir(folder.path()).unwrap().flatten() {
            let mut bytes = fs::read(pack.path()).unwrap();
            let middle = bytes.len() / 2;
            for byte in &mut bytes[..middle] {
                *byte ^= 0x5a;
            }
            let mut rights = fs::metadata(pack.path()).unwrap().permissions();
            #[expect(
                clippy::permissions_set_readonly_false,
                reason = "the folder goes with the test"
            )]
            rights.set_readonly(false);
            fs::set_permissions(pack.path(), rights).unwrap();
            fs::write(pack.path(), bytes).unwrap();
        }
    }
    let before = world.count();
    let verify = world
        .command(Path::new(REFIT), &with_wait(&["backup", "verify", "web-1", "ledger", "latest"]));
    let told = ended("verify", &{ verify }.output().unwrap(), 9);
    assert!(told.contains("is damaged") && !told.contains("rustic.cli.rs"), "{told}");
    world.host(&["check"], 9);
    let restore = world.host(&["restore", "ledger", "latest", "--yes"], 9);
    assert!(restore.contains("mount/repository is damaged"), "{restore}");
    assert_eq!(world.count(), before, "the ledger was not even stopped");
}
