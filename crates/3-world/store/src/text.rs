//! Between stored columns and typed values.

use crate::StoreError;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

/// Where a stored value stands, for the error.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) table: &'static str,
    pub(crate) key: &'a str,
}

impl At<'_> {
    pub(crate) fn damaged<E: std::error::Error + Send + Sync + 'static>(
        self,
        source: E,
    ) -> StoreError {
        StoreError::Damaged {
            table: self.table,
            key: self.key.to_owned(),
            source: Box::new(source),
        }
    }

    /// Reads JSON text.
    pub(crate) fn json<T: DeserializeOwned>(self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|source| self.damaged(source))
    }

    /// Writes JSON text.
    pub(crate) fn text<T: Serialize>(self, value: &T) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|source| self.damaged(source))
    }

    /// Reads anything with a text form.
    pub(crate) fn parse<T>(self, text: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        text.parse().map_err(|source| self.damaged(source))
    }

    /// Reads a moment.
    pub(crate) fn moment(self, ms: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_millisecond(ms).map_err(|source| self.damaged(source))
    }

    /// Reads a counter.
    pub(crate) fn count(self, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|source| self.damaged(source))
    }

    /// Writes a counter.
    pub(crate) fn stored(self, value: u64) -> Result<i64, StoreError> {
        i64::try_from(value).map_err(|source| self.damaged(source))
    }
}
