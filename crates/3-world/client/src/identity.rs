//! Key, certificate and authority of a host, as files.

use crate::{
    error::{ClientError, IdentityError},
    trust,
};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use refit_names::{HostName, RoleName, SiteName};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The folder below the state folder.
const FOLDER: &str = "identity";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
const AUTHORITY: &str = "authority.pem";
const TUF_ROOT: &str = "tuf-root.json";
const NOTE: &str = "identity.json";

/// Who a host is to its server. All files appear together or not at all.
#[derive(Clone)]
pub struct Identity {
    /// Private key, PEM. Secret.
    pub key: String,
    /// Certificate, PEM.
    pub certificate: String,
    /// Certificate of the authority that signed this one and the server's, PEM.
    pub authority: String,
    /// The TUF root that the host pins, JSON.
    pub tuf_root: String,
    /// What is no secret.
    pub note: IdentityNote,
}

/// What a host knows of itself since it was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityNote {
    /// Its name.
    pub host: HostName,
    /// The server's address.
    pub server: String,
    /// Where it stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
}

/// A fresh key with its certificate request.
pub struct CertificateRequest {
    pub(crate) key: String,
    /// The request, PEM: all that leaves the machine.
    pub csr: String,
}

impl CertificateRequest {
    /// Makes an ECDSA P-256 key and a request that names `host`.
    ///
    /// # Errors
    /// [`IdentityError::Key`].
    pub fn new(host: &HostName) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, host.as_str());
        let csr =
            params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(IdentityError::Key)?;
        Ok(Self { key: key.serialize_pem(), csr })
    }
}

impl Identity {
    /// Where the identity is below `state`.
    #[must_use]
    pub fn folder(state: &Path) -> PathBuf {
        state.join(FOLDER)
    }

    /// Reads what [`Identity::save`] wrote.
    ///
    /// # Errors
    /// [`IdentityError::Missing`] when the host was never enrolled; otherwise what is wrong with which file.
    pub fn load(state: &Path) -> Result<Self, IdentityError> {
        let dir = Self::folder(state);
        if !dir.is_dir() {
            return Err(IdentityError::Missing { dir });
        }
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(|source| IdentityError::Io {
                verb: "read",
                path,
                source,
            })
        };
        let note = serde_json::from_str(&read(NOTE)?).map_err(|error| IdentityError::Damaged {
            path: dir.join(NOTE),
            what: error.to_string(),
        })?;
        Ok(Self {
            key: read(KEY)?,
            certificate: read(CERTIFICATE)?,
            authority: read(AUTHORITY)?,
            tuf_root: read(TUF_ROOT)?,
            note,
        })
    }

    /// Writes all files beside and renames the folder into place, so that a cut-off leaves all or nothing.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] when there is an identity already; [`IdentityError::Io`] names the file.
    pub fn save(&self, state: &Path) -> Result<(), IdentityError> {
        let dir = Self::folder(state);
        if dir.exists() {
            return Err(IdentityError::Exists { dir });
        }
        fs::create_dir_all(state).map_err(failed(state))?;
        let partial = self.lay_beside(state)?;
        fs::rename(&partial, &dir).map_err(failed(&dir))?;
        sync_folder(state).map_err(failed(state))
    }

    /// Gives the host another certificate with the key that it was asked for with. The folders change places at once: a cut-off leaves
    /// the old pair or the new one.
    ///
    /// # Errors
    /// [`ClientError`] when the two do not belong together, or a file cannot be written; the identity is as before then.
    pub fn renew(
        state: &Path,
        request: CertificateRequest,
        certificate: String,
    ) -> Result<Self, ClientError> {
        let new = Self { key: request.key, certificate, ..Self::load(state)? };
        trust::Shown::new(&new.certificate, &new.key)?;
        let (dir, partial) = (Self::folder(state), new.lay_beside(state)?);
        renameat_with(CWD, &partial, CWD, &dir, RenameFlags::EXCHANGE)
            .map_err(std::io::Error::from)
            .map_err(failed(&dir))?;
        sync_folder(state).map_err(failed(state))?;
        fs::remove_dir_all(&partial).map_err(failed(&partial))?;
        Ok(new)
    }

    /// Writes all files into a folder of their own, which it returns.
    fn lay_beside(&self, state: &Path) -> Result<PathBuf, IdentityError> {
        let partial = state.join(format!("{FOLDER}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed(&partial))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&partial).map_err(failed(&partial))?;
        let note = serde_json::to_string_pretty(&self.note).map_err(|error| {
            IdentityError::Damaged { path: partial.join(NOTE), what: error.to_string() }
        })?;
        let files = [
            (KEY, &self.key),
            (CERTIFICATE, &self.certificate),
            (AUTHORITY, &self.authority),
            (TUF_ROOT, &self.tuf_root),
            (NOTE, &note),
        ];
        for (name, text) in files {
            let path = partial.join(name);
            write_private(&path, text.as_bytes()).map_err(failed(&path))?;
        }
        sync_folder(&partial).map_err(failed(&partial))?;
        Ok(partial)
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::Io { verb: "write", path, source }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn identity() -> Identity {
        let host = HostName::parse("web1").unwrap();
        Identity {
            key: CertificateRequest::new(&host).unwrap().key,
            certificate: "c".into(),
            authority: "a".into(),
            tuf_root: "{}".into(),
            note: IdentityNote {
                host,
                server: "https://127.0.0.1:1".into(),
                site: SiteName::parse("north").unwrap(),
                role: RoleName::parse("app").unwrap(),
            },
        }
    }

    #[test]
    fn saved_identity_is_private_and_is_never_overwritten() {
        let state = tempfile::tempdir().unwrap();
        assert!(matches!(Identity::load(state.path()), Err(IdentityError::Missing { .. })));
        // What a kill in the middle of an earlier try left behind.
        fs::create_dir(state.path().join("identity.partial")).unwrap();
        let made = identity();
        made.save(state.path()).unwrap();
        let mode = |name: &str| {
            fs::metadata(Identity::folder(state.path()).join(name)).unwrap().permissions().mode()
                & 0o777
        };
        assert_eq!((mode(KEY), mode("")), (0o600, 0o700));
        let read = Identity::load(state.path()).unwrap();
        assert_eq!((&read.key, &read.note), (&made.key, &made.note));
        assert!(matches!(made.save(state.path()), Err(IdentityError::Exists { .. })));
    }

    #[test]
    fn request_is_for_a_p256_key_and_names_the_host() {
        let made = CertificateRequest::new(&HostName::parse("web1").unwrap()).unwrap();
        let parsed = rcgen::CertificateSigningRequestParams::from_pem(&made.csr).unwrap();
        let name = parsed.params.distinguished_name.get(&DnType::CommonName).cloned();
        assert_eq!(name, Some(rcgen::DnValue::Utf8String("web1".into())));
    }
}
