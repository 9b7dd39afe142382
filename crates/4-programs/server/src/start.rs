//! From options to a running server.

use crate::{
    ServerError,
    app::{App, Parts, token_hash},
    authority::Authority,
    console::Source,
    depot::Depot,
    files, router,
    serving::Serving,
    tasks,
    tls::{self, stopped},
};
use refit_ambient::Ambient;
use refit_documents::SigningKey;
use refit_names::PersonName;
use refit_protocol::v1::Right;
use refit_store::{Store, users::UserRow};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use url::Url;

/// Certificates that are typeset at once: what a small server has processors for.
const TYPESETTERS: usize = 2;
/// Who administers a new server.
const FIRST_PERSON: &str = "admin";

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The folder that holds everything.
    pub state: PathBuf,
    /// Where agents and people connect.
    pub listen: SocketAddr,
    /// DNS names and addresses that its certificate carries beside those of this machine's loopback.
    pub names: Vec<String>,
    /// Where the console also speaks plain HTTP; loopback only.
    pub console: Option<SocketAddr>,
    /// `sqlite://…` or `postgres://…`; none: a file in the state folder.
    pub database: Option<String>,
    /// Where packs come from.
    pub repository: Option<RepositoryOptions>,
    /// How often the repository is looked at.
    pub refresh_every: Duration,
    /// What chance adds to it at most.
    pub check_jitter: Duration,
}

/// Where packs come from.
#[derive(Debug, Clone)]
pub struct RepositoryOptions {
    /// Where its metadata is.
    pub metadata: Url,
    /// Where its targets are.
    pub targets: Url,
    /// The file with the root that is pinned at the first start.
    pub root: PathBuf,
}

/// A running server.
pub struct ServerHandle {
    /// Where it listens.
    pub url: String,
    /// Where the console speaks plain HTTP.
    pub console_url: Option<String>,
    /// The certificate of its authority, PEM.
    pub ca_path: PathBuf,
    /// The administrator's token.
    pub admin_token_path: PathBuf,
    /// The public key that certificates of hosts are checked with, PEM.
    pub signoff_key_path: PathBuf,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    store: Store,
}

impl ServerHandle {
    /// Ends it: no new connections, running requests end, what is in memory is written.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.store.close().await;
        tracing::info!("server stopped");
    }
}

/// Starts a server. The first start makes its authority, its keys and its administrator.
///
/// # Errors
/// [`ServerError`] says which part could not be made; nothing listens then.
pub async fn start(options: ServerOptions, ambient: Ambient) -> Result<ServerHandle, ServerError> {
    // Some library below may ask for the process's provider; a second start in one process finds it set.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let state = &options.state;
    files::private_folder(state)?;
    let authority = Authority::open(state, &ambient)?;
    let serving = Serving::open(&authority, state.clone(), names(&options), &ambient)?;
    let serving = Arc::new(serving);
    let signer = signer(state, &ambient)?;
    let store = Store::open(&database(&options)?).await?;
    administrator(&store, state, &ambient).await?;
    let (every, jitter) = (options.refresh_every, options.check_jitter);
    let open = |repository| Depot::open(state, repository, every, jitter);
    let depot = options.repository.as_ref().map(open).transpose()?;
    let seal = crate::notify::Seal::open(state, &ambient)?;
    let ca_path = state.join("ca.pem");
    let tls_config = tls::config(&authority, Arc::clone(&serving))?;
    let (stop, stopped) = watch::channel(false);
    let app = App::new(Parts {
        store: store.clone(),
        ambient: ambient.clone(),
        authority,
        serving,
        signer,
        depot,
        hub: crate::hub::Hub::default(),
        without_orders: std::sync::Mutex::default(),
        calendar: crate::calendar::Compiled::default(),
        deliveries: tokio::sync::Notify::new(),
        seal,
        state: state.clone(),
        changes: watch::Sender::new(0),
        typesetting: tokio::sync::Semaphore::new(TYPESETTERS),
        stop: stopped.clone(),
    });
    let console = refit_console::router(Arc::new(Source(app.clone())), ambient);
    let mut tasks = JoinSet::new();
    let listener = listen(options.listen).await?;
    let url = format!("https://{}", address(&listener, options.listen));
    let console_url = match options.console {
        None => None,
        Some(wanted) if !wanted.ip().is_loopback() => {
            return Err(ServerError::ConsoleNotLoopback { address: wanted });
        }
        Some(wanted) => {
            let listener = listen(wanted).await?;
            let url = format!("http://{}", address(&listener, wanted));
            tasks.spawn(plain(listener, console.clone(), stopped.clone()));
            Some(url)
        }
    };
    let router = router::router(&app, console);
    tasks.spawn(tls::serve(listener, tls_config, router, stopped));
    tasks::spawn(&app, &mut tasks);
    tracing::info!(url, console = console_url, engine = ?store.engine(), "server started");
    Ok(ServerHandle {
        url,
        console_url,
        ca_path,
        admin_token_path: state.join("admin.token"),
        signoff_key_path: state.join("signoff.pub.pem"),
        stop,
        tasks,
        store,
    })
}

/// The database's URL. The file that is made by default is the server's alone: it holds hashes of tokens.
fn database(options: &ServerOptions) -> Result<String, ServerError> {
    if let Some(url) = &options.database {
        return Ok(url.clone());
    }
    let file = options.state.join("refit.db");
    files::private_file(&file)?;
    Ok(format!("sqlite://{}", file.display()))
}

/// The names that the certificate carries.
fn names(options: &ServerOptions) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let listens_at = options.listen.ip();
    if !listens_at.is_unspecified() {
        names.push(listens_at.to_string());
    }
    names.extend(options.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// The key that signs certificates of hosts; made at the first start.
fn signer(state: &Path, ambient: &Ambient) -> Result<SigningKey, ServerError> {
    let (private, public) = (state.join("signoff.key.pem"), state.join("signoff.pub.pem"));
    let key = match files::read(&private)? {
        Some(pem) => SigningKey::from_pkcs8_pem(&pem)?,
        None => {
            let mut seed = [0; 32];
            ambient.entropy.fill(&mut seed);
            let key = SigningKey::from_seed(&seed)?;
            files::write_secret(&private, key.to_pkcs8_pem()?.as_bytes())?;
            key
        }
    };
    files::write_public(&public, key.public().to_pem().as_bytes())?;
    Ok(key)
}

/// The first person. The token reaches the disk before the account exists, so a crash in between locks nobody out.
async fn administrator(store: &Store, state: &Path, ambient: &Ambient) -> Result<(), ServerError> {
    if !store.users().await?.is_empty() {
        return Ok(());
    }
    let path = state.join("admin.token");
    let token = match files::read(&path)? {
        Some(token) => token.trim().to_owned(),
        None => {
            let token = format!("rfu1.{}", ambient.token());
            files::write_secret(&path, token.as_bytes())?;
            token
        }
    };
    let name = PersonName::parse(FIRST_PERSON)
        .map_err(ServerError::authority("name the administrator"))?;
    let row = UserRow {
        name,
        rights: BTreeSet::from([Right::Administrator]),
        token_hash: token_hash(&token),
        made_at: ambient.clock.now(),
    };
    Ok(store.add_user(&row).await?)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })
}

/// The address with the port that was given.
fn address(listener: &TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}

/// Serves the console without TLS.
async fn plain(listener: TcpListener, console: axum::Router, mut stop: watch::Receiver<bool>) {
    // Browsers keep event streams open for ever; at shutdown they are cut after the others had their time.
    const DRAIN: Duration = Duration::from_secs(3);
    let mut asked = stop.clone();
    let serving = axum::serve(listener, console).with_graceful_shutdown(async move {
        stopped(&mut asked).await;
    });
    let cut = async move {
        stopped(&mut stop).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::error!(error = refit_names::chain(&error), "console stopped");
            }
        }
        () = cut => tracing::info!("console connections were cut at shutdown"),
    }
}
