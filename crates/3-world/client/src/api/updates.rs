//! Checks, the build graph, notifications.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::ProductName;
use refit_protocol::v1::{ChannelCreated, ChannelView, CheckReport, EventView, NewChannel};
use reqwest::Method;

/// A graph of thousands of builds has some megabytes.
const GRAPH_BYTES_MAX: usize = 64 << 20;

impl ApiClient {
    /// POST `/updates/check`: looks at the repository now.
    pub async fn check_updates(&self) -> Answer<CheckReport> {
        self.post("/updates/check", &()).await
    }
    /// GET `/updates/graph`; the format is `cincinnati`, `json` or `dot`.
    pub async fn update_graph(&self, product: &ProductName, format: &str) -> Answer<Vec<u8>> {
        let mut url = self.url("/updates/graph")?;
        url.query_pairs_mut()
            .append_pair("product", product.as_str())
            .append_pair("format", format);
        let response = http::send(self.request(Method::GET, url)).await?;
        http::body(response, GRAPH_BYTES_MAX).await
    }
    /// GET `/notifications/channels`.
    pub async fn channels(&self) -> Answer<Vec<ChannelView>> {
        self.get("/notifications/channels").await
    }
    /// POST `/notifications/channels`.
    pub async fn add_channel(&self, channel: &NewChannel) -> Answer<ChannelCreated> {
        self.post("/notifications/channels", channel).await
    }
    /// POST `/notifications/channels/{id}/remove`.
    pub async fn remove_channel(&self, id: &str) -> Answer<ChannelView> {
        self.post(&format!("/notifications/channels/{}/remove", segment(id)), &()).await
    }
    /// POST `/notifications/channels/{id}/test`.
    pub async fn test_channel(&self, id: &str) -> Answer<EventView> {
        self.post(&format!("/notifications/channels/{}/test", segment(id)), &()).await
    }
    /// GET `/notifications/events`.
    pub async fn notifications(&self, limit: u64) -> Answer<Vec<EventView>> {
        self.get(&format!("/notifications/events?limit={limit}")).await
    }
}

/// What a person typed stays one part of the path.
fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
