//! The times of a plan: when a host is expected to end, when a wave and when everything is.

use crate::{Plan, PlannedHost, PlannedWave};
use jiff::{SignedDuration, Timestamp};
use refit_names::TimeClass;

/// How long a host and whoever looks after it are busy when all goes well: the change and its validation.
#[must_use]
pub const fn busy_ms(host: &PlannedHost) -> u64 {
    host.p95_ms.saturating_add(host.validation_ms)
}

/// What an opening must hold from a host's start on: the change, its validation and the way back.
#[must_use]
pub const fn reserve_ms(host: &PlannedHost) -> u64 {
    busy_ms(host).saturating_add(host.undo_p95_ms)
}

impl PlannedHost {
    /// When it is expected to be changed and validated; none when it has no slot.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let slot = self.slot.as_ref()?;
        let busy = SignedDuration::from_millis(i64::try_from(busy_ms(self)).unwrap_or(i64::MAX));
        Some(slot.starts_at.checked_add(busy).unwrap_or(Timestamp::MAX))
    }
}

impl PlannedWave {
    /// When its first host with a slot starts.
    #[must_use]
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.hosts.iter().filter_map(|host| host.slot.as_ref()).map(|slot| slot.starts_at).min()
    }

    /// When its last host with a slot is expected to end.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.hosts.iter().filter_map(PlannedHost::ends_at).max()
    }
}

impl Plan {
    /// When its last host with a slot is expected to end; none when nothing has a time.
    #[must_use]
    pub fn finishes_at(&self) -> Option<Timestamp> {
        self.waves.iter().filter_map(PlannedWave::ends_at).max()
    }

    /// Milliseconds of work outside of working hours, over all hosts with a slot.
    #[must_use]
    pub fn out_of_hours_ms(&self) -> u64 {
        let outside = |host: &&PlannedHost| {
            host.slot.as_ref().is_some_and(|slot| slot.class != TimeClass::WorkingHours)
        };
        self.hosts().map(|(_, host)| host).filter(outside).map(busy_ms).sum()
    }
}
