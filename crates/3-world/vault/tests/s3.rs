//! A repository in a bucket of a real server (SeaweedFS), read by Refit and by plain restic, and all that a server can do wrong.

use jiff::Timestamp;
use refit_backup::{Quiet, Sealed, UnitPlace, take};
use refit_names::{BuildId, Coded as _, Digest, HostName, ProductName, TreePath};
use refit_protocol::backup::Retention;
use refit_vault::{S3Place, Target, Vault, VaultError, VaultPlace};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "a/secret+with=signs";
const PASSWORD: &str = "a password";

/// The server, ended by its id.
struct Weed {
    folder: tempfile::TempDir,
    child: Child,
    s3: u16,
    filer: u16,
}

impl Weed {
    /// None where it is not installed, unless this is CI.
    fn start() -> Option<Self> {
        let named = std::env::var_os("REFIT_WEED").map(PathBuf::from);
        let Some(program) = named.or_else(|| refit_backup::find_tool("weed")) else {
            assert!(std::env::var_os("CI").is_none(), "CI has no SeaweedFS");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("s3.json");
        let identity = format!(
            r#"{{"identities":[{{"name":"owner","credentials":[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","List","Write"]}}]}}"#
        );
        fs::write(&config, identity).unwrap();
        let ports = ports(8);
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let mut command = Command::new(program);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
        ];
        for (name, port) in names.iter().zip(&ports) {
            command.arg(format!("-{name}={port}"));
        }
        command.args([
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-volume.max=8",
        ]);
        command.arg("-master.volumeSizeLimitMB=64").arg(format!("-dir={}", data.display()));
        command.arg(format!("-s3.config={}", config.display())).current_dir(folder.path());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let weed = Self { folder, child, s3: ports[6], filer: ports[4] };
        weed.until("it has a bucket", || weed.make_bucket("refit"));
        let place = weed.place("refit", "first", weed.s3);
        weed.until("it stores", || Vault::create(&place).is_ok());
        Some(weed)
    }

    fn until(&self, what: &str, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !ready() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{what}: not within a minute\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Through the server's own door for files: a bucket is a folder there.
    fn lay(&self, path: &str, body: &str) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.filer)) else { return false };
        let length = body.len();
        let method = if path.ends_with('/') { "POST" } else { "PUT" };
        let text = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut answer = String::new();
        let sent = stream.write_all(text.as_bytes()).is_ok();
        sent && stream.read_to_string(&mut answer).is_ok()
            && (answer.contains(" 201 ") || answer.contains(" 200 "))
    }

    fn make_bucket(&self, name: &str) -> bool {
        self.lay(&format!("/buckets/{name}/"), "")
    }

    fn place(&self, bucket: &str, prefix: &str, port: u16) -> VaultPlace {
        VaultPlace {
            target: Target::S3(S3Place {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
                endpoint: format!("http://127.0.0.1:{port}"),
                region: "eu-north-1".to_owned(),
                access_key: KEY.to_owned(),
                secret_key: SECRET.to_owned(),
                authority: None,
            }),
            password: PASSWORD.to_owned(),
        }
    }

    fn restic(&self, prefix: &str, arguments: &[&str]) -> Option<String> {
        let Some(program) = refit_backup::find_tool("restic") else {
            assert!(std::env::var_os("CI").is_none(), "CI has no restic");
            return None;
        };
        let repository = format!("s3:http://127.0.0.1:{}/refit/{prefix}", self.s3);
        let output = Command::new(program)
            .args(["--no-cache", "--repo", &repository])
            .args(arguments)
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .output()
            .unwrap();
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "restic {arguments:?}: {talk}");
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Below the range of outgoing connections, each twice this program's own.
fn ports(wanted: usize) -> Vec<u16> {
    let start = 22_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    let listeners: Vec<_> = (start..32_000)
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(wanted)
        .collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Stands between the client and the server.
struct Between {
    port: u16,
    seen: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
enum Manner {
    /// The first so many connections end when so many bytes came from the client.
    Cut { connections: usize, after: usize },
    /// Every object larger than this is answered with "no room", as servers with a quota do.
    Full { above: usize },
}

impl Between {
    fn new(server: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                thread::spawn(move || pass(client, server, manner, &counted));
            }
        });
        Self { port, seen }
    }
}

fn pass(mut client: TcpStream, server: u16, manner: Manner, counted: &AtomicUsize) {
    let Ok(mut up) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (mut down, mut back) = (up.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut down, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let (mut bytes, mut buffer) = (0, [0; 4096]);
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        bytes += count;
        match manner {
            Manner::Cut { connections, after } if bytes > after => {
                if counted.fetch_add(1, Ordering::SeqCst) < connections {
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = up.shutdown(Shutdown::Both);
                    return;
                }
            }
            Manner::Full { above } => {
                let text = String::from_utf8_lossy(&buffer[..count]);
                let length = text.lines().find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                });
                if text.starts_with("PUT ") && length.is_some_and(|length| length > above) {
                    let body = "<Error><Code>QuotaExceeded</Code><Message>the bucket has no room</Message></Error>";
                    let answer = format!(
                        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = client.write_all(answer.as_bytes());
                    // What is still coming is read, or the client would see a reset instead of the answer.
                    while let Ok(1..) = client.read(&mut buffer) {}
                    return;
                }
            }
            Manner::Cut { .. } => {}
        }
        if up.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = up.shutdown(Shutdown::Write);
}

struct Unit {
    folder: tempfile::TempDir,
    place: UnitPlace,
    host: HostName,
}

impl Unit {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("srv");
        fs::create_dir_all(root.join("data/sub")).unwrap();
        fs::write(root.join("data/sub/a.txt"), "one").unwrap();
        let noise = (1_u64..60_000)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).to_le_bytes());
        fs::write(root.join("data/large"), noise.collect::<Vec<u8>>()).unwrap();
        let place = UnitPlace {
            product: ProductName::parse("ledger").unwrap(),
            build: BuildId::parse("1000").unwrap(),
            release: Digest::of(b"tree"),
            root,
            data: vec![TreePath::parse("data").unwrap()],
            databases: BTreeMap::new(),
            product_is: Quiet::Running,
            run_as: None,
            environment: BTreeMap::new(),
            limit: Duration::from_secs(60),
            meter: refit_backup::Meter::default(),
        };
        Self { folder, place, host: HostName::parse("web-1").unwrap() }
    }

    fn take(&self, id: &str) -> Sealed {
        take(&self.folder.path().join("backups"), id, &self.place, Timestamp::now()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn code(result: Result<impl Sized, VaultError>) -> &'static str {
    match result {
        Ok(_) => "none",
        Err(error) => error.code(),
    }
}

fn same(a: &Path, b: &Path) {
    let status = Command::new("diff").arg("-r").arg(a).arg(b).status().unwrap();
    assert!(status.success(), "{} and {} differ", a.display(), b.display());
}

#[test]
fn a_bucket_holds_what_restic_restores_and_every_fault_of_its_server_has_a_name() {
    let Some(weed) = Weed::start() else { return };
    kept_found_read_and_forgotten(&weed);
    faults_have_names(&weed);
    a_line_that_breaks_is_tried_again(&weed);
}

fn kept_found_read_and_forgotten(weed: &Weed) {
    let unit = Unit::new();
    let place = weed.place("refit", "deep/er", weed.s3);
    let vault = Vault::create(&place).unwrap();
    assert_eq!(code(Vault::create(&place)), "backup.repository-occupied");
    let first = unit.take("a");
    let kept = vault.keep(&unit.host, &first).unwrap();
    fs::write(unit.place.root.join("data/sub/a.txt"), "two").unwrap();
    let again = Vault::open(&place).unwrap();
    let second = again.keep(&unit.host, &unit.take("b")).unwrap();
    assert!(second.snapshot.added.0 < 100_000, "{:?}", second.snapshot.added);
    assert_eq!(again.list(&unit.host).unwrap().len(), 2);
    assert!(again.verify(&kept.snapshot).unwrap().0 > 400_000);
    let fetched = again.fetch(&kept.snapshot, &unit.path("other"), "a").unwrap();
    same(&fetched.folder.join("data"), &first.folder.join("data"));
    let _ = weed.restic("deep/er", &["check", "--read-data"]);
    let target = unit.path("restic");
    let into = target.display().to_string();
    if weed.restic("deep/er", &["restore", &kept.snapshot.id, "--target", &into]).is_some() {
        same(&target.join("ledger/data"), &first.folder.join("data"));
    }
    let one = Retention { last: 1, daily: 0, weekly: 0, monthly: 0, yearly: 0 };
    let of = (&unit.host, &unit.place.product);
    let gone = again.forget(of, &one, Timestamp::now(), false).unwrap().gone;
    assert_eq!(gone.len(), 1);
    again.prune().unwrap();
    assert_eq!(again.list(&unit.host).unwrap().len(), 1);
    again.check().unwrap();
    // Another that writes now, as far as anybody can see.
    assert!(weed.lay("/buckets/refit/deep/er/.refit-locks/other", "other"));
    let busy = again.keep(&unit.host, &unit.take("c"));
    assert_eq!(code(busy), "backup.repository-busy");
}

fn faults_have_names(weed: &Weed) {
    let open = |place: &VaultPlace| code(Vault::open(place));
    assert_eq!(open(&weed.place("refit", "nothing", weed.s3)), "backup.repository-missing");
    let none = weed.place("no-bucket", "x", weed.s3);
    let error = Vault::open(&none).err().unwrap();
    let text = refit_names::chain(&error);
    assert_eq!(error.code(), "backup.repository-missing");
    assert!(text.contains("no bucket `no-bucket`"), "{text}");
    let mut wrong = weed.place("refit", "first", weed.s3);
    let Target::S3(place) = &mut wrong.target else { unreachable!() };
    place.secret_key = "guessed".to_owned();
    let text = refit_names::chain(&Vault::open(&wrong).err().unwrap());
    assert_eq!(open(&wrong), "backup.target-refused");
    assert!(text.contains("SignatureDoesNotMatch") && !text.contains("guessed"), "{text}");
    let mut password = weed.place("refit", "first", weed.s3);
    password.password = "guessed".to_owned();
    assert_eq!(open(&password), "backup.repository-password");
    let nobody = ports(1)[0];
    assert_eq!(open(&weed.place("refit", "first", nobody)), "backup.target-unreachable");
    // An object that changed in the bucket behind everybody's back.
    let unit = Unit::new();
    let vault = Vault::create(&weed.place("refit", "spoilt", weed.s3)).unwrap();
    let kept = vault.keep(&unit.host, &unit.take("a")).unwrap();
    let text = weed.restic("spoilt", &["list", "packs"]).unwrap_or_default();
    for pack in text.lines() {
        let path = format!("/buckets/refit/spoilt/data/{}/{pack}", &pack[..2]);
        assert!(weed.lay(&path, "not what was written"));
    }
    if !text.is_empty() {
        assert_ne!(code(vault.verify(&kept.snapshot)), "none");
        assert_ne!(code(vault.fetch(&kept.snapshot, &unit.path("other"), "a")), "none");
        assert!(!unit.path("other/ledger/a").exists());
    }
}

fn a_line_that_breaks_is_tried_again(weed: &Weed) {
    let unit = Unit::new();
    Vault::create(&weed.place("refit", "line", weed.s3)).unwrap();
    let sealed = unit.take("a");
    let keep = |between: &Between| {
        Vault::open(&weed.place("refit", "line", between.port))
            .and_then(|vault| vault.keep(&unit.host, &sealed))
    };
    let often = Between::new(weed.s3, Manner::Cut { connections: usize::MAX, after: 60_000 });
    assert_eq!(code(keep(&often)), "backup.target-unreachable");
    assert!(often.seen.load(Ordering::SeqCst) >= 4);
    let full = Between::new(weed.s3, Manner::Full { above: 60_000 });
    assert_eq!(code(keep(&full)), "backup.target-full");
    let direct = Vault::open(&weed.place("refit", "line", weed.s3)).unwrap();
    assert!(direct.list(&unit.host).unwrap().is_empty(), "nothing counts that is not whole");
    let once = Between::new(weed.s3, Manner::Cut { connections: 1, after: 60_000 });
    let kept = keep(&once).unwrap();
    assert!(once.seen.load(Ordering::SeqCst) >= 1);
    direct.verify(&kept.snapshot).unwrap();
}
