//! Windows, freezes and feeds.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::WindowName;
use refit_plan::Freeze;
use refit_protocol::v1::{
    FeedCreated, FeedQuery, FeedView, NewFeed, OpeningsQuery, OpeningsView, Removed, WindowView,
    WindowsChanged, WindowsPut,
};
use reqwest::Method;
use serde::Serialize;

impl ApiClient {
    /// GET `/windows`.
    pub async fn windows(&self) -> Answer<Vec<WindowView>> {
        self.get("/windows").await
    }
    /// POST `/windows`: all or none.
    pub async fn put_windows(&self, put: &WindowsPut) -> Answer<WindowsChanged> {
        self.post("/windows", put).await
    }
    /// POST `/windows/{name}/remove`.
    pub async fn remove_window(&self, name: &WindowName) -> Answer<Removed> {
        self.post(&format!("/windows/{name}/remove"), &()).await
    }
    /// GET `/windows/{name}/openings`.
    pub async fn openings(&self, name: &WindowName, query: &OpeningsQuery) -> Answer<OpeningsView> {
        self.asked(&format!("/windows/{name}/openings"), query).await
    }
    /// GET `/freezes`.
    pub async fn freezes(&self) -> Answer<Vec<Freeze>> {
        self.get("/freezes").await
    }
    /// POST `/freezes`.
    pub async fn add_freeze(&self, freeze: &Freeze) -> Answer<Freeze> {
        self.post("/freezes", freeze).await
    }
    /// POST `/freezes/{name}/remove`.
    pub async fn remove_freeze(&self, name: &WindowName) -> Answer<Removed> {
        self.post(&format!("/freezes/{name}/remove"), &()).await
    }
    /// GET `/windows.ics`: the text of a calendar.
    pub async fn feed(&self, query: &FeedQuery) -> Answer<Vec<u8>> {
        let url = self.with_query("/windows.ics", query)?;
        let response = http::send(self.request(Method::GET, url)).await?;
        http::body(response, super::DOCUMENT_BYTES_MAX).await
    }
    /// GET `/feeds`.
    pub async fn feeds(&self) -> Answer<Vec<FeedView>> {
        self.get("/feeds").await
    }
    /// POST `/feeds`: its address is shown once.
    pub async fn add_feed(&self, feed: &NewFeed) -> Answer<FeedCreated> {
        self.post("/feeds", feed).await
    }
    /// POST `/feeds/{id}/remove`.
    pub async fn remove_feed(&self, id: &str) -> Answer<Removed> {
        self.post(&format!("/feeds/{id}/remove"), &()).await
    }

    async fn asked<Q: Serialize, T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &Q,
    ) -> Answer<T> {
        http::send_json(self.request(Method::GET, self.with_query(path, query)?)).await
    }

    /// The address with the fields of `query` that say something.
    fn with_query<Q: Serialize>(&self, path: &str, query: &Q) -> Answer<url::Url> {
        let mut url = self.url(path)?;
        let fields = serde_json::to_value(query).unwrap_or_default();
        for (key, value) in fields.as_object().into_iter().flatten() {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => {
                    url.query_pairs_mut().append_pair(key, text);
                }
                other => {
                    url.query_pairs_mut().append_pair(key, &other.to_string());
                }
            }
        }
        Ok(url)
    }
}
