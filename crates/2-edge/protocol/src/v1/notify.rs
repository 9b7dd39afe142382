//! Notifications: who hears of which events, and what became of each delivery.

use super::{EventKind, Finding};
use jiff::Timestamp;
use refit_names::PersonName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChannelTarget {
    /// `POST` to an address, signed as Standard Webhooks has it.
    Webhook {
        /// http or https.
        url: String,
    },
    /// A mail.
    Mail {
        /// To whom.
        address: String,
        /// From whom.
        from: String,
        /// `smtps://HOST[:PORT]` or `smtp://HOST[:PORT]` (with STARTTLS; without it on loopback only).
        smtp: String,
        /// Who logs in there, if anybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
}

impl ChannelTarget {
    /// The address that people know it by.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::Webhook { url } => url,
            Self::Mail { address, .. } => address,
        }
    }
}

/// A channel to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewChannel {
    /// Where.
    pub target: ChannelTarget,
    /// Which events; empty means all.
    #[serde(default)]
    pub events: BTreeSet<EventKind>,
    /// The password of the mail server's user; kept sealed, never given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// A new channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelCreated {
    /// The channel.
    pub channel: ChannelView,
    /// The secret that signs what a webhook gets; shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelView {
    /// Its identifier.
    pub id: String,
    /// Where.
    pub target: ChannelTarget,
    /// Which events.
    pub events: BTreeSet<EventKind>,
    /// Who made it.
    pub made_by: PersonName,
    /// When.
    pub made_at: Timestamp,
    /// Why nothing is sent there any more, if so.
    pub disabled: Option<String>,
}

/// An event with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its identifier; a webhook's `webhook-id`.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// When it was found.
    pub at: Timestamp,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Each channel that it is for.
    pub deliveries: Vec<DeliveryView>,
}

/// What became of an event on its way to one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// The channel's identifier.
    pub channel: String,
    /// Where it leads; empty when the channel was removed.
    pub address: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: u32,
    /// The last try.
    pub last_at: Option<Timestamp>,
    /// The next try.
    pub next_at: Option<Timestamp>,
    /// Why the last try failed.
    pub problem: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// To be tried, or tried again.
    Pending,
    /// Taken.
    Delivered,
    /// Given up.
    Failed,
}
