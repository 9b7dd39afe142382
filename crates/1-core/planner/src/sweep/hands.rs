//! Who does it: people at work, and who is needed where.

use crate::board::{Board, Job};
use crate::schedule::Kind;
use std::collections::BTreeMap;

/// What someone is doing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doing {
    pub(super) hosts: u32,
    pub(super) site: usize,
}

/// How much there is to do for those who can do it.
pub(super) struct Loads {
    /// Of crews and of sites: work, and hands.
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

    pub(super) fn load(&self, board: &Board<'_>, job: &Job, one_queue: bool) -> i64 {
        let each = |of: Option<&(i64, i64)>| of.map_or(0, |(work, hands)| work / (*hands).max(1));
        match job.crew {
            Some(crew) if !board.people.is_empty() => each(self.crews.get(&crew)),
            _ if one_queue => each(self.sites.get(&job.site)),
            _ => 0,
        }
    }

    /// For each person, the load of the crew that needs them most.
    pub(super) fn needed(&self, board: &Board<'_>) -> Vec<i64> {
        let mut needed = vec![0; board.people.len()];
        for (crew, (work, hands)) in &self.crews {
            for person in &board.crews[*crew] {
                needed[*person] = needed[*person].max(work / (*hands).max(1));
            }
        }
        needed
    }
}

/// Who can begin with a host now: whoever is at its site already, else who is needed least elsewhere.
///
/// `wanted`: whoever has to come to another site as soon as they are free.
pub(super) fn hand(
    board: &Board<'_>,
    (doing, needed, wanted): (&[Doing], &[i64], &impl Fn(usize) -> bool),
    job: &Job,
    at: i64,
) -> Option<usize> {
    let crew = &board.crews[job.crew?];
    let works = |person: &&usize| board.people[**person].works(at, job.busy) == Some(at);
    let here = |person: &&usize| {
        let doing = doing[**person];
        let free = doing.hosts > 0 && doing.hosts < board.people[**person].units;
        free && doing.site == job.site && !wanted(**person)
    };
    let idle = |person: &&usize| doing[**person].hosts == 0;
    let least = |person: &&usize| needed[**person];
    let found = crew.iter().filter(here).filter(works).min_by_key(least);
    found.or_else(|| crew.iter().filter(idle).filter(works).min_by_key(least)).copied()
}

/// When somebody of a crew begins to work, behind `at`.
pub(super) fn works(board: &Board<'_>, crew: usize, busy: i64, at: i64) -> Option<i64> {
    let begins =
        board.crews[crew].iter().filter_map(|person| board.people[*person].works(at, busy));
    begins.filter(|begins| *begins > at).min()
}
