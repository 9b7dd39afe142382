//! How much there is to do for those who can do it.

use crate::board::{Board, Job};
use crate::schedule::Kind;
use std::collections::BTreeMap;

/// Work and hands of crews and of sites.
pub(super) struct Loads {
    crews: BTreeMap<usize, (i64, i64)>,
    sites: BTreeMap<usize, (i64, i64)>,
}

impl Loads {
    pub(super) fn of(board: &Board<'_>, kinds: &[&Kind]) -> Self {
        let mut loads = Self { crews: BTreeMap::new(), sites: BTreeMap::new() };
        let mut places = 0;
        for kind in kinds {
            let count = i64::try_from(kind.members.len()).unwrap_or(i64::MAX);
            let work = kind.job.busy.saturating_mul(count);
            let down = board.down_at_once[kind.job.site];
            places = places.max(down);
            loads.sites.entry(kind.job.site).or_insert((0, i64::from(down))).0 += work;
            if let Some(crew) = kind.job.crew {
                loads.crews.entry(crew).or_default().0 += work;
            }
        }
        for (crew, (_, hands)) in &mut loads.crews {
            let units = board.crews[*crew].iter().map(|person| board.people[*person].units);
            *hands = units.map(|units| i64::from(units.min(places))).sum();
        }
        loads
    }

    /// How long those who can do a job, or its site, are at work on all that only they can do.
    pub(super) fn load(&self, board: &Board<'_>, job: &Job, one_queue: bool) -> i64 {
        let each = |of: Option<&(i64, i64)>| of.map_or(0, |(work, hands)| work / (*hands).max(1));
        match job.crew {
            Some(crew) if !board.people.is_empty() => each(self.crews.get(&crew)),
            _ if one_queue => each(self.sites.get(&job.site)),
            _ => 0,
        }
    }
}
