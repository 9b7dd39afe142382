//! Questions of hosts to people.

use super::{Answer, ApiClient};
use crate::http;
use refit_names::{Digest, HostName, RolloutName, StepId};
use refit_protocol::v1::{NewAnswer, QuestionView, QuestionsQuery};
use reqwest::Method;

impl ApiClient {
    /// GET `/questions`.
    pub async fn questions(&self, query: &QuestionsQuery) -> Answer<Vec<QuestionView>> {
        let mut url = self.url("/questions")?;
        if let Some(rollout) = &query.rollout {
            url.query_pairs_mut().append_pair("rollout", rollout.as_str());
        }
        if query.all {
            url.query_pairs_mut().append_pair("all", "true");
        }
        http::send_json(self.request(Method::GET, url)).await
    }
    /// POST `/rollouts/{name}/hosts/{host}/steps/{step}/answer`.
    pub async fn answer(
        &self,
        rollout: &RolloutName,
        host: &HostName,
        step: &StepId,
        answer: &NewAnswer,
    ) -> Answer<QuestionView> {
        self.post(&format!("/rollouts/{rollout}/hosts/{host}/steps/{step}/answer"), answer).await
    }
    /// GET `/uploads/{digest}`: a file that was handed in, byte for byte.
    pub async fn uploaded(&self, digest: &Digest) -> Answer<Vec<u8>> {
        self.bytes(&format!("/uploads/{digest}")).await
    }
}
