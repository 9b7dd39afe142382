//! Rehearsals, documents and exports.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::RolloutName;
use refit_protocol::v1::{
    DocumentKind, DocumentQuery, ExportQuery, RehearsalQuery, RehearsalReport,
};
use reqwest::Method;

impl ApiClient {
    /// GET `/rollouts/{name}/rehearsal`.
    pub async fn rehearse(
        &self,
        name: &RolloutName,
        query: &RehearsalQuery,
    ) -> Answer<RehearsalReport> {
        let mut url = self.url(&format!("/rollouts/{name}/rehearsal"))?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("runs", &query.runs.to_string());
            pairs.append_pair("seed", &query.seed.to_string());
            let mut some = |key: &str, value: Option<String>| {
                if let Some(value) = value {
                    pairs.append_pair(key, &value);
                }
            };
            some("failure", query.failure.map(|chance| chance.to_string()));
            some("zone", query.zone.clone());
            some("from_hour", query.from_hour.map(|hour| hour.to_string()));
            some("to_hour", query.to_hour.map(|hour| hour.to_string()));
        }
        http::send_json(self.request(Method::GET, url)).await
    }

    /// GET `/rollouts/{name}/{document}.{format}`; the format is `pdf` or `html`.
    pub async fn document(
        &self,
        name: &RolloutName,
        kind: DocumentKind,
        format: &str,
        query: &DocumentQuery,
    ) -> Answer<Vec<u8>> {
        let mut pairs = Vec::new();
        pairs.extend(query.simulate.map(|runs| ("simulate", runs.to_string())));
        pairs.extend(query.seed.map(|seed| ("seed", seed.to_string())));
        self.file(&format!("/rollouts/{name}/{}.{format}", kind.name()), &pairs).await
    }

    /// GET `/rollouts/{name}/export.{format}`; the format is `xlsx`, `csv` or `ics`.
    pub async fn export(
        &self,
        name: &RolloutName,
        format: &str,
        query: &ExportQuery,
    ) -> Answer<Vec<u8>> {
        let pairs: Vec<_> =
            query.person.iter().map(|person| ("person", person.to_string())).collect();
        self.file(&format!("/rollouts/{name}/export.{format}"), &pairs).await
    }

    async fn file(&self, path: &str, pairs: &[(&str, String)]) -> Answer<Vec<u8>> {
        let mut url = self.url(path)?;
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        let response = http::send(self.request(Method::GET, url)).await?;
        http::body(response, super::DOCUMENT_BYTES_MAX).await
    }
}
