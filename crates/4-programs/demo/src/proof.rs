//! Signatures of the named parties, the certificates, and their check without any server.

use crate::{DemoError, Ground, hosts::Host, people::People};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{Right, SignOff};
use std::{collections::BTreeMap, fs, path::PathBuf};

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
    let mut certificates = BTreeMap::new();
    for host in hosts {
        let host = &host.spec.name;
        let sign_off = |party| SignOff { party, remark: String::new() };
        people.deployer.sign(&name, host, &sign_off(Right::Deployer)).await.map_err(DemoError::call(format!("sign for {host}")))?;
        let signed = people.owner.sign(&name, host, &sign_off(Right::ApplicationOwner)).await;
        let signed = signed.map_err(DemoError::call(format!("sign for {host}")))?;
        let statement = people.owner.certificate_json(&name, host).await.map_err(DemoError::call(format!("get the certificate of {host}")))?;
        let pdf = people.owner.certificate_pdf(&name, host).await.map_err(DemoError::call(format!("get the PDF of {host}")))?;
        let (json, pdf_file) = (folder.join(format!("{}.json", signed.name)), folder.join(format!("{}.pdf", signed.name)));
        fs::write(&json, &statement).map_err(DemoError::io("write", &json))?;
        fs::write(&pdf_file, &pdf).map_err(DemoError::io("write", &pdf_file))?;
        let flaw = match refit_documents::verify(&statement, &key) {
            Ok(verified) if !verified.subject.contains(host.as_str()) => {
                Some(format!("it is about {}", verified.subject))
            }
            Ok(_) if !pdf.starts_with(b"%PDF-") => Some("its PDF is none".to_owned()),
            Ok(_) => None,
            Err(error) => Some(refit_names::chain(&error)),
        };
        certificates.insert(host.clone(), Certificate { json, flaw });
    }
    Ok(certificates)
}
