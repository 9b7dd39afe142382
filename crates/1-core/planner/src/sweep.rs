//! Giving hosts their times from the first moment to the last: whenever a place, a person or an opening becomes free, the
//! host with the fewest chances left takes it (D-0015).

mod loads;
mod visits;

use crate::board::{Board, Job};
use crate::schedule::{Held, Kind, Placement};
use loads::Loads;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use visits::Staff;

/// The times of some of a wave's hosts.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Place among the wave's jobs, and its time.
    pub(crate) places: Vec<(usize, Placement)>,
    /// When each kind of the part ends; never when one of its hosts has no place.
    pub(crate) ends: Vec<i64>,
    pub(crate) end: i64,
    pub(crate) missing: usize,
}

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try<'a> {
    /// Kinds of the part.
    pub(crate) kinds: &'a [&'a Kind],
    /// How much the chances of each count, in sixteenths: what came too late counts less and so goes first.
    pub(crate) weights: &'a [i64],
    /// How near each is to more work than hands.
    pub(crate) press: &'a [usize],
    pub(crate) release: i64,
    /// Chances behind it do not count.
    pub(crate) target: i64,
    /// Openings behind it are not looked at.
    pub(crate) until: i64,
    /// Hosts of the part that may be down at once, beside the limits of sites.
    pub(crate) most: u32,
}

/// Hosts at full sites that are passed over before a queue of many sites waits for the next moment.
const FULL_MAX: usize = 400;

/// Before all chances that there are.
const LAST_CHANCE: i64 = i64::MIN / 4;
/// What each step nearer to more work than hands is worth, in chances.
const PRESS_MS: i64 = 24 * 3_600_000;
/// What chances count before anything was learned.
pub(crate) const WEIGHT: i64 = 16;

/// Moments at which a host may start.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: i64,
    last: i64,
    /// What there is behind it until the target.
    after: i64,
}

/// What is left of a kind.
struct Left<'a> {
    kind: &'a Kind,
    next: usize,
    ranges: usize,
    at: usize,
    weight: i64,
    /// How long those who can do it, or its site, are at work on all that only they can do.
    load: i64,
    /// How near it is to more work than hands.
    press: i64,
    end: i64,
}

/// What a site has left.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    free: u32,
    /// Bytes that went over its line.
    sent: u64,
}

/// Hosts that wait: those of one site; those of all where one limit over all decides who is next.
struct Queue {
    /// Places of its sites.
    places: u32,
    /// What is left to do.
    work: i64,
    waiting: BinaryHeap<Reverse<(i64, usize)>>,
    /// Chances, longest first, kind.
    open: BTreeSet<(i64, Reverse<i64>, usize)>,
    /// What was in the way last.
    held: Held,
    /// When it is looked at again without anything having ended.
    wake: i64,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: i64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A host of a queue ends: its site has a place again, and somebody perhaps one hand more.
    End { queue: usize, site: usize, person: Option<usize> },
    /// A queue is looked at again: for an opening, or content that arrives.
    Look(usize),
    /// Somebody begins to work.
    Hours(usize),
}

struct Sweep<'a> {
    board: &'a Board<'a>,
    most: u32,
    running: u32,
    lefts: Vec<Left<'a>>,
    ranges: Vec<Vec<Range>>,
    queues: Vec<Queue>,
    rooms: BTreeMap<usize, Room>,
    events: BinaryHeap<Reverse<Event>>,
    /// Queues that could go on if the limit over all had room.
    starving: BTreeSet<usize>,
    /// People, when hosts need any.
    staff: Staff,
    release: i64,
    places: Vec<(usize, Placement)>,
}

/// Places the hosts of some kinds that share nothing with others.
pub(crate) fn sweep(board: &Board<'_>, tried: Try<'_>) -> Part {
    let mut sweep = Sweep::new(board, tried);
    sweep.run();
    let missing = sweep.lefts.iter().map(|left| left.kind.members.len() - left.next).sum();
    let end = |left: &Left<'_>| {
        if left.next < left.kind.members.len() { i64::MAX } else { left.end }
    };
    let ends: Vec<i64> = sweep.lefts.iter().map(end).collect();
    let latest = sweep.lefts.iter().map(|left| left.end).max().unwrap_or(tried.release);
    Part { places: sweep.places, ends, end: latest, missing }
}

impl<'a> Sweep<'a> {
    fn new(board: &'a Board<'a>, tried: Try<'a>) -> Self {
        let mut sweep = Self {
            board,
            most: tried.most,
            running: 0,
            lefts: Vec::with_capacity(tried.kinds.len()),
            ranges: Vec::new(),
            queues: Vec::new(),
            rooms: BTreeMap::new(),
            events: BinaryHeap::new(),
            starving: BTreeSet::new(),
            staff: Staff::new(board),
            release: tried.release,
            places: Vec::new(),
        };
        let loads = Loads::of(board, tried.kinds);
        let one_queue = tried.most < u32::MAX && board.people.is_empty();
        let mut queue_of = BTreeMap::new();
        let mut ranges_of = BTreeMap::new();
        for (number, kind) in tried.kinds.iter().enumerate() {
            let job = &kind.job;
            let ranges = *ranges_of.entry((job.list, job.need())).or_insert_with(|| {
                sweep.ranges.push(ranges(board, job, &tried));
                sweep.ranges.len() - 1
            });
            let site = if one_queue { 0 } else { job.site };
            let queue = *queue_of.entry(site).or_insert_with(|| sweep.add_queue());
            let (weight, end) = (tried.weights[number], tried.release);
            let load = loads.load(board, job, one_queue);
            if let Some(crew) = job.crew {
                sweep.staff.needs(board, queue, (crew, load));
            }
            let press = i64::try_from(tried.press[number]).unwrap_or(0);
            sweep.lefts.push(Left { kind, next: 0, ranges, at: 0, weight, load, press, end });
            let places = board.down_at_once[job.site];
            let fresh = Room { free: places, sent: job.ahead };
            let known = sweep.rooms.insert(job.site, fresh);
            let queue = &mut sweep.queues[queue];
            match known {
                // What earlier waves fetch goes over the line before.
                Some(known) => {
                    let sent = known.sent.min(job.ahead);
                    sweep.rooms.insert(job.site, Room { sent, ..known });
                }
                None => queue.places = queue.places.saturating_add(places),
            }
            let count = i64::try_from(kind.members.len()).unwrap_or(i64::MAX);
            queue.work = queue.work.saturating_add(job.busy.saturating_mul(count));
            if let Some(first) = sweep.ranges[ranges].first() {
                queue.waiting.push(Reverse((first.from, number)));
            }
        }
        sweep.hours(tried.until);
        sweep
    }

    /// When people begin to work.
    fn hours(&mut self, until: i64) {
        for (person, whom) in self.board.people.iter().enumerate() {
            let hours = whom.hours.iter().flatten();
            let begins =
                hours.map(|hours| hours.from).filter(|at| *at > self.release && *at < until);
            let events = begins.map(|at| Reverse(Event { at, what: What::Hours(person) }));
            self.events.extend(events);
        }
    }

    fn add_queue(&mut self) -> usize {
        self.queues.push(Queue {
            places: 0,
            work: 0,
            waiting: BinaryHeap::new(),
            open: BTreeSet::new(),
            held: Held::Wave,
            wake: self.release,
        });
        let queue = self.queues.len() - 1;
        self.events.push(Reverse(Event { at: self.release, what: What::Look(queue) }));
        queue
    }

    fn run(&mut self) {
        let mut touched: Vec<usize> = Vec::new();
        while let Some(Reverse(first)) = self.events.pop() {
            let at = first.at;
            touched.clear();
            // Whether the limit over all has room for another site.
            let mut room = self.happen(first, &mut touched);
            while let Some(Reverse(event)) =
                self.events.peek().copied().filter(|next| next.0.at == at)
            {
                self.events.pop();
                room |= self.happen(event, &mut touched);
            }
            touched.sort_by_key(|queue| (self.most_urgent(*queue), *queue));
            touched.dedup();
            if !self.board.people.is_empty() {
                self.send(&touched, at);
                continue;
            }
            for queue in &touched {
                self.serve(*queue, at);
            }
            if room && !self.starving.is_empty() {
                self.feed(at);
            }
        }
    }

    /// Takes an event in; whether it makes room beyond its site.
    fn happen(&mut self, event: Event, touched: &mut Vec<usize>) -> bool {
        let (queue, site, person) = match event.what {
            What::End { queue, site, person } => (queue, site, person),
            What::Look(queue) => {
                touched.push(queue);
                return false;
            }
            What::Hours(person) => {
                self.staff.begins(person);
                return false;
            }
        };
        touched.push(queue);
        if let Some(room) = self.rooms.get_mut(&site) {
            room.free = room.free.saturating_add(1);
        }
        let full = self.running >= self.most;
        self.running -= 1;
        if let Some(person) = person {
            self.staff.ends(queue, person);
        }
        full
    }

    /// Whoever has the fewest chances goes first, and where they are the same, where most is left per place.
    fn most_urgent(&self, queue: usize) -> (i64, Reverse<i64>) {
        let queue = &self.queues[queue];
        let first = queue.open.first().map_or(i64::MAX, |entry| entry.0);
        (first, Reverse(queue.work / i64::from(queue.places.min(self.most)).max(1)))
    }

    /// Serves queues that starved, those with most left to do first.
    fn feed(&mut self, at: i64) {
        let mut hungry: Vec<usize> = self.starving.iter().copied().collect();
        hungry.sort_by_key(|queue| (self.most_urgent(*queue), *queue));
        for queue in hungry {
            if self.running >= self.most {
                return;
            }
            self.serve(queue, at);
        }
    }

    /// Starts whatever can start at a site.
    fn serve(&mut self, number: usize, at: i64) {
        self.starving.remove(&number);
        self.wake_up(number, at);
        let mut again = i64::MAX;
        while !self.queues[number].open.is_empty() {
            if self.running >= self.most {
                self.queues[number].held = Held::Parallel;
                self.starving.insert(number);
                break;
            }
            let (picked, arrives) = self.pick(number, at);
            again = arrives;
            let Some(kind) = picked else { break };
            self.start(number, (kind, None), at);
            self.wake_up(number, at);
        }
        // What was found closed on the way waits for its next opening.
        self.wake_up(number, at);
        let queue = &mut self.queues[number];
        let opens = queue.waiting.peek().map_or(i64::MAX, |next| next.0.0);
        let wake = again.min(opens);
        if wake < i64::MAX && wake > at && (queue.wake <= at || wake < queue.wake) {
            queue.wake = wake;
            self.events.push(Reverse(Event { at: wake, what: What::Look(number) }));
        }
    }

    /// Moves kinds whose time has come to those that are open.
    fn wake_up(&mut self, number: usize, at: i64) {
        let queue = &mut self.queues[number];
        while let Some(Reverse((_, kind))) =
            queue.waiting.peek().copied().filter(|next| next.0.0 <= at)
        {
            queue.waiting.pop();
            let left = &mut self.lefts[kind];
            let ranges = &self.ranges[left.ranges];
            while ranges.get(left.at).is_some_and(|range| range.last < at) {
                left.at += 1;
            }
            let Some(range) = ranges.get(left.at) else { continue };
            if range.from > at {
                queue.waiting.push(Reverse((range.from, kind)));
            } else {
                queue.open.insert(left.key(range, kind));
            }
        }
    }

    /// Who starts now; else when content arrives that somebody waits for.
    fn pick(&mut self, number: usize, at: i64) -> (Option<usize>, i64) {
        let queue = &mut self.queues[number];
        let mut closed = Vec::new();
        let (mut found, mut arrives) = (None, i64::MAX);
        let mut full = 0;
        for entry in &queue.open {
            let left = &self.lefts[entry.2];
            let job = &left.kind.job;
            if self.ranges[left.ranges][left.at].last < at {
                closed.push(*entry);
                continue;
            }
            let room = self.rooms.get(&job.site).copied().unwrap_or_default();
            if room.free == 0 {
                queue.held = Held::Site;
                full += 1;
                // In a queue of one site nobody behind has a place either.
                if full > FULL_MAX || queue.places <= self.board.down_at_once[job.site] {
                    break;
                }
                continue;
            }
            if self.board.has_line(job.site) {
                let there = self.board.there(job.site, room.sent.saturating_add(job.bytes));
                if there > at {
                    arrives = arrives.min(there);
                    queue.held = Held::Staging;
                    continue;
                }
            }
            found = Some(entry.2);
            break;
        }
        for entry in closed {
            queue.open.remove(&entry);
            queue.waiting.push(Reverse((at, entry.2)));
        }
        (found, arrives)
    }

    fn start(&mut self, number: usize, (kind, person): (usize, Option<usize>), at: i64) {
        let queue = &mut self.queues[number];
        let left = &mut self.lefts[kind];
        let range = self.ranges[left.ranges][left.at];
        let job = left.kind.job;
        let place = left.kind.members[left.next];
        left.next += 1;
        left.end = left.end.max(at + job.busy);
        if left.next == left.kind.members.len() {
            queue.open.remove(&left.key(&range, kind));
        }
        if let Some(room) = self.rooms.get_mut(&job.site) {
            room.free = room.free.saturating_sub(1);
            room.sent = room.sent.saturating_add(job.bytes);
        }
        queue.work -= job.busy;
        self.running += 1;
        if let Some(person) = person {
            self.staff.starts(number, person, at + job.busy);
        }
        let what = What::End { queue: number, site: job.site, person };
        self.events.push(Reverse(Event { at: at + job.busy, what }));
        let Some(span) = self.board.times.span_at(job.list, at, job.need()) else {
            unreachable!("a range is made of spans")
        };
        let held = match (at == span.first, at == self.release) {
            (_, true) if at > span.opens => Held::Wave,
            (true, _) => Held::Window,
            _ => queue.held,
        };
        self.places.push((place, Placement { start: at, span, person, held }));
    }
}

impl Left<'_> {
    fn key(&self, range: &Range, kind: usize) -> (i64, Reverse<i64>, usize) {
        // Who has no other chance before the target goes before all others.
        let chances =
            if range.after == 0 { LAST_CHANCE } else { range.after / WEIGHT * self.weight };
        (chances - self.load - self.press * PRESS_MS, Reverse(self.kind.job.busy), kind)
    }
}

/// When a host may start, from the release on, with what is left behind each stretch until the target.
fn ranges(board: &Board<'_>, job: &Job, tried: &Try<'_>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    let strands = &board.times.lists[job.list];
    for strand in strands {
        let spans = &board.times.strands[*strand];
        let ahead = spans.partition_point(|span| span.closes <= tried.release);
        for span in spans[ahead..].iter().take_while(|span| span.opens < tried.until) {
            let from = span.first.max(tried.release);
            let last = span.last.min(span.closes - job.need());
            if from <= last {
                ranges.push(Range { from, last, after: 0 });
            }
        }
    }
    if strands.len() > 1 {
        ranges.sort_unstable_by_key(|range| range.from);
        ranges.dedup_by(|next, before| {
            let joins = next.from <= before.last;
            if joins {
                before.last = before.last.max(next.last);
            }
            joins
        });
    }
    let mut after = 0;
    for range in ranges.iter_mut().rev() {
        range.after = after;
        after += (range.last.min(tried.target - job.busy) - range.from + 1).max(0);
    }
    ranges
}
