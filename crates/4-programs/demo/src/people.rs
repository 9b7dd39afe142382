//! The control server, and the people who act: each with the rights of one role and a token of their own.

use crate::{DemoError, DemoOptions, Ground, children, ground::free_ports};
use refit_client::ApiClient;
use refit_names::PersonName;
use refit_protocol::v1::{NewUser, Right};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// First start: keys, database, the first mirror of the repository.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Everybody, and where the server is.
pub(crate) struct People {
    pub(crate) server: String,
    /// The file with the server's authority.
    pub(crate) authority: String,
    /// The console's address with which one is logged in.
    pub(crate) console_link: String,
    pub(crate) planner_token: String,
    pub(crate) admin: ApiClient,
    pub(crate) planner: ApiClient,
    pub(crate) owner: ApiClient,
    pub(crate) preparer: ApiClient,
    pub(crate) authoriser: ApiClient,
    pub(crate) configurer: ApiClient,
    pub(crate) deployer: ApiClient,
}

/// Starts the server over the repository and makes the accounts.
pub(crate) async fn start_server(
    ground: &mut Ground,
    options: &DemoOptions,
) -> Result<People, DemoError> {
    let state = ground.folder("server")?;
    let logs = ground.folder("logs")?;
    let ports = free_ports(2)?;
    let (listen, console) = (format!("127.0.0.1:{}", ports[0]), format!("127.0.0.1:{}", ports[1]));
    let repository = ground.dir().join("repository");
    let address = |folder: &str| format!("file://{}/{folder}/", repository.display());
    let (metadata, targets) = (address("metadata"), address("targets"));
    let root = repository.join("metadata/1.root.json");
    let args = [
        "server".as_ref(),
        "--state".as_ref(),
        state.as_os_str(),
        "--listen".as_ref(),
        listen.as_ref(),
        "--console".as_ref(),
        console.as_ref(),
        "--repository-metadata".as_ref(),
        metadata.as_ref(),
        "--repository-targets".as_ref(),
        targets.as_ref(),
        "--repository-root".as_ref(),
        root.as_os_str(),
    ];
    ground.set_server(children::start(&options.refit, &args, &logs.join("server.log"))?);

    let server = format!("https://{listen}");
    let (authority_file, token_file) = (state.join("ca.pem"), state.join("admin.token"));
    let admin = await_server(ground, &server, &authority_file, &token_file).await?;
    let authority = read(&authority_file)?;
    let account = async |name: &str, rights: &[Right]| {
        let rights = rights.iter().copied().collect::<BTreeSet<_>>();
        let user = NewUser { name: PersonName::parse(name).map_err(DemoError::value)?, rights };
        let made = admin
            .add_user(&user)
            .await
            .map_err(DemoError::call(format!("make the account {name}")))?;
        let client = ApiClient::new(&server, &made.token, Some(&authority))
            .map_err(DemoError::call("connect"))?;
        Ok::<_, DemoError>((client, made.token))
    };
    let (planner, planner_token) = account("planner", &[Right::Planner]).await?;
    let (_, auditor_token) = account("auditor", &[Right::Auditor]).await?;
    Ok(People {
        console_link: format!("http://{console}/login?token={auditor_token}"),
        owner: account("owner", &[Right::Approver, Right::ApplicationOwner]).await?.0,
        preparer: account("preparer", &[Right::Preparer]).await?.0,
        authoriser: account("authoriser", &[Right::Authoriser]).await?.0,
        configurer: account("configurer", &[Right::Configurer]).await?.0,
        deployer: account("deployer", &[Right::Deployer]).await?.0,
        planner,
        planner_token,
        authority: authority_file.display().to_string(),
        server: server.clone(),
        admin: admin.clone(),
    })
}

fn read(path: &Path) -> Result<String, DemoError> {
    fs::read_to_string(path).map_err(DemoError::io("read", path))
}

/// Waits until the server is ready and gives the administrator's client.
async fn await_server(
    ground: &mut Ground,
    server: &str,
    authority_file: &Path,
    token_file: &Path,
) -> Result<ApiClient, DemoError> {
    let began = Instant::now();
    let mut seen = "it wrote neither its authority nor the administrator's token".to_owned();
    loop {
        if let (Ok(authority), Ok(token)) =
            (fs::read_to_string(authority_file), fs::read_to_string(token_file))
        {
            let admin = ApiClient::new(server, &token, Some(&authority))
                .map_err(DemoError::call("connect"))?;
            match admin.readyz().await {
                Ok(()) => return Ok(admin),
                Err(error) => seen = refit_names::chain(&error),
            }
        }
        if let Some(status) = ground.server_ended() {
            let log = read(&ground.dir().join("logs/server.log"))?;
            return Err(DemoError::Command {
                command: "refit server".to_owned(),
                status,
                said: children::tail(&log).to_owned(),
            });
        }
        if began.elapsed() > START_LIMIT {
            return Err(DemoError::Late {
                what: "the server's start".to_owned(),
                limit_s: START_LIMIT.as_secs(),
                seen,
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
