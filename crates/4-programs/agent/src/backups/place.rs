//! `[backup]` of the configuration: where backups are kept beside the host itself, and what opens it.

use crate::backups::BackupsError;
use refit_vault::{S3Place, Target, VaultPlace};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How a repository in a bucket is written.
const S3: &str = "s3://";
/// What servers that know no regions expect.
const REGION: &str = "us-east-1";
/// Where systemd lays the credentials of a unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// `[backup]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// A repository in restic's format: a folder, usually of another machine, or `s3://BUCKET/PREFIX`.
    pub repository: String,
    /// File with its password; none: see [`Secret`].
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The server of a bucket.
    #[serde(default)]
    pub s3: S3Config,
}

/// `[backup.s3]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Its address, without the bucket; none: Amazon's of the region.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region that goes into signatures.
    #[serde(default)]
    pub region: Option<String>,
    /// File with the name of the key; none: see [`Secret`].
    #[serde(default)]
    pub access_key_file: Option<PathBuf>,
    /// File with the key; none: see [`Secret`].
    #[serde(default)]
    pub secret_key_file: Option<PathBuf>,
    /// File with the authorities that the server's certificate may come from; none: those of the system.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

/// Something that is never written into the configuration: looked for in the file that it names, then among
/// the credentials that systemd gave to the agent, then in the environment.
struct Secret<'a> {
    what: &'static str,
    key: &'static str,
    file: Option<&'a Path>,
    credential: &'static str,
    variable: &'static str,
}

impl Secret<'_> {
    fn read(&self) -> Result<String, BackupsError> {
        let from = |path: &Path| {
            let text = fs::read_to_string(path).map_err(BackupsError::io("read", path))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        };
        if let Some(file) = self.file {
            return from(file);
        }
        let credential = std::env::var_os(CREDENTIALS).map(PathBuf::from);
        let credential = credential.map(|folder| folder.join(self.credential));
        if let Some(file) = credential.filter(|file| file.exists()) {
            return from(&file);
        }
        std::env::var(self.variable).map_err(|_| BackupsError::NoSecret {
            what: self.what,
            key: self.key,
            credential: self.credential,
            variable: self.variable,
        })
    }
}

impl BackupConfig {
    /// Where the repository is and what opens it, read anew: passwords change while the agent runs.
    pub(crate) fn place(&self) -> Result<VaultPlace, BackupsError> {
        let password = Secret {
            what: "the repository's password",
            key: "backup.password_file",
            file: self.password_file.as_deref(),
            credential: "backup.password",
            variable: "REFIT_BACKUP_PASSWORD",
        };
        Ok(VaultPlace { target: self.target()?, password: password.read()? })
    }

    fn target(&self) -> Result<Target, BackupsError> {
        let bad = |why| BackupsError::BadTarget { target: self.repository.clone(), why };
        let Some(rest) = self.repository.strip_prefix(S3) else {
            let folder = PathBuf::from(&self.repository);
            return if folder.is_absolute() {
                Ok(Target::Folder(folder))
            } else {
                Err(bad("expected an absolute path or s3://BUCKET/PREFIX"))
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(bad("expected the name of a bucket behind s3://"));
        }
        let s3 = &self.s3;
        let region = s3.region.clone().unwrap_or_else(|| REGION.to_owned());
        let amazon = || format!("https://s3.{region}.amazonaws.com");
        let access_key = Secret {
            what: "the name of the bucket's key",
            key: "backup.s3.access_key_file",
            file: s3.access_key_file.as_deref(),
            credential: "backup.s3.access-key",
            variable: "AWS_ACCESS_KEY_ID",
        };
        let secret_key = Secret {
            what: "the bucket's key",
            key: "backup.s3.secret_key_file",
            file: s3.secret_key_file.as_deref(),
            credential: "backup.s3.secret-key",
            variable: "AWS_SECRET_ACCESS_KEY",
        };
        Ok(Target::S3(S3Place {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            endpoint: s3.endpoint.clone().unwrap_or_else(amazon),
            access_key: access_key.read()?,
            secret_key: secret_key.read()?,
            authority: s3.authority.clone(),
            region,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_names::Coded as _;

    fn target(text: &str, secrets: &Path) -> Result<Target, BackupsError> {
        let [access, secret] = ["access", "secret"].map(|name| secrets.join(name));
        fs::write(&access, "AKID\n").unwrap();
        fs::write(&secret, "key\r\n").unwrap();
        let text = format!(
            "repository = \"{text}\"\n[s3]\naccess_key_file = \"{}\"\nsecret_key_file = \"{}\"",
            access.display(),
            secret.display()
        );
        toml::from_str::<BackupConfig>(&text).unwrap().target()
    }

    #[test]
    fn bucket_and_folder_are_told_apart_and_half_names_refused() {
        let secrets = tempfile::tempdir().unwrap();
        let of = |text| target(text, secrets.path());
        assert_eq!(of("/mnt/b").unwrap(), Target::Folder("/mnt/b".into()));
        let Target::S3(place) = of("s3://store/refit/a/").unwrap() else { unreachable!() };
        assert_eq!((place.bucket.as_str(), place.prefix.as_str()), ("store", "refit/a"));
        assert_eq!((place.access_key.as_str(), place.secret_key.as_str()), ("AKID", "key"));
        assert_eq!(place.endpoint, "https://s3.us-east-1.amazonaws.com");
        for bad in ["b", "s3://", "s3:///x", "s3://a b/c", "S3://x"] {
            assert_eq!(of(bad).unwrap_err().code(), "backup.bad-target", "{bad}");
        }
    }

    #[test]
    fn secret_that_is_nowhere_is_named_with_all_its_places() {
        let secret = Secret {
            what: "the key",
            key: "backup.x",
            file: None,
            credential: "backup.none",
            variable: "REFIT_NO_SUCH_VARIABLE",
        };
        let error = secret.read().unwrap_err();
        let text = refit_names::chain(&error);
        assert_eq!(error.code(), "backup.no-secret");
        for place in ["backup.x", "backup.none", "REFIT_NO_SUCH_VARIABLE"] {
            assert!(text.contains(place), "{text}");
        }
    }
}
