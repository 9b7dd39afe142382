//! Published packs, whole.

use super::{Answer, ApiClient};
use refit_names::{BuildId, ProductName};
use refit_protocol::v1::PackView;

impl ApiClient {
    /// GET `/packs/{product}/{build}`.
    pub async fn pack(&self, product: &ProductName, build: &BuildId) -> Answer<PackView> {
        self.get(&format!("/packs/{product}/{build}")).await
    }
}
