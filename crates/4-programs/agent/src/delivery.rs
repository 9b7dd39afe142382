//! `[delivery]` of `agent.toml`: how fast this host fetches, and how much room fetched content may take.

use refit_names::ByteSize;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    /// At most so many bytes per second, as `10 MiB/s`.
    #[serde(default, deserialize_with = "rate")]
    pub rate: Option<ByteSize>,
    /// Room for fetched content; what the current order does not need goes first.
    #[serde(default)]
    pub quota: Option<ByteSize>,
}

/// A size, with or without `/s` behind it; nought would never end.
fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let size =
        ByteSize::parse(text.trim().trim_end_matches("/s").trim()).map_err(D::Error::custom)?;
    if size.0 == 0 {
        return Err(D::Error::custom(
            "a rate of 0 would never end, expected for example `10 MiB/s`",
        ));
    }
    Ok(Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_has_a_unit_and_is_not_nought() {
        let read = |text: &str| toml::from_str::<DeliveryConfig>(text);
        let rate = read("rate = \"10 MiB/s\"\nquota = \"2 GiB\"").unwrap();
        assert_eq!(rate.rate, Some(ByteSize(10 << 20)));
        assert_eq!(rate.quota, Some(ByteSize(2 << 30)));
        assert_eq!(read("rate = \"1.5MB/s\"").unwrap().rate, Some(ByteSize(1_500_000)));
        assert!(read("rate = \"0\"").unwrap_err().to_string().contains("never end"));
        assert!(read("rate = \"fast\"").is_err());
        assert!(read("rates = \"1 MiB/s\"").is_err());
    }
}
