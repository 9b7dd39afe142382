//! The walk of one update with nothing but the commands that users type: two hosts, one of which comes back.

use refit_testkit::free_port;
use serde_json::Value;
use std::{
    fs,
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

/// A folder, the programs that run in it, and the token that the next command uses.
struct World {
    dir: tempfile::TempDir,
    server: String,
    running: Vec<Child>,
}

impl World {
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs `refit` as the person with this token.
    fn refit(&self, person: &str, args: &[&str]) -> Output {
        Command::new(REFIT)
            .current_dir(self.dir.path())
            .env("REFIT_SERVER", &self.server)
            .env("REFIT_CA", self.path("server/ca.pem"))
            .env("REFIT_TOKEN_FILE", self.path(&format!("{person}.token")))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same; it must end with `code`. The answer is its standard output.
    #[track_caller]
    fn ends(&self, person: &str, args: &[&str], code: i32) -> String {
        let output = self.refit(person, args);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "refit {args:?} as {person}\n{out}\n{err}");
        out.into_owned()
    }

    /// What a person on the host types; it must end with `code`. The answer is its standard output and standard error.
    #[track_caller]
    fn backup_of(&self, host: &str, args: &[&str], code: i32) -> (String, String) {
        let (state, config) =
            (self.path(&format!("{host}/state")), self.path(&format!("{host}/agent.toml")));
        let output = Command::new(neighbour("refit-agent"))
            .args(["backup", "--state", &state, "--config", &config])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let [out, err] =
            [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
        assert_eq!(output.status.code(), Some(code), "backup {args:?}\n{out}\n{err}");
        (out, err)
    }

    fn start(&mut self, program: &Path, args: &[&str], log: &str) {
        let log = fs::File::create(self.dir.path().join(log)).unwrap();
        let child = Command::new(program)
            .current_dir(self.dir.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.push(child);
    }

    /// Publishes both packs of the ledger and starts the server over them.
    fn new() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            server: format!("https://127.0.0.1:{}", free_port()),
            running: Vec::new(),
        };
        let packs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/ledger/packs");
        for build in ["1000", "1100", "1200"] {
            let payload = world.dir.path().join(build).join("payload");
            fs::create_dir_all(payload.join("bin")).unwrap();
            fs::create_dir_all(payload.join("share")).unwrap();
            fs::create_dir_all(world.dir.path().join(build).join("web")).unwrap();
            fs::copy(neighbour(&format!("ledger-{build}")), payload.join("bin/ledger")).unwrap();
            fs::write(payload.join("share/build"), build).unwrap();
        }
        for build in ["1100", "1200"] {
            for file in ["pack.yaml", "runbook.yaml", "README.md", "web/index.html"] {
                let from = Path::new(packs).join(build).join(file);
                fs::copy(from, world.dir.path().join(build).join(file)).unwrap();
            }
            if build == "1200" {
                world.add_parts(build);
            }
            world.ends("nobody", &["pack", "build", build], 0);
        }
        world.ends("nobody", &["repo", "init", "repo", "--keys", "keys"], 0);
        let publish =
            ["repo", "publish", "repo", "--keys", "keys", "ledger-1100.refit", "ledger-1200.refit"];
        world.ends("nobody", &publish, 0);
        // As on a closed site: the server has what came on a medium.
        let root = "repo/metadata/1.root.json";
        for args in [
            &["repo", "export", "usb", "--repository", "repo", "--product", "ledger"][..],
            &["repo", "import", "usb", "--into", "site", "--root", root],
        ] {
            let done = Command::new(REFIT).current_dir(world.dir.path()).args(args).output();
            assert!(done.unwrap().status.success(), "{args:?}");
        }
        fs::rename(world.path("repo"), world.path("elsewhere")).unwrap();
        let listen = world.server.trim_start_matches("https://").to_owned();
        let (metadata, targets) = (
            format!("file://{}/", world.path("site/metadata")),
            format!("file://{}/", world.path("site/targets")),
        );
        let args = [
            "server",
            "--state",
            "server",
            "--listen",
            &listen,
            "--repository-metadata",
            &metadata,
            "--repository-targets",
            &targets,
            "--repository-root",
            "elsewhere/metadata/1.root.json",
        ];
        world.start(Path::new(REFIT), &args, "server.log");
        world.until("the server answers", |world| {
            let copied = fs::copy(world.path("server/admin.token"), world.path("admin.token"));
            copied.is_ok() && world.refit("admin", &["user", "list"]).status.success()
        });
        world
    }

    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "late: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Two optional parts: one that is installed by default, and one that is not.
    fn add_parts(&self, build: &str) {
        let folder = self.dir.path().join(build);
        for part in ["manual", "samples"] {
            fs::create_dir(folder.join("payload/share").join(part)).unwrap();
            fs::write(folder.join("payload/share").join(part).join("text"), part).unwrap();
        }
        let manifest = fs::read_to_string(folder.join("pack.yaml")).unwrap();
        let parts = "parts:\n  manual: { title: Manual, paths: [share/manual] }\n  \
                     samples: { title: Samples, default: false, paths: [share/samples] }\n";
        fs::write(folder.join("pack.yaml"), manifest + parts).unwrap();
    }

    fn add_user(&self, name: &str, rights: &[&str]) {
        let mut args = vec!["user", "add", name];
        args.extend(rights.iter().flat_map(|right| ["--right", *right]));
        let token = self.ends("admin", &args, 0);
        fs::write(self.dir.path().join(format!("{name}.token")), token).unwrap();
    }

    /// An installation of build 1000 with its agent; the answer is the ledger's port.
    fn add_host(&mut self, name: &str) -> u16 {
        let (home, port) = (self.dir.path().join(name), free_port());
        let release = home.join("root/releases/1000");
        for folder in ["bin", "share"] {
            fs::create_dir_all(release.join(folder)).unwrap();
        }
        for file in ["bin/ledger", "share/build"] {
            fs::copy(self.dir.path().join("1000/payload").join(file), release.join(file)).unwrap();
        }
        fs::create_dir(home.join("root/data")).unwrap();
        symlink("releases/1000", home.join("root/current")).unwrap();
        let config = format!(
            "[[product]]\nname = \"ledger\"\nroot = {:?}\n[product.service]\nkind = \"supervised\"\n\
             run = [\"current/bin/ledger\", \"serve\"]\n[product.parameters]\nport = \"{port}\"\n",
            home.join("root")
        );
        fs::write(home.join("agent.toml"), config).unwrap();
        let token = self.ends(
            "admin",
            &["fleet", "token", "--site", "north", "--role", "app", "--host", name],
            0,
        );
        let (state, config) =
            (self.path(&format!("{name}/state")), self.path(&format!("{name}/agent.toml")));
        let enroll = |state: &str| {
            let args = [
                "enroll",
                "--server",
                &self.server,
                "--host",
                name,
                "--token",
                token.trim(),
                "--state",
                state,
            ];
            Command::new(neighbour("refit-agent")).args(args).output().unwrap()
        };
        assert!(enroll(&state).status.success());
        assert_eq!(enroll(&self.path("again")).status.code(), Some(4), "a token works once");
        self.start(
            &neighbour("refit-agent"),
            &["run", "--state", &state, "--config", &config],
            &format!("{name}.log"),
        );
        port
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Services outlive their agents: found by the folder that their program lies in.
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name();
            let program = fs::read_link(entry.path().join("exe")).unwrap_or_default();
            if program.starts_with(self.dir.path()) {
                let _ = Command::new("kill").arg(pid).status();
            }
        }
    }
}

fn post(port: u16, account: &str) {
    use std::io::{Read as _, Write as _};
    let body = format!(r#"{{"id":"{account}","account":"{account}","amount":1}}"#);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "POST /entries HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 201 "), "{answer}");
}

#[test]
fn one_walk_by_commands_ends_with_6_when_a_host_came_back() {
    let mut world = World::new();
    for (name, rights) in [
        ("planner", &["planner"][..]),
        ("owner", &["approver", "application-owner"]),
        ("preparer", &["preparer"]),
        ("authoriser", &["authoriser"]),
        ("configurer", &["configurer"]),
        ("deployer", &["deployer"]),
    ] {
        world.add_user(name, rights);
    }
    let list =
        "name,site,role,owner,criticality\nweb-1,north,app,owner,low\nweb-2,north,app,owner,high\n";
    fs::write(world.path("servers.csv"), list).unwrap();
    world.ends("planner", &["fleet", "import", "servers.csv"], 0);
    world.add_host("web-1");
    let bad = world.add_host("web-2");
    world.until("both services run", |world| {
        world
            .ends("planner", &["fleet", "list", "--json"], 0)
            .matches("\"services\": \"running\"")
            .count()
            == 2
    });
    post(bad, "Harbour");
    post(bad, "harbour");

    world.ends(
        "planner",
        &["updates", "path", "--product", "ledger", "--from", "1200", "--to", "1200"],
        7,
    );
    let create = [
        "rollout",
        "create",
        "spring",
        "--product",
        "ledger",
        "--target",
        "1200",
        "--share",
        "50",
        "--share",
        "50",
        "--goal",
        "0",
        "--soak",
        "100ms",
        "--part",
        "samples",
        "--without",
        "manual",
    ];
    let unknown = create.map(|word| if word == "samples" { "sample" } else { word });
    let refused = world.refit("planner", &unknown);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("`samples`"), "{said}");
    world.ends("planner", &create, 0);
    world.ends("preparer", &["rollout", "prepare", "spring"], 7);
    let plan: Value =
        serde_json::from_str(&world.ends("planner", &["rollout", "plan", "spring", "--json"], 0))
            .unwrap();
    let hash = plan["hash"].as_str().unwrap();
    world.ends("planner", &["rollout", "agree", "spring", "--plan", hash], 4);
    world.ends("owner", &["rollout", "agree", "spring"], 2);
    world.ends("owner", &["rollout", "agree", "spring", "--plan", hash], 0);
    world.ends("preparer", &["rollout", "prepare", "spring", "--wait", "--timeout", "60s"], 0);
    world.ends("deployer", &["rollout", "deploy", "spring"], 7);
    world.ends("authoriser", &["rollout", "authorise", "spring", "--plan", hash], 0);
    world.ends("configurer", &["rollout", "configure", "spring"], 0);
    let why = world.ends("planner", &["rollout", "why", "spring", "web-2"], 0);
    assert!(why.contains("not deployed"), "{why}");
    world.ends("deployer", &["rollout", "deploy", "spring", "--wait", "--timeout", "60s"], 6);
    world.ends("planner", &["rollout", "watch", "spring"], 6);
    let status = world.ends("planner", &["rollout", "status", "spring"], 0);
    assert!(
        status.contains("succeeded at build 1200") && status.contains("row 2 (entry `harbour`)"),
        "{status}"
    );

    let why = world.ends("planner", &["rollout", "why", "spring", "web-2"], 0);
    let aside = why.split("what was there is kept in ").nth(1).unwrap_or_else(|| panic!("{why}"));
    let aside = Path::new(aside.lines().next().unwrap());
    assert!(why.contains("\nrestored: 1 database and ") && aside.is_dir(), "{why}");
    let name = aside.file_name().unwrap().to_str().unwrap();
    let (listed, _) = world.backup_of("web-2", &["aside"], 0);
    assert!(listed.contains(name) && listed.contains(&aside.display().to_string()), "{listed}");
    let (_, said) = world.backup_of("web-2", &["discard", "ledger", name], 1);
    assert!(said.contains("error[backup.not-confirmed]: ") && aside.is_dir(), "{said}");
    let sealed = name.split(".abandoned-").next().unwrap();
    let (_, said) = world.backup_of("web-2", &["discard", "ledger", sealed, "--yes"], 3);
    assert!(said.contains("error[backup.nothing-aside]: "), "{said}");
    for args in [&["aside", "ledgr"][..], &["discard", "ledgr", name, "--yes"]] {
        let (_, said) = world.backup_of("web-2", args, 3);
        assert!(said.contains("error[backup.no-product]: ") && said.contains("ledger"), "{said}");
    }
    world.backup_of("web-2", &["discard", "ledger", name, "--yes"], 0);
    assert!(!aside.exists() && aside.with_file_name(sealed).is_dir());
    assert_eq!(world.backup_of("web-2", &["aside"], 0).0.trim(), "nothing is kept aside");

    let release = world.dir.path().join("web-1/root/releases/1200/share");
    assert!(release.join("samples/text").is_file() && !release.join("manual").exists());
    for host in ["web-1", "web-2"] {
        world.ends("deployer", &["signoff", "sign", "spring", host, "--as", "deployer"], 0);
        world.ends("owner", &["signoff", "sign", "spring", host, "--as", "application-owner"], 0);
    }
    world.ends("owner", &["signoff", "export", "spring", "--out", "certificates"], 0);
    let certificates = fs::read_dir(world.path("certificates")).unwrap().flatten();
    let signed: Vec<_> = certificates
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    assert_eq!(signed.len(), 2);
    for file in signed {
        let file = file.display().to_string();
        world.ends(
            "nobody",
            &["signoff", "verify", &file, "--key", "certificates/signoff.pub.pem"],
            0,
        );
    }
    // And what proves it goes back the same way.
    world.ends("owner", &["signoff", "export", "--all", "--out", "usb/evidence"], 0);
    let evidence = ["signoff", "import", "usb/evidence", "--into", "archive", "--key"];
    let key = "certificates/signoff.pub.pem";
    world.ends("nobody", &[&evidence[..], &[key]].concat(), 0);
    world.ends("planner", &["rollout", "status", "autumn"], 3);
    finished_host_comes_back(&world);
}

/// The plan of the way back names the command that takes a finished host back, two builds at once.
#[track_caller]
fn finished_host_comes_back(world: &World) {
    let back = |wave: &str| {
        world.ends("planner", &["rollout", "plan", "spring", "--rollback", wave, "--json"], 0)
    };
    let backup = || -> Option<String> {
        let plan: Value = serde_json::from_str(&back("wave-1")).unwrap();
        let host = &plan["hosts"][0];
        assert_eq!((&host["host"], &host["to"]), (&"web-1".into(), &"1000".into()), "{plan}");
        Some(host["backup"].as_str()?.to_owned())
    };
    world.until("the agent has told of its order's backups", |_| backup().is_some());
    let restore = ["backup", "restore", "web-1", "ledger", &backup().unwrap(), "--yes", "--wait"];
    world.ends("deployer", &restore, 0);
    let current = fs::read_link(world.path("web-1/root/current")).unwrap();
    assert_eq!(current, Path::new("releases/1000"));
    let fleet =
        world.ends("planner", &["fleet", "list", "--json", "--where", "name == \"web-1\""], 0);
    assert!(fleet.contains("\"build\": \"1000\""), "{fleet}");
}

/// A moment so many seconds from now, as `--starts` in UTC takes it.
fn soon(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[test]
fn host_waits_for_its_window_and_a_freeze_halts_what_has_not_begun() {
    let mut world = World::new();
    world.add_user("all", &["planner", "preparer", "configurer", "deployer"]);
    world.add_user("owner", &["approver", "authoriser"]);
    world.add_host("web-1");
    world.until("its service runs", |world| {
        world.ends("all", &["fleet", "list", "--json"], 0).contains("\"services\": \"running\"")
    });
    let create = ["rollout", "create", "spring", "--product", "ledger", "--target", "1100"];
    world.ends("all", &[&create[..], &["--soak", "100ms"]].concat(), 0);
    // Long enough to agree and prepare in, on a slow machine too.
    let add = ["window", "add", "soon", "--zone", "UTC", "--for", "10m", "--class", "out-of-hours"];
    world.ends("all", &[&add[..], &["--starts", &soon(15)]].concat(), 0);
    world.ends("all", &["window", "check", "soon"], 7);
    world.ends("all", &["fleet", "set", "web-1", "windows=soon"], 0);
    let plan = world.ends("all", &["rollout", "plan", "spring", "--json"], 0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let hash = plan["hash"].as_str().unwrap();
    world.ends("owner", &["rollout", "agree", "spring", "--plan", hash], 0);
    world.ends("all", &["rollout", "prepare", "spring", "--wait", "--timeout", "60s"], 0);
    world.ends("owner", &["rollout", "authorise", "spring", "--plan", hash], 0);
    world.ends("all", &["rollout", "configure", "spring"], 0);
    let freeze = ["window", "freeze", "add", "audit", "--reason", "audit", "--from", &soon(-5)];
    world.ends("all", &[&freeze[..], &["--until", &soon(3600)]].concat(), 0);
    world.ends("all", &["rollout", "deploy", "spring"], 0);
    let status = |world: &World| world.ends("all", &["rollout", "status", "spring"], 0);
    world.until("the freeze halts it when the window opens", |world| {
        status(world).contains("halted in wave 1: freeze `audit`")
    });
    world.ends("all", &["window", "check", "soon"], 7);
    world.ends("all", &["window", "freeze", "remove", "audit", "--yes"], 0);
    world.ends("all", &["window", "check", "soon"], 0);
    world.ends("all", &["rollout", "resume", "spring", "--reason", "the audit is over"], 0);
    world.until("the host is done", |world| status(world).contains("succeeded at build 1100"));
}

/// The server's repository with what the author did to his own meanwhile.
fn look_at_the_author_again(world: &World) {
    for args in [
        &["repo", "export", "usb-2", "--repository", "elsewhere", "--product", "ledger"][..],
        &["repo", "import", "usb-2", "--into", "site", "--root", "elsewhere/metadata/1.root.json"],
    ] {
        world.ends("nobody", args, 0);
    }
    world.refit("all", &["updates", "check"]);
}

/// From a rollout's creation until all its hosts were asked to prepare; the answer is the hash of its plan.
fn prepare(world: &World, name: &str, more: &[&str]) -> String {
    let create = ["rollout", "create", name, "--product", "ledger", "--soak", "100ms"];
    world.ends("all", &[&create[..], more].concat(), 0);
    let plan = world.ends("all", &["rollout", "plan", name, "--json"], 0);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let hash = plan["hash"].as_str().unwrap().to_owned();
    world.ends("owner", &["rollout", "agree", name, "--plan", &hash], 0);
    world.ends("all", &["rollout", "prepare", name], 0);
    hash
}

/// Until all its hosts have ended.
fn deploy(world: &World, name: &str, hash: &str) {
    world.until("all its hosts are prepared", |world| {
        let status = world.ends("all", &["rollout", "status", name, "--json"], 0);
        let status: Value = serde_json::from_str(&status).unwrap();
        status["state"]["state"] == "prepared"
    });
    world.ends("owner", &["rollout", "authorise", name, "--plan", hash], 0);
    world.ends("all", &["rollout", "configure", name, "--party", "deployer"], 0);
    world.ends("all", &["rollout", "deploy", name, "--wait", "--timeout", "60s"], 0);
}

#[test]
fn withdrawn_pack_is_taken_back_from_servers_and_who_cannot_says_so_before_anything_is_down() {
    let mut world = World::new();
    world.add_user("all", &["planner", "preparer", "configurer", "deployer"]);
    world.add_user("owner", &["approver", "authoriser"]);
    world.add_host("web-1");
    world.add_host("web-2");
    world.until("both services run", |world| {
        let fleet = world.ends("all", &["fleet", "list", "--json"], 0);
        fleet.matches("\"services\": \"running\"").count() == 2
    });
    let hash = prepare(&world, "spring", &["--target", "1200"]);
    deploy(&world, "spring", &hash);
    let withdraw = ["repo", "withdraw", "--in", "elsewhere", "--keys", "keys", "ledger", "1200"];
    world.ends("nobody", &[&withdraw[..], &["--reason", "it loses orders", "--yes"]].concat(), 0);
    look_at_the_author_again(&world);

    let refused = |target: &str| {
        let create = ["rollout", "create", "back", "--product", "ledger", "--remove", "--target"];
        let output = world.refit("all", &[&create[..], &[target]].concat());
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("1200").contains("expected an older build, one of: `1000`, `1100`"));
    assert!(refused("1000").contains("build `1100` of product `ledger` cannot be removed"));

    let backups = world.dir.path().join("web-2/state/backups");
    fs::rename(&backups, backups.with_extension("away")).unwrap();
    let hash = prepare(&world, "back", &["--target", "1100", "--remove"]);
    let shown = world.ends("all", &["rollout", "show", "back"], 0);
    assert!(shown.contains("removal of ledger 1200, back to 1100: 2 hosts"), "{shown}");
    let why = |world: &World| world.ends("all", &["rollout", "why", "back", "web-2"], 0);
    world.until("web-2 says why not", |world| why(world).contains("host.cannot-uninstall"));
    let told = why(&world);
    assert!(told.contains("the backup that was taken before it is gone"), "{told}");
    let current = |host: &str| fs::read_link(world.path(&format!("{host}/root/current"))).unwrap();
    assert_eq!(current("web-2"), Path::new("releases/1200"));
    let ignore = ["rollout", "ignore", "back", "web-2", "--reason", "it is rebuilt from scratch"];
    world.ends("all", &ignore, 0);
    deploy(&world, "back", &hash);
    let status = world.ends("all", &["rollout", "status", "back"], 0);
    assert!(status.contains("back to build 1100 by removing its last pack, completed"), "{status}");
    assert!(status.contains("succeeded at build 1100"), "{status}");
    assert_eq!(
        (current("web-1"), current("web-2")),
        ("releases/1100".into(), "releases/1200".into())
    );
    let signed = ["signoff", "sign", "back", "web-1", "--as", "deployer"];
    world.ends("all", &signed, 0);
    world.ends("all", &["signoff", "export", "back", "--out", "certificates"], 0);
    let files = fs::read_dir(world.path("certificates")).unwrap().flatten().map(|at| at.path());
    let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let statements: Vec<String> = json.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(statements.len(), 1);
}
