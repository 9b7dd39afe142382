//! Sending people to sites: whoever becomes free goes where they are worth most, and takes on more while enough is left there.

use super::{Event, Left, Range, Sweep, WEIGHT, What};
use crate::board::Board;
use crate::schedule::Held;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Kinds of a site that are looked at for one person: those with the fewest chances.
const KINDS_MAX: usize = 64;
/// Sites that are looked at for one person, so that time does not grow with people times sites.
const SITES_MAX: usize = 256;
/// What a host is worth by itself;
const PLAIN: i64 = 1_000;
/// beside it, so many times that as its chances run out: fewer of them than [`HURRY_MS`] left make half of it,
const URGENT: i64 = 10;
const HURRY_MS: i64 = 2 * 3_600_000;
/// and once more, whoever else is there, for its last opening before the target: one host alone fills nobody's hands.
const LAST: i64 = 30;
/// For each step nearer to more work than hands.
const PRESS: i64 = 3_000;
/// What came too late in the try before goes before all others.
const LATE: i64 = 1_000_000;

/// What someone is doing.
#[derive(Debug, Clone, Copy, Default)]
struct Doing {
    hosts: u32,
    /// When the last of these ends.
    until: i64,
    /// The queue they were at last.
    queue: usize,
}

/// Everybody, and where they are.
#[derive(Debug, Default)]
pub(super) struct Staff {
    doing: Vec<Doing>,
    idle: BTreeSet<usize>,
    /// Who is at the site of each queue.
    here: Vec<Vec<usize>>,
    /// For each crew that is needed: who is in it.
    able: Vec<Vec<bool>>,
    /// Queues that each person may have something to do in, and the other way round.
    queues: Vec<BTreeSet<usize>>,
    people: Vec<BTreeSet<usize>>,
    /// Who has become free, or has begun to work, since people were sent last.
    fresh: BTreeSet<usize>,
    /// What the crew with most to do has, per hand.
    load_max: i64,
    /// Whether the limit over all stood in the way last.
    full: bool,
}

/// What a person could begin with at a site now.
#[derive(Default)]
struct Offer {
    /// Kinds, and how many hosts of each.
    kinds: Vec<(usize, u32)>,
    hosts: u32,
    /// What they are worth together, and what hosts with no later chance are worth beside.
    worth: i64,
    last: i64,
}

impl Staff {
    pub(super) fn new(board: &Board<'_>) -> Self {
        let count = board.people.len();
        Self {
            doing: vec![Doing::default(); count],
            idle: (0..count).collect(),
            able: vec![Vec::new(); board.crews.len()],
            queues: vec![BTreeSet::new(); count],
            fresh: (0..count).collect(),
            load_max: 1,
            ..Self::default()
        }
    }

    /// Takes in that a queue has hosts for a crew, with what the crew has to do per hand.
    pub(super) fn needs(&mut self, board: &Board<'_>, queue: usize, (crew, load): (usize, i64)) {
        self.load_max = self.load_max.max(load);
        let more = (queue + 1).max(self.here.len());
        self.here.resize(more, Vec::new());
        self.people.resize(more, BTreeSet::new());
        if self.able[crew].is_empty() {
            self.able[crew] = vec![false; board.people.len()];
            board.crews[crew].iter().for_each(|person| self.able[crew][*person] = true);
        }
        for person in &board.crews[crew] {
            if self.people[queue].insert(*person) {
                self.queues[*person].insert(queue);
            }
        }
    }

    /// Someone's hours begin.
    pub(super) fn begins(&mut self, person: usize) {
        self.fresh.insert(person);
    }

    /// A host of someone's ends.
    pub(super) fn ends(&mut self, queue: usize, person: usize) {
        self.doing[person].hosts -= 1;
        if self.doing[person].hosts == 0 {
            self.idle.insert(person);
            self.fresh.insert(person);
            self.here[queue].retain(|here| *here != person);
        }
    }

    /// Someone begins with a host that ends then.
    pub(super) fn starts(&mut self, queue: usize, person: usize, until: i64) {
        let doing = &mut self.doing[person];
        if doing.hosts == 0 {
            self.idle.remove(&person);
            self.here[queue].push(person);
            doing.until = until;
        }
        *doing = Doing { hosts: doing.hosts + 1, until: doing.until.max(until), queue };
    }

    /// Queues of one person, from where they were last round all of them.
    fn round(&self, person: usize) -> impl Iterator<Item = usize> + '_ {
        let (own, last) = (&self.queues[person], self.doing[person].queue);
        own.range(last..).chain(own.range(..last)).copied()
    }
}

impl Sweep<'_> {
    /// Sends people to the sites where something has changed, and those who are free to any site.
    pub(super) fn send(&mut self, touched: &[usize], at: i64) {
        let mut fresh = std::mem::take(&mut self.staff.fresh);
        let mut looks = Vec::with_capacity(touched.len());
        for queue in touched {
            self.wake_up(*queue, at);
            looks.push((*queue, self.shut(*queue, at)));
            self.stay(*queue, at);
        }
        if std::mem::take(&mut self.staff.full) && self.running < self.most {
            // The sites where something has ended have no use for the place over all that is free again.
            (0..self.queues.len()).for_each(|queue| self.stay(queue, at));
            fresh.extend(&self.staff.idle);
        }
        self.visit(touched, &fresh, at);
        self.staff.full = self.running >= self.most;
        for (queue, again) in looks {
            self.look_again(queue, again, at);
        }
    }

    /// Whoever is idle goes to a site, where they are worth most first.
    fn visit(&mut self, touched: &[usize], fresh: &BTreeSet<usize>, at: i64) {
        let mut offers = BinaryHeap::new();
        let mut add = |queue: usize, person: usize| {
            let units = self.board.people[person].units;
            let worth = self.offer(queue, (person, units.min(self.room(queue))), at).sum(units);
            if worth > 0 {
                offers.push((worth, Reverse(queue), Reverse(person)));
            }
        };
        for person in fresh.intersection(&self.staff.idle) {
            let open =
                self.staff.round(*person).filter(|queue| !self.queues[*queue].open.is_empty());
            open.take(SITES_MAX).for_each(|queue| add(queue, *person));
        }
        for queue in touched {
            let idle = self.staff.people[*queue].intersection(&self.staff.idle);
            idle.filter(|person| !fresh.contains(person)).for_each(|person| add(*queue, *person));
        }
        while let Some((worth, Reverse(queue), Reverse(person))) = offers.pop() {
            if !self.staff.idle.contains(&person) {
                continue;
            }
            let units = self.board.people[person].units;
            let offer = self.offer(queue, (person, units.min(self.room(queue))), at);
            let now = offer.sum(units);
            // Somebody else has taken some of it: perhaps another site is better now.
            if now < worth {
                if now > 0 {
                    offers.push((now, Reverse(queue), Reverse(person)));
                }
                continue;
            }
            for (kind, count) in offer.kinds {
                (0..count).for_each(|_| self.start(queue, (kind, Some(person)), at));
            }
        }
    }

    /// Who is at a site begins with more of its hosts, if that fills half of their hands or keeps them no longer.
    fn stay(&mut self, queue: usize, at: i64) {
        for person in self.staff.here[queue].clone() {
            let units = self.board.people[person].units;
            if self.staff.doing[person].hosts >= units || self.room(queue) == 0 {
                continue;
            }
            let offer = self.offer(queue, (person, units), at);
            let worth = u64::from(offer.hosts) * 2 >= u64::from(units);
            for (kind, count) in offer.kinds {
                for _ in 0..count {
                    let doing = self.staff.doing[person];
                    let job = &self.lefts[kind].kind.job;
                    let ends = at + job.busy;
                    let full = doing.hosts >= units || self.room(queue) == 0;
                    if !full && (worth || ends <= doing.until) {
                        self.start(queue, (kind, Some(person)), at);
                    }
                }
            }
        }
    }

    /// Hosts that may begin at a queue's site now.
    fn room(&self, queue: usize) -> u32 {
        let site = self.queues[queue].open.first().map(|entry| self.lefts[entry.2].kind.job.site);
        let room = site.and_then(|site| self.rooms.get(&site)).map_or(0, |room| room.free);
        room.min(self.most.saturating_sub(self.running))
    }

    /// With which hosts, at most so many, someone could begin.
    fn offer(&self, queue: usize, (person, most): (usize, u32), at: i64) -> Offer {
        let mut offer = Offer::default();
        let queue = &self.queues[queue];
        let Some(first) = queue.open.first() else { return offer };
        let site = self.lefts[first.2].kind.job.site;
        let whom = &self.board.people[person];
        let mut sent = self.rooms.get(&site).map_or(0, |room| room.sent);
        for entry in queue.open.iter().take(KINDS_MAX) {
            if offer.hosts >= most {
                break;
            }
            let left = &self.lefts[entry.2];
            let (job, range) = (&left.kind.job, &self.ranges[left.ranges][left.at]);
            let able = job.crew.is_some_and(|crew| self.staff.able[crew][person]);
            if !able || range.last < at || whom.works(at, job.busy) != Some(at) {
                continue;
            }
            let there = u32::try_from(left.kind.members.len() - left.next).unwrap_or(u32::MAX);
            let mut count = there.min(most - offer.hosts);
            if self.board.has_line(site) {
                let before = sent;
                let arrived = (0..count).take_while(|_| {
                    sent = sent.saturating_add(job.bytes);
                    self.board.there(site, sent) <= at
                });
                count = u32::try_from(arrived.count()).unwrap_or(0);
                sent = before.saturating_add(job.bytes.saturating_mul(u64::from(count)));
            }
            if count > 0 {
                offer.add((entry.2, count), left.worth((range, at), self.staff.load_max));
            }
        }
        offer
    }

    /// Puts what has closed to what waits; when something else closes, or content arrives that somebody waits for.
    fn shut(&mut self, number: usize, at: i64) -> i64 {
        let queue = &mut self.queues[number];
        let (mut closed, mut again) = (Vec::new(), i64::MAX);
        for entry in &queue.open {
            let left = &self.lefts[entry.2];
            let last = self.ranges[left.ranges][left.at].last;
            if last < at {
                closed.push(*entry);
                continue;
            }
            again = again.min(last + 1);
            let job = &left.kind.job;
            if self.board.has_line(job.site) {
                let sent = self.rooms.get(&job.site).map_or(0, |room| room.sent);
                let there = self.board.there(job.site, sent.saturating_add(job.bytes));
                again = if there > at { again.min(there) } else { again };
            }
        }
        for entry in closed {
            queue.open.remove(&entry);
            queue.waiting.push(Reverse((at, entry.2)));
        }
        self.wake_up(number, at);
        again
    }

    /// Says what stands in the way of what is open, and when to look again at the latest.
    fn look_again(&mut self, number: usize, again: i64, at: i64) {
        let queue = &mut self.queues[number];
        if let Some(entry) = queue.open.first() {
            let site = self.lefts[entry.2].kind.job.site;
            let free = self.rooms.get(&site).map_or(0, |room| room.free);
            queue.held = match (free, self.running >= self.most) {
                (0, _) => Held::Site,
                (_, true) => Held::Parallel,
                _ => Held::People,
            };
        }
        let opens = queue.waiting.peek().map_or(i64::MAX, |next| next.0.0);
        let wake = again.min(opens);
        if wake < i64::MAX && wake > at && (queue.wake <= at || wake < queue.wake) {
            queue.wake = wake;
            self.events.push(Reverse(Event { at: wake, what: What::Look(number) }));
        }
    }
}

impl Left<'_> {
    /// What beginning with one of its hosts now is worth, and what its last chance is worth beside.
    fn worth(&self, (range, at): (&Range, i64), load_max: i64) -> (i64, i64) {
        let chances = (range.after / WEIGHT * self.weight + range.last - at).max(0);
        let urgent = PLAIN * HURRY_MS / (HURRY_MS + chances);
        let load = PLAIN * self.load / load_max;
        let late = LATE * (WEIGHT - self.weight).max(0) / WEIGHT;
        let last = if range.after == 0 { LAST * urgent } else { 0 };
        (PLAIN + URGENT * urgent + load + PRESS * self.press + late, last)
    }
}

impl Offer {
    fn add(&mut self, (kind, count): (usize, u32), (worth, last): (i64, i64)) {
        self.kinds.push((kind, count));
        self.hosts += count;
        self.worth += worth * i64::from(count);
        self.last += last * i64::from(count);
    }

    /// The more of someone's hands it fills, the more it is worth.
    fn sum(&self, units: u32) -> i64 {
        self.worth * i64::from(self.hosts) / i64::from(units.max(1)) + self.last
    }
}
