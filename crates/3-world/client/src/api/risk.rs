//! Risk: what people state, and where every number comes from.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::HostName;
use refit_protocol::v1::{HostRisk, NewRisk, RiskAct, RiskEntryView, WeightsSet, WeightsView};
use reqwest::Method;

impl ApiClient {
    /// GET `/risk`: active hosts that the expression names, the riskiest first.
    pub async fn risks(&self, filter: Option<&str>) -> Answer<Vec<HostRisk>> {
        let mut url = self.url("/risk")?;
        if let Some(filter) = filter {
            url.query_pairs_mut().append_pair("where", filter);
        }
        http::send_json(self.request(Method::GET, url)).await
    }
    /// GET `/hosts/{host}/risk`.
    pub async fn host_risk(&self, host: &HostName) -> Answer<HostRisk> {
        self.get(&format!("/hosts/{host}/risk")).await
    }
    /// GET `/risk/entries`.
    pub async fn risk_entries(&self) -> Answer<Vec<RiskEntryView>> {
        self.get("/risk/entries").await
    }
    /// POST `/risk/entries`.
    pub async fn state_risk(&self, risk: &NewRisk) -> Answer<RiskEntryView> {
        self.post("/risk/entries", risk).await
    }
    /// POST `/risk/entries/{id}`.
    pub async fn act_on_risk(&self, id: u64, act: &RiskAct) -> Answer<RiskEntryView> {
        self.post(&format!("/risk/entries/{id}"), act).await
    }
    /// GET `/risk/weights`.
    pub async fn risk_weights(&self) -> Answer<WeightsView> {
        self.get("/risk/weights").await
    }
    /// POST `/risk/weights`.
    pub async fn set_risk_weights(&self, set: &WeightsSet) -> Answer<WeightsView> {
        self.post("/risk/weights", set).await
    }
}
