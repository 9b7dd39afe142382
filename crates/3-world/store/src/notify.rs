//! Notifications: channels, events, what was found before, and what became of each delivery.
//!
//! A finding has a key. Its event, and one delivery per channel, are written in the transaction that takes the key: whoever finds it again,
//! also after a crash, also another server, finds the key taken.

mod channels;
mod deliveries;
mod events;

pub use channels::ChannelRow;
pub use deliveries::{DeliveryRow, Tried};
pub use events::EventRow;
