//! What people state of hosts, sites, clusters and engineers.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::{HostName, PersonName, SiteName};
use refit_protocol::v1::{
    ChangeView, ClearQuarantine, FleetImport, FleetImported, FleetRecords, HostPage, HostSet,
    HostView, QuarantineCleared, Reason,
};
use reqwest::Method;

impl ApiClient {
    /// GET `/hosts/page`, page by page: every host that the expression names; without one, all.
    pub async fn hosts_where(&self, filter: Option<&str>) -> Answer<Vec<HostView>> {
        let (mut hosts, mut after) = (Vec::new(), None);
        loop {
            let page = self.host_page(filter, after.as_ref()).await?;
            hosts.extend(page.hosts);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(hosts),
            }
        }
    }
    /// GET `/hosts/page`: some hosts after one by name.
    pub async fn host_page(
        &self,
        filter: Option<&str>,
        after: Option<&HostName>,
    ) -> Answer<HostPage> {
        let mut url = self.url("/hosts/page")?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(filter) = filter {
                query.append_pair("where", filter);
            }
            if let Some(after) = after {
                query.append_pair("after", after.as_str());
            }
        }
        http::send_json(self.request(Method::GET, url)).await
    }
    /// POST `/hosts/{host}/set`.
    pub async fn set_host(&self, host: &HostName, set: &HostSet) -> Answer<FleetImported> {
        self.post(&format!("/hosts/{host}/set"), set).await
    }
    /// POST `/hosts/{host}/retire`.
    pub async fn retire_host(&self, host: &HostName, why: &Reason) -> Answer<FleetImported> {
        self.post(&format!("/hosts/{host}/retire"), why).await
    }
    /// POST `/hosts/{host}/unretire`.
    pub async fn unretire_host(&self, host: &HostName) -> Answer<FleetImported> {
        self.post(&format!("/hosts/{host}/unretire"), &()).await
    }
    /// POST `/hosts/{host}/clear-quarantine`.
    pub async fn clear_quarantine(
        &self,
        host: &HostName,
        asked: &ClearQuarantine,
    ) -> Answer<QuarantineCleared> {
        self.post(&format!("/hosts/{host}/clear-quarantine"), asked).await
    }
    /// GET `/hosts/{host}/changes`.
    pub async fn host_changes(&self, host: &HostName) -> Answer<Vec<ChangeView>> {
        self.get(&format!("/hosts/{host}/changes")).await
    }
    /// POST `/fleet/import`.
    pub async fn import_fleet(&self, import: &FleetImport) -> Answer<FleetImported> {
        self.post("/fleet/import", import).await
    }
    /// GET `/fleet/records`.
    pub async fn fleet_records(&self) -> Answer<FleetRecords> {
        self.get("/fleet/records").await
    }
    /// POST `/fleet/sites/{name}/remove`.
    pub async fn remove_site(&self, name: &SiteName) -> Answer<FleetImported> {
        self.post(&format!("/fleet/sites/{name}/remove"), &()).await
    }
    /// POST `/fleet/clusters/{name}/remove`.
    pub async fn remove_cluster(&self, name: &str) -> Answer<FleetImported> {
        let mut url = self.url("/fleet/clusters")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(name).push("remove");
        }
        http::send_json(self.request(Method::POST, url).json(&())).await
    }
    /// POST `/fleet/engineers/{name}/remove`.
    pub async fn remove_engineer(&self, name: &PersonName) -> Answer<FleetImported> {
        self.post(&format!("/fleet/engineers/{name}/remove"), &()).await
    }
}
