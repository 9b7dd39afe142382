//! Server-sent events.

use crate::{error::ClientError, http};
use refit_protocol::v1::RolloutView;
use reqwest::Response;

/// Views of one rollout as they change. Ends when the server closes it.
pub struct EventStream {
    response: Response,
    pending: Vec<u8>,
    data: String,
}

impl EventStream {
    pub(crate) const fn new(response: Response) -> Self {
        Self { response, pending: Vec::new(), data: String::new() }
    }

    /// The next view; none when the stream ended.
    ///
    /// # Errors
    /// [`ClientError`] when the connection broke or an event is not a view.
    pub async fn next(&mut self) -> Result<Option<RolloutView>, ClientError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(event) = self.feed(&line) {
                    return serde_json::from_str(&event)
                        .map(Some)
                        .map_err(|error| self.bad(error.to_string()));
                }
            }
            match self.response.chunk().await.map_err(http::classify)? {
                Some(bytes) => self.pending.extend_from_slice(&bytes),
                None => return Ok(None),
            }
            if self.pending.len() + self.data.len() > http::JSON_BYTES_MAX {
                return Err(self.bad(format!("event longer than {} bytes", http::JSON_BYTES_MAX)));
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let end = self.pending.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.pending.drain(..=end).collect();
        let text = String::from_utf8_lossy(&line);
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Takes a line; gives the event's data when the line ended one. Comments and other fields are passed over.
    fn feed(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            return (!self.data.is_empty()).then(|| std::mem::take(&mut self.data));
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }

    fn bad(&self, what: String) -> ClientError {
        ClientError::BadAnswer { url: self.response.url().to_string(), what }
    }
}
