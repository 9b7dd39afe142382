//! Backups of hosts.

use super::{Answer, ApiClient};
use refit_names::HostName;
use refit_protocol::v1::{BackupRequestView, BackupScheduleView, HostBackups, NewBackupRequest};

impl ApiClient {
    /// GET `/backups`.
    pub async fn backups(&self) -> Answer<Vec<HostBackups>> {
        self.get("/backups").await
    }
    /// GET `/hosts/{host}/backups`.
    pub async fn host_backups(&self, host: &HostName) -> Answer<HostBackups> {
        self.get(&format!("/hosts/{host}/backups")).await
    }
    /// POST `/hosts/{host}/backups`.
    pub async fn ask_backup(
        &self,
        host: &HostName,
        asked: &NewBackupRequest,
    ) -> Answer<BackupRequestView> {
        self.post(&format!("/hosts/{host}/backups"), asked).await
    }
    /// GET `/backup-schedules`.
    pub async fn backup_schedules(&self) -> Answer<Vec<BackupScheduleView>> {
        self.get("/backup-schedules").await
    }
    /// POST `/backup-schedules`.
    pub async fn set_backup_schedule(
        &self,
        view: &BackupScheduleView,
    ) -> Answer<BackupScheduleView> {
        self.post("/backup-schedules", view).await
    }
    /// POST `/backup-schedules/{name}/remove`.
    pub async fn remove_backup_schedule(&self, name: &str) -> Answer<BackupScheduleView> {
        self.post(&format!("/backup-schedules/{name}/remove"), &()).await
    }
}
