//! Quantities that carry their unit.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Unexpected, Visitor},
};
use std::{borrow::Cow, fmt};

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number with a unit of bytes.
    #[error("size `{0}` is not a number with one of the units B, KiB, MiB, GiB, kB, MB, GB")]
    Size(String),
    /// Not between 0 and 100.
    #[error("per cent value {0} is not between 0 and 100")]
    Percent(u8),
}

/// A number of bytes. Read as a number, or as a text with a unit; written as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl ByteSize {
    /// Reads `20 MiB`, `1.5GB` or a bare number of bytes.
    ///
    /// # Errors
    /// [`SizeError::Size`] when the text is none of these.
    pub fn parse(text: &str) -> Result<Self, SizeError> {
        let wrong = || SizeError::Size(text.to_owned());
        let (number, unit) = UNITS
            .iter()
            .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)))
            .unwrap_or((text, 1));
        let number = number.trim();
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(unit).map(Self).ok_or_else(wrong);
        }
        let value: f64 = number.parse().map_err(|_| wrong())?;
        let bytes = value * unit as f64;
        if !bytes.is_finite() || !(0.0..1e18).contains(&bytes) {
            return Err(wrong());
        }
        Ok(Self(bytes as u64))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, or a text such as `20 MiB`")
    }
    fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }
    fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes)
            .map(ByteSize)
            .map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteSize, E> {
        ByteSize::parse(text).map_err(E::custom)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": u64::MAX },
                {
                    "type": "string",
                    "format": "refit-size",
                    "pattern": r"^[0-9]+(\.[0-9]+)? *([KMGT]iB|[kMGT]B|B)?$",
                },
            ],
            "description": "a number of bytes, or a text such as `20 MiB`",
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            n if n < 1 << 10 => format!("{n} B"),
            n if n < 1 << 20 => format!("{:.1} KiB", n as f64 / 1024.0),
            n if n < 1 << 30 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
            n => format!("{:.2} GiB", n as f64 / 1_073_741_824.0),
        };
        f.pad(&text)
    }
}

/// A share of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const HUNDRED: Self = Self(100);

    /// Wraps a number between 0 and 100.
    ///
    /// # Errors
    /// [`SizeError::Percent`] when it is larger than 100.
    pub const fn new(value: u8) -> Result<Self, SizeError> {
        if value > 100 { Err(SizeError::Percent(value)) } else { Ok(Self(value)) }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Percent {
    type Error = SizeError;
    fn try_from(value: u8) -> Result<Self, SizeError> {
        Self::new(value)
    }
}
impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}
impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// How often a plan was replaced: a host refuses an order of an older generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The first plan of a rollout.
    pub const FIRST: Self = Self(1);

    /// The generation of the plan that replaces this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_print() {
        assert_eq!(ByteSize::parse("1.5 MiB"), Ok(ByteSize(1_572_864)));
        assert_eq!(ByteSize::parse("200"), Ok(ByteSize(200)));
        assert_eq!(ByteSize::parse("2GB"), Ok(ByteSize(2_000_000_000)));
        assert!(ByteSize::parse("-1 B").is_err());
        assert!(ByteSize::parse("many").is_err());
        assert_eq!(ByteSize(1_572_864).to_string(), "1.5 MiB");
        assert_eq!(serde_json::from_str::<ByteSize>("\"4 GiB\"").unwrap(), ByteSize(4 << 30));
        assert_eq!(serde_json::from_str::<ByteSize>("4096").unwrap(), ByteSize(4096));
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
    }

    #[test]
    fn percent_over_hundred_is_refused() {
        assert_eq!(Percent::new(101), Err(SizeError::Percent(101)));
    }
}
