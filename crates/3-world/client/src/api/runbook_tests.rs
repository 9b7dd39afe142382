//! Dry runs of runbooks on hosts.

use super::{Answer, ApiClient};
use refit_names::HostName;
use refit_protocol::v1::{NewRunbookTest, RunbookTestView};

impl ApiClient {
    /// POST `/hosts/{host}/runbook-tests`.
    pub async fn ask_runbook_test(
        &self,
        host: &HostName,
        asked: &NewRunbookTest,
    ) -> Answer<RunbookTestView> {
        self.post(&format!("/hosts/{host}/runbook-tests"), asked).await
    }
    /// GET `/runbook-tests/{id}`.
    pub async fn runbook_test(&self, id: u64) -> Answer<RunbookTestView> {
        self.get(&format!("/runbook-tests/{id}")).await
    }
}
