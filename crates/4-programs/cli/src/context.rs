//! What a command gets: where the server is, who asks, where to print, time and randomness.

use crate::{CliError, Exit, args::Global, output::Output};
use refit_ambient::Ambient;
use refit_client::ApiClient;
use std::{env, fs, path::Path};

/// Where a server listens when nobody says otherwise.
pub(crate) const SERVER_DEFAULT: &str = "https://127.0.0.1:7443";

/// What a command gets.
pub(crate) struct Context {
    /// The only way to print.
    pub(crate) output: Output,
    /// Time and randomness.
    pub(crate) ambient: Ambient,
    global: Global,
}

impl Context {
    pub(crate) fn new(global: Global, output: Output) -> Self {
        Self { output, ambient: Ambient::system(), global }
    }

    /// The connection to the server as flags and environment describe it; nothing is sent yet.
    pub(crate) fn api(&self) -> Result<ApiClient, CliError> {
        let server = self.global.server.as_deref().unwrap_or(SERVER_DEFAULT);
        let authority = self.authority()?;
        Ok(ApiClient::new(server, &self.token()?, authority.as_deref())?)
    }

    /// The authority (PEM) that `--ca` names.
    pub(crate) fn authority(&self) -> Result<Option<String>, CliError> {
        self.global.ca.as_deref().map(text).transpose()
    }

    fn token(&self) -> Result<String, CliError> {
        if let Some(file) = &self.global.token_file {
            return text(file);
        }
        if let Some(token) = env::var_os("REFIT_TOKEN").filter(|token| !token.is_empty()) {
            return token.into_string().map_err(|_| CliError::usage("REFIT_TOKEN is not text"));
        }
        match env::var_os("REFIT_TOKEN_FILE").filter(|file| !file.is_empty()) {
            Some(file) => text(Path::new(&file)),
            None => Err(CliError::new(
                "cli.no-token",
                Exit::Denied,
                "no access token: give --token-file FILE, REFIT_TOKEN_FILE or REFIT_TOKEN",
            )),
        }
    }
}

/// Reads a small text file that a person named.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::io("read", path.display(), source))
}
