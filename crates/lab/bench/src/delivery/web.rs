//! A web server for those who fetch by HTTP, that tells how much it sent.

use crate::child::Measured;
use anyhow::{Context, Result};
use refit_testkit::free_port;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// nginx on loopback, serving one folder.
pub(super) struct Web {
    _process: Measured,
    pub(super) folder: PathBuf,
    pub(super) url: String,
    log: PathBuf,
}

impl Web {
    pub(super) fn start(dir: &Path) -> Result<Self> {
        let (folder, state) = (dir.join("web"), dir.join("nginx"));
        std::fs::create_dir_all(&folder)?;
        std::fs::create_dir_all(&state)?;
        let (port, log) = (free_port(), state.join("sent.log"));
        let path = |name: &str| state.join(name).display().to_string();
        let config = format!(
            "daemon off; master_process off; pid {}; error_log {} crit;\nevents {{ worker_connections 256; }}\n\
             http {{ log_format sent '$bytes_sent'; access_log {} sent; sendfile on; max_ranges 4096;\n\
             client_body_temp_path {}; proxy_temp_path {}; fastcgi_temp_path {}; uwsgi_temp_path {}; scgi_temp_path {};\n\
             server {{ listen 127.0.0.1:{port}; root {}; }} }}\n",
            path("pid"),
            path("error.log"),
            log.display(),
            path("a"),
            path("b"),
            path("c"),
            path("d"),
            path("e"),
            folder.display(),
        );
        let file = state.join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(&state)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Measured::start(&mut command)?;
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            anyhow::ensure!(started.elapsed() < Duration::from_secs(10), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { _process: process, folder, url: format!("http://127.0.0.1:{port}"), log })
    }

    /// Bytes that were sent so far, heads included.
    pub(super) fn sent(&self) -> Result<f64> {
        let log = std::fs::read_to_string(&self.log).context("nginx wrote no log")?;
        log.lines().map(|line| Ok(line.trim().parse::<f64>()?)).sum()
    }
}
