//! Plans with demands, plans of earlier generations, ways back.

use super::{Answer, ApiClient};
use refit_names::{Generation, RolloutName, WaveName};
use refit_plan::RollbackPlan;
use refit_protocol::v1::{PlanLine, PlanRequest, PlanView};

impl ApiClient {
    /// POST `/rollouts/{name}/plan`, with demands or without keeping anything.
    pub async fn make_plan_with(
        &self,
        name: &RolloutName,
        request: &PlanRequest,
    ) -> Answer<PlanView> {
        self.act(name, "plan", request).await
    }
    /// GET `/rollouts/{name}/plans`: the newest first.
    pub async fn plans(&self, name: &RolloutName) -> Answer<Vec<PlanLine>> {
        self.get(&format!("/rollouts/{name}/plans")).await
    }
    /// GET `/rollouts/{name}/plans/{generation}`.
    pub async fn plan_of_generation(
        &self,
        name: &RolloutName,
        generation: Generation,
    ) -> Answer<PlanView> {
        self.get(&format!("/rollouts/{name}/plans/{}", generation.0)).await
    }
    /// GET `/rollouts/{name}/rollback/{wave}`.
    pub async fn rollback_plan(&self, name: &RolloutName, wave: &WaveName) -> Answer<RollbackPlan> {
        self.get(&format!("/rollouts/{name}/rollback/{wave}")).await
    }
}
