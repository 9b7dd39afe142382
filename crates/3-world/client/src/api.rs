//! The API for people and programs: one method per route of `protocol::v1`.

mod backups;
mod fleet;
mod packs;
mod papers;
mod plans;
mod questions;
mod risk;
mod runbook_tests;
mod updates;
mod windows;

use crate::{error::ClientError, events::EventStream, http, trust};
use refit_names::{BuildId, HostName, ProductName, RolloutName, StepId};
use refit_protocol::v1::{
    CertificateView, Configuration, Decision, Deploy, EnrolmentToken, HostImport, HostImported,
    HostView, NewEnrolmentToken, NewRollout, NewUser, PREFIX, PathView, PlanRequest, PlanView,
    Reason, RepositoryView, RolloutView, SignOff, UpdateView, UserCreated, Whoami, WhyView,
};
use reqwest::{Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

/// A certificate of thousands of pages would still be smaller.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;
/// Planning 50,000 hosts or refreshing a large repository takes minutes on a slow machine.
const LONG_CALL: std::time::Duration = std::time::Duration::from_secs(600);

type Answer<T> = Result<T, ClientError>;

/// What a person or a program says to the server, with their token.
///
/// Every method fails with [`ClientError`]: not reachable, not trusted, or a problem with the server's own code.
#[derive(Clone)]
pub struct ApiClient {
    http: reqwest::Client,
    server: Url,
    token: String,
}

impl ApiClient {
    /// Sets the connection up; nothing is sent yet. Without `authority` (PEM) the machine's own trust is used.
    ///
    /// # Errors
    /// [`ClientError`] when the address or the certificates cannot be used.
    pub fn new(server: &str, token: &str, authority: Option<&str>) -> Answer<Self> {
        let server = http::address(server)?;
        let config = authority.map(trust::config).transpose()?;
        Ok(Self { http: http::client(config)?, server, token: token.trim().to_owned() })
    }

    /// The server's address.
    #[must_use]
    pub const fn server(&self) -> &Url {
        &self.server
    }

    /// GET `/healthz`: whether the server answers at all; needs no token.
    pub async fn healthz(&self) -> Answer<()> {
        let url = http::join(&self.server, "/healthz")?;
        http::send(self.http.get(url).timeout(http::CALL_TIMEOUT)).await.map(drop)
    }
    /// GET `/readyz`: whether the server can work.
    pub async fn readyz(&self) -> Answer<()> {
        let url = http::join(&self.server, "/readyz")?;
        http::send(self.http.get(url).timeout(http::CALL_TIMEOUT)).await.map(drop)
    }
    /// GET `/whoami`.
    pub async fn whoami(&self) -> Answer<Whoami> {
        self.get("/whoami").await
    }
    /// GET `/users`.
    pub async fn users(&self) -> Answer<Vec<Whoami>> {
        self.get("/users").await
    }
    /// POST `/users`.
    pub async fn add_user(&self, user: &NewUser) -> Answer<UserCreated> {
        self.post("/users", user).await
    }
    /// POST `/enrolment-tokens`.
    pub async fn enrolment_token(&self, token: &NewEnrolmentToken) -> Answer<EnrolmentToken> {
        self.post("/enrolment-tokens", token).await
    }
    /// GET `/hosts`.
    pub async fn hosts(&self) -> Answer<Vec<HostView>> {
        self.get("/hosts").await
    }
    /// GET `/hosts/{host}`.
    pub async fn host(&self, host: &HostName) -> Answer<HostView> {
        self.get(&format!("/hosts/{host}")).await
    }
    /// POST `/hosts/import`.
    pub async fn import_hosts(&self, hosts: &HostImport) -> Answer<HostImported> {
        self.post("/hosts/import", hosts).await
    }
    /// GET `/repository`.
    pub async fn repository(&self) -> Answer<RepositoryView> {
        self.get("/repository").await
    }
    /// POST `/repository/refresh`.
    pub async fn refresh_repository(&self) -> Answer<RepositoryView> {
        self.post("/repository/refresh", &()).await
    }
    /// GET `/updates`.
    pub async fn updates(&self) -> Answer<Vec<UpdateView>> {
        self.get("/updates").await
    }
    /// GET `/updates/path`.
    pub async fn path(
        &self,
        product: &ProductName,
        from: &BuildId,
        to: &BuildId,
    ) -> Answer<PathView> {
        let query = [("product", product.as_str()), ("from", from.as_str()), ("to", to.as_str())];
        let mut url = self.url("/updates/path")?;
        url.query_pairs_mut().extend_pairs(query);
        http::send_json(self.request(Method::GET, url)).await
    }
    /// GET `/rollouts`.
    pub async fn rollouts(&self) -> Answer<Vec<RolloutView>> {
        self.get("/rollouts").await
    }
    /// POST `/rollouts`.
    pub async fn create_rollout(&self, rollout: &NewRollout) -> Answer<RolloutView> {
        self.post("/rollouts", rollout).await
    }
    /// GET `/rollouts/{name}`.
    pub async fn rollout(&self, name: &RolloutName) -> Answer<RolloutView> {
        self.get(&format!("/rollouts/{name}")).await
    }
    /// GET `/rollouts/{name}/plan`.
    pub async fn plan(&self, name: &RolloutName) -> Answer<PlanView> {
        self.get(&format!("/rollouts/{name}/plan")).await
    }
    /// POST `/rollouts/{name}/plan`.
    pub async fn make_plan(&self, name: &RolloutName) -> Answer<PlanView> {
        self.make_plan_with(name, &PlanRequest::default()).await
    }
    /// POST `/rollouts/{name}/agree`.
    pub async fn agree(&self, name: &RolloutName, decision: &Decision) -> Answer<RolloutView> {
        self.act(name, "agree", decision).await
    }
    /// POST `/rollouts/{name}/prepare`.
    pub async fn prepare(&self, name: &RolloutName) -> Answer<RolloutView> {
        self.act(name, "prepare", &()).await
    }
    /// POST `/rollouts/{name}/authorise`.
    pub async fn authorise(&self, name: &RolloutName, decision: &Decision) -> Answer<RolloutView> {
        self.act(name, "authorise", decision).await
    }
    /// POST `/rollouts/{name}/configure`.
    pub async fn configure(&self, name: &RolloutName, with: &Configuration) -> Answer<RolloutView> {
        self.act(name, "configure", with).await
    }
    /// POST `/rollouts/{name}/deploy`.
    pub async fn deploy(&self, name: &RolloutName, deploy: &Deploy) -> Answer<RolloutView> {
        self.act(name, "deploy", deploy).await
    }
    /// POST `/rollouts/{name}/pause`.
    pub async fn pause(&self, name: &RolloutName, reason: &Reason) -> Answer<RolloutView> {
        self.act(name, "pause", reason).await
    }
    /// POST `/rollouts/{name}/resume`.
    pub async fn resume(&self, name: &RolloutName, reason: &Reason) -> Answer<RolloutView> {
        self.act(name, "resume", reason).await
    }
    /// POST `/rollouts/{name}/cancel`.
    pub async fn cancel(&self, name: &RolloutName, reason: &Reason) -> Answer<RolloutView> {
        self.act(name, "cancel", reason).await
    }
    /// POST `/rollouts/{name}/advance`.
    pub async fn advance(&self, name: &RolloutName) -> Answer<RolloutView> {
        self.act(name, "advance", &()).await
    }
    /// POST `/rollouts/{name}/hosts/{host}/ignore`.
    pub async fn ignore(
        &self,
        name: &RolloutName,
        host: &HostName,
        reason: &Reason,
    ) -> Answer<RolloutView> {
        self.act(name, &format!("hosts/{host}/ignore"), reason).await
    }
    /// POST `/rollouts/{name}/hosts/{host}/steps/{step}/acknowledge`.
    pub async fn acknowledge(
        &self,
        name: &RolloutName,
        (host, step): (&HostName, &StepId),
        reason: &Reason,
    ) -> Answer<RolloutView> {
        self.act(name, &format!("hosts/{host}/steps/{step}/acknowledge"), reason).await
    }
    /// GET `/rollouts/{name}/hosts/{host}/why`.
    pub async fn why(&self, name: &RolloutName, host: &HostName) -> Answer<WhyView> {
        self.get(&format!("/rollouts/{name}/hosts/{host}/why")).await
    }
    /// GET `/rollouts/{name}/events`: the rollout as it changes.
    pub async fn events(&self, name: &RolloutName) -> Answer<EventStream> {
        let url = self.url(&format!("/rollouts/{name}/events"))?;
        let request = self.http.get(url).bearer_auth(&self.token);
        Ok(EventStream::new(http::send(request).await?))
    }
    /// POST `/rollouts/{name}/hosts/{host}/sign`.
    pub async fn sign(
        &self,
        name: &RolloutName,
        host: &HostName,
        sign_off: &SignOff,
    ) -> Answer<CertificateView> {
        self.act(name, &format!("hosts/{host}/sign"), sign_off).await
    }
    /// GET `/rollouts/{name}/certificates`.
    pub async fn certificates(&self, name: &RolloutName) -> Answer<Vec<CertificateView>> {
        self.get(&format!("/rollouts/{name}/certificates")).await
    }
    /// GET `/rollouts/{name}/hosts/{host}/certificate`: the signed statement, byte for byte.
    pub async fn certificate_json(&self, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>> {
        self.bytes(&format!("/rollouts/{name}/hosts/{host}/certificate")).await
    }
    /// GET `/rollouts/{name}/hosts/{host}/certificate.pdf`.
    pub async fn certificate_pdf(&self, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>> {
        self.bytes(&format!("/rollouts/{name}/hosts/{host}/certificate.pdf")).await
    }
    /// GET `/signing-key`: PEM.
    pub async fn signing_key(&self) -> Answer<String> {
        let bytes = self.bytes("/signing-key").await?;
        String::from_utf8(bytes).map_err(|error| ClientError::BadAnswer {
            url: format!("{PREFIX}/signing-key"),
            what: error.to_string(),
        })
    }

    fn url(&self, path: &str) -> Answer<Url> {
        http::join(&self.server, &format!("{PREFIX}{path}"))
    }
    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(&self.token).timeout(LONG_CALL)
    }
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        http::send_json(self.request(Method::GET, self.url(path)?)).await
    }
    async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Answer<T> {
        http::send_json(self.request(Method::POST, self.url(path)?).json(body)).await
    }
    async fn act<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        name: &RolloutName,
        verb: &str,
        body: &B,
    ) -> Answer<T> {
        self.post(&format!("/rollouts/{name}/{verb}"), body).await
    }
    async fn bytes(&self, path: &str) -> Answer<Vec<u8>> {
        let response = http::send(self.request(Method::GET, self.url(path)?)).await?;
        http::body(response, DOCUMENT_BYTES_MAX).await
    }
}
