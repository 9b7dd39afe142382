//! The ledger from outside, as its three programs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

const PROGRAMS: [(&str, &str); 3] = [
    ("1000", env!("CARGO_BIN_EXE_ledger-1000")),
    ("1100", env!("CARGO_BIN_EXE_ledger-1100")),
    ("1200", env!("CARGO_BIN_EXE_ledger-1200")),
];

/// A root folder with the three releases in it.
struct Place {
    dir: tempfile::TempDir,
    port: u16,
}

struct Served<'a>(Child, &'a Place);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        for (build, program) in PROGRAMS {
            let release = dir.path().join("releases").join(build);
            for folder in ["bin", "share"] {
                fs::create_dir_all(release.join(folder)).unwrap();
            }
            fs::copy(program, release.join("bin/ledger")).unwrap();
            fs::write(release.join("share/build"), build).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { dir, port }
    }

    fn command(&self, build: &str, verb: &str) -> Command {
        let mut command =
            Command::new(self.dir.path().join("releases").join(build).join("bin/ledger"));
        command
            .arg(verb)
            .env("REFIT_ROOT", self.dir.path())
            .env("REFIT_PARAM_PORT", self.port.to_string());
        command
    }

    fn run(&self, build: &str, verb: &str) -> Output {
        self.command(build, verb).output().unwrap()
    }

    fn serve(&self, build: &str) -> Served<'_> {
        let served = Served(self.command(build, "serve").spawn().unwrap(), self);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "build {build} does not serve");
            std::thread::sleep(Duration::from_millis(5));
        }
        served
    }
}

impl Served<'_> {
    /// Status and the whole answer.
    fn ask(&self, request: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1.port)).unwrap();
        write!(stream, "{request} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer[9..12].parse().unwrap(), answer)
    }

    fn write(&self, id: &str, account: &str, amount: i64) -> u16 {
        let body = format!(r#"{{"id":"{id}","account":"{account}","amount":{amount}}}"#);
        self.ask("POST /entries", &body).0
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn acknowledged_write_outlives_a_kill_and_is_stored_once() {
    let place = Place::new();
    let served = place.serve("1000");
    for number in 0..20 {
        assert_eq!(served.write(&format!("e{number}"), "till", number), 201);
    }
    assert_eq!(served.write("e3", "till", 3), 201, "the same entry again");
    assert_eq!(served.write("e3", "till", 4), 409, "another entry with its id");
    drop(served);
    let served = place.serve("1000");
    assert!(served.ask("GET /count", "").1.ends_with(r#"{"count":20}"#));
    assert!(served.ask("GET /entries/e7", "").1.contains(r#""amount":7"#));
}

#[test]
fn closed_ledger_refuses_writes_and_answers_reads_also_after_a_restart() {
    let place = Place::new();
    let served = place.serve("1000");
    assert_eq!(served.write("a", "till", 1), 201);
    assert!(place.run("1100", "close").status.success());
    let (status, answer) = served.ask("POST /entries", r#"{"id":"b","account":"till","amount":1}"#);
    assert!(status == 503 && answer.contains("Retry-After"), "{answer}");
    assert_eq!(served.ask("GET /entries/a", "").0, 200);
    drop(served);
    let served = place.serve("1100");
    assert_eq!(served.write("b", "till", 1), 503);
    assert!(served.ask("GET /health", "").1.contains(r#""mode":"closed""#));
    assert!(place.run("1100", "open").status.success());
    assert_eq!(served.write("b", "till", 1), 201);
}

#[test]
fn builds_differ_in_what_they_answer() {
    let place = Place::new();
    let served = place.serve("1000");
    served.write("a", "till", 5);
    assert_eq!(served.ask("GET /summary", "").0, 404);
    drop(served);
    let served = place.serve("1100");
    assert!(served.ask("GET /summary", "").1.contains(r#""amount":5"#));
    assert_eq!(served.ask("GET /accounts", "").0, 404);
}

#[test]
fn migration_that_fails_names_the_row_and_changes_nothing() {
    let place = Place::new();
    let served = place.serve("1000");
    assert_eq!((served.write("a", "Harbour", 1), served.write("b", "harbour", 2)), (201, 201));
    drop(served);
    let failed = place.run("1200", "migrate");
    assert!(
        !failed.status.success() && said(&failed).contains("row 2 (entry `b`)"),
        "{}",
        said(&failed)
    );
    assert!(place.run("1000", "check").status.success());
    assert!(said(&place.run("1200", "serve")).contains("has schema 1"));
}

#[test]
fn migrated_ledger_refuses_the_old_build_and_accounts_that_differ_in_case() {
    let place = Place::new();
    drop(place.serve("1000"));
    assert!(place.run("1200", "migrate").status.success());
    assert!(place.run("1200", "check").status.success());
    assert!(said(&place.run("1000", "serve")).contains("has schema 2"));
    let served = place.serve("1200");
    assert_eq!((served.write("a", "till", 1), served.write("b", "Till", 1)), (201, 422));
}

#[test]
fn mixed_installation_does_not_start() {
    let place = Place::new();
    drop(place.serve("1000"));
    let settings = place.dir.path().join("data/ledger.json");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\"schema\": 1", "\"schema\": 2")).unwrap();
    assert!(said(&place.run("1000", "serve")).contains("its settings are for schema 2"));
    fs::write(&settings, text).unwrap();
    fs::write(place.dir.path().join("releases/1000/share/build"), "1100").unwrap();
    assert!(said(&place.run("1000", "serve")).contains("says build 1100"));
    assert!(Path::new(&settings).exists());
}
