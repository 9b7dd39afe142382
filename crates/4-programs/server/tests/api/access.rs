//! Every route of the table has a rule that holds, and every error is a problem.

use crate::stage::Stage;
use refit_protocol::{Problem, problem::PROBLEM_JSON, v1::Right};
use reqwest::{Client, Method, StatusCode};
use std::fs;

const RIGHTS: [Right; 9] = [
    Right::Administrator,
    Right::Planner,
    Right::Approver,
    Right::Preparer,
    Right::Authoriser,
    Right::Configurer,
    Right::Deployer,
    Right::ApplicationOwner,
    Right::Auditor,
];

struct Caller {
    http: Client,
    base: String,
}

impl Caller {
    fn new(stage: &Stage) -> Self {
        let ca = reqwest::Certificate::from_pem(stage.ca.as_bytes()).unwrap();
        let http = Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { http, base: stage.server.url.clone() }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
    ) -> (StatusCode, Option<Problem>) {
        let path = path.replace("{name}", "none").replace("{host}", "none");
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let is_problem =
            answer.headers().get("content-type").is_some_and(|kind| kind == PROBLEM_JSON);
        (status, if is_problem { answer.json().await.ok() } else { None })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_who_lacks_its_right() {
    let stage = Stage::open().await;
    let caller = Caller::new(&stage);
    let mut tokens = Vec::new();
    for (index, right) in RIGHTS.into_iter().enumerate() {
        let name = format!("person-{index}").parse().unwrap();
        let new = refit_protocol::v1::NewUser { name, rights: [right].into() };
        tokens.push((right, stage.admin.add_user(&new).await.unwrap().token));
    }
    for (method, path, rights) in refit_server::access_table() {
        let path = format!("/api/v1{path}");
        let (status, problem) = caller.call(&method, &path, None).await;
        let code = problem.map(|problem| problem.code);
        assert_eq!(
            (status.as_u16(), code.as_deref()),
            (401, Some("auth.token-missing")),
            "{method} {path}"
        );
        let (status, problem) = caller.call(&method, &path, Some("rfu1.unknown")).await;
        let code = problem.map(|problem| problem.code);
        assert_eq!(
            (status.as_u16(), code.as_deref()),
            (401, Some("auth.token-unknown")),
            "{method} {path}"
        );
        for (right, token) in &tokens {
            let (status, problem) = caller.call(&method, &path, Some(token)).await;
            let missing = problem.is_some_and(|problem| problem.code == "auth.right-missing");
            let may = rights.is_empty() || rights.contains(right);
            assert_eq!(!may, missing, "{method} {path} as {right:?}: {status}");
        }
    }
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    let stage = Stage::open().await;
    let caller = Caller::new(&stage);
    let token = fs::read_to_string(&stage.server.admin_token_path).unwrap();
    let cases = [
        ("GET", "/api/v1/nothing", 404, "http.no-such-route"),
        ("GET", "/agent/v1/nothing", 404, "http.no-such-route"),
        ("DELETE", "/api/v1/rollouts", 405, "http.method-not-allowed"),
        ("GET", "/api/v1/rollouts/none", 404, "store.missing"),
        ("GET", "/api/v1/hosts/-bad-", 400, "http.not-understood"),
        ("POST", "/api/v1/users", 400, "http.not-understood"),
        ("POST", "/agent/v1/sync", 401, "agent.no-certificate"),
        ("GET", "/agent/v1/repository/metadata/root.json", 401, "agent.no-certificate"),
    ];
    for (method, path, status, code) in cases {
        let (found, problem) = caller.call(method, path, Some(&token)).await;
        let problem = problem.unwrap_or_else(|| panic!("{method} {path}: {found}, no problem"));
        assert_eq!((found.as_u16(), problem.code.as_str()), (status, code), "{method} {path}");
    }
    let body = vec![b'x'; 32 << 10];
    let answer = caller
        .http
        .post(format!("{}/agent/v1/enroll", caller.base))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json::<Problem>().await.unwrap().code, "http.body-too-large");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(caller.call("GET", path, None).await.0, StatusCode::OK);
    }
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_for_the_server_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::open().await;
    let state = stage.folder.path().join("server");
    for secret in ["ca.key.pem", "server.key.pem", "signoff.key.pem", "admin.token", "refit.db"] {
        let mode = fs::metadata(state.join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let token = fs::read(&stage.server.admin_token_path).unwrap();
    stage.server.shutdown().await;
    let database = fs::read(state.join("refit.db")).unwrap();
    let found = database.windows(token.len()).any(|window| window == token);
    assert!(!found, "a token stands in the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn console_is_at_both_doors_and_shows_the_pages_of_packs() {
    let stage = Stage::open().await;
    stage.person("planner", &[Right::Planner]).await.refresh_repository().await.unwrap();
    let pack = stage.admin.repository().await.unwrap().packs.remove(0);
    let token = fs::read_to_string(&stage.server.admin_token_path).unwrap();
    let ca = reqwest::Certificate::from_pem(stage.ca.as_bytes()).unwrap();
    let http = Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let plain = stage.server.console_url.clone().unwrap();
    for base in [&stage.server.url, &plain] {
        let login = http.get(format!("{base}/login?token={token}")).send().await.unwrap();
        let cookie = login.headers().get("set-cookie").expect("a session").to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let show = format!("{base}/packs/{}", pack.record_digest.to_hex());
        let nobody = http.get(&show).send().await.unwrap();
        assert!(nobody.status().is_redirection(), "a page without a session");
        let shown = http.get(&show).header("cookie", &cookie).send().await.unwrap();
        let shown = shown.text().await.unwrap();
        let begin = shown.find("/pack-pages/").expect("a link to the pack's pages");
        let link = shown[begin..].split('"').next().unwrap();
        let page = http.get(format!("{base}{link}")).send().await.unwrap();
        assert_eq!(page.status(), 200, "{link}");
        assert!(page.text().await.unwrap().contains("<h1>ledger"));
    }
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_console_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let options = refit_server::ServerOptions {
        state: folder.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        names: Vec::new(),
        console: Some("0.0.0.0:0".parse().unwrap()),
        database: None,
        repository: None,
        refresh_every: std::time::Duration::from_secs(60),
        check_jitter: std::time::Duration::ZERO,
    };
    let refused = refit_server::start(options, refit_ambient::Ambient::system()).await;
    assert!(matches!(refused, Err(refit_server::ServerError::ConsoleNotLoopback { .. })));
}
