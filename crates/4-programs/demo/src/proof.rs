//! Signatures of the named parties, the certificates, and their check without any server.

use crate::{DemoError, Ground, hosts::Host, people::People};
use refit_client::ApiClient;
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{Right, SignOff};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};
use tokio::task::JoinSet;

/// A host's certificate.
pub(crate) struct Certificate {
    /// The signed statement.
    pub(crate) json: PathBuf,
    /// Why it does not hold, if it does not.
    pub(crate) flaw: Option<String>,
}

/// Has every certificate signed, saves both forms, checks the signed one with nothing but the public key.
pub(crate) async fn collect(
    ground: &Ground,
    people: &People,
    hosts: &[Host],
) -> Result<BTreeMap<HostName, Certificate>, DemoError> {
    let name = RolloutName::parse("spring").map_err(DemoError::value)?;
    let folder = ground.folder("certificates")?;
    let key = people.owner.signing_key().await.map_err(DemoError::call("get the public key"))?;
    let key_file = folder.join("signing-key.pem");
    fs::write(&key_file, &key).map_err(DemoError::io("write", &key_file))?;
    let work = Arc::new(Work {
        name,
        folder,
        key,
        deployer: people.deployer.clone(),
        owner: people.owner.clone(),
    });
    let mut running = JoinSet::new();
    for host in hosts {
        let (work, host) = (Arc::clone(&work), host.spec.name.clone());
        running.spawn(async move {
            work.certificate(&host).await.map(|certificate| (host, certificate))
        });
    }
    let mut certificates = BTreeMap::new();
    while let Some(ended) = running.join_next().await {
        let (host, certificate) = ended.map_err(DemoError::value)??;
        certificates.insert(host, certificate);
    }
    Ok(certificates)
}

/// What every host's certificate needs.
struct Work {
    name: RolloutName,
    folder: PathBuf,
    key: String,
    deployer: ApiClient,
    owner: ApiClient,
}

impl Work {
    async fn certificate(&self, host: &HostName) -> Result<Certificate, DemoError> {
        let failed = |what: &str| DemoError::call(format!("{what} of {host}"));
        let sign_off = |party| SignOff { party, remark: String::new() };
        let by_deployer = self.deployer.sign(&self.name, host, &sign_off(Right::Deployer)).await;
        by_deployer.map_err(failed("sign the certificate"))?;
        let by_owner = self.owner.sign(&self.name, host, &sign_off(Right::ApplicationOwner)).await;
        let signed = by_owner.map_err(failed("sign the certificate"))?;
        let statement = self
            .owner
            .certificate_json(&self.name, host)
            .await
            .map_err(failed("get the certificate"))?;
        let pages =
            self.owner.certificate_pdf(&self.name, host).await.map_err(failed("get the PDF"))?;
        let json = self.folder.join(format!("{}.json", signed.name));
        let pdf = self.folder.join(format!("{}.pdf", signed.name));
        fs::write(&json, &statement).map_err(DemoError::io("write", &json))?;
        fs::write(&pdf, &pages).map_err(DemoError::io("write", &pdf))?;
        let flaw = match refit_documents::verify(&statement, &self.key) {
            Ok(verified) if !verified.subject.ends_with(&format!(" on {host}")) => {
                Some(format!("it is about {}", verified.subject))
            }
            Ok(_) if !pages.starts_with(b"%PDF-") => Some("its PDF is none".to_owned()),
            Ok(_) => None,
            Err(error) => Some(refit_names::chain(&error)),
        };
        Ok(Certificate { json, flaw })
    }
}
