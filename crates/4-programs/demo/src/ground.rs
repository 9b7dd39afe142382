//! The folder that everything lies in, the programs that run, and how they end.

use crate::{DemoError, children, children::Running};
use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

/// Below the range from which Linux takes ports for outgoing connections: a service that is down for a moment finds its port free again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The folder and what runs in it.
pub struct Ground {
    dir: PathBuf,
    is_temporary: bool,
    server: Option<Running>,
    agents: Vec<Running>,
}

impl Ground {
    /// Makes the folder; one that was named must be new or empty.
    ///
    /// # Errors
    /// [`DemoError::Io`] when it cannot be made or has something in it.
    pub fn new(dir: Option<&Path>) -> Result<Self, DemoError> {
        let (dir, is_temporary) = match dir {
            Some(dir) => {
                fs::create_dir_all(dir).map_err(DemoError::io("make", dir))?;
                if fs::read_dir(dir).map_err(DemoError::io("list", dir))?.next().is_some() {
                    let source = std::io::Error::from(std::io::ErrorKind::DirectoryNotEmpty);
                    return Err(DemoError::Io { verb: "use", path: dir.to_owned(), source });
                }
                (dir.to_owned(), false)
            }
            None => {
                let made = tempfile::Builder::new().prefix("refit-demo-").tempdir();
                (made.map_err(DemoError::io("make", std::env::temp_dir()))?.keep(), true)
            }
        };
        let dir = dir.canonicalize().map_err(DemoError::io("find", &dir))?;
        Ok(Self { dir, is_temporary, server: None, agents: Vec::new() })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the certificates are.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.dir.join("certificates")
    }

    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, DemoError> {
        let path = self.dir.join(name);
        fs::create_dir_all(&path).map_err(DemoError::io("make", &path))?;
        Ok(path)
    }

    pub(crate) fn set_server(&mut self, server: Running) {
        self.server = Some(server);
    }

    pub(crate) fn add_agent(&mut self, agent: Running) {
        self.agents.push(agent);
    }

    /// How the server ended, if it did though nobody asked it to.
    pub(crate) fn server_ended(&mut self) -> Option<String> {
        self.server.as_mut().and_then(Running::ended)
    }

    /// How an agent ended, if one did though nobody asked it to.
    pub(crate) fn agent_ended(&mut self) -> Option<String> {
        self.agents.iter_mut().find_map(Running::ended)
    }

    /// Ends everything that was started here: agents first, so that no service comes back, then services, then the server.
    pub async fn end(&mut self) {
        let agents: Vec<_> = self.agents.drain(..).map(|agent| tokio::spawn(agent.end())).collect();
        for agent in agents {
            // A task that panicked has nothing more to end.
            let _ = agent.await;
        }
        children::end_below(&self.dir).await;
        if let Some(server) = self.server.take() {
            server.end().await;
        }
    }

    /// Deletes all but the certificates, if the folder is a temporary one.
    pub fn tidy_up(&self) {
        if !self.is_temporary {
            return;
        }
        for name in ["hosts", "server", "repository", "packs", "keys", "logs"] {
            // What cannot be deleted lies among the temporary files and goes with them.
            let _ = fs::remove_dir_all(self.dir.join(name));
        }
    }
}

/// Ports that nobody listens on, each once.
pub(crate) fn free_ports(wanted: usize) -> Result<Vec<u16>, DemoError> {
    // Two demos at once start at different places.
    let start = PORTS.start + u16::try_from(std::process::id() % 8_000).unwrap_or_default();
    let candidates = (start..PORTS.end).chain(PORTS.start..start);
    let held: Vec<TcpListener> = candidates
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(wanted)
        .collect();
    if held.len() < wanted {
        return Err(DemoError::Ports { wanted });
    }
    Ok(held
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| address.port())
        .collect())
}
