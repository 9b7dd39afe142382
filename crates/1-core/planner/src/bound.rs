//! No schedule of a wave ends earlier than this: relaxations whose optimum can be computed exactly (D-0015).
//!
//! Each bound forgets all rules but a few, so that what it says holds for every schedule that keeps all of them:
//! one host alone; the work of a group of hosts against the time and the hands that it has; the number of hosts that
//! fit one behind the other into each opening.

mod flow;
mod squeezed;

use crate::board::{Board, Job};
use crate::times::Span;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) use squeezed::Squeeze;

/// Hosts that share something.
#[derive(Default, Clone)]
struct Group {
    count: i64,
    work: i64,
    /// How many hosts are busy for how long.
    lengths: BTreeMap<i64, i64>,
    /// By strand: the shortest way back and the longest busy time of its hosts.
    strands: BTreeMap<usize, (i64, i64)>,
    crews: BTreeSet<Option<usize>>,
    /// Hosts that may be down at once at any one of its sites.
    at_site: u32,
    most: u32,
}

/// What some group may use: between two moments, so many at once.
#[derive(Debug, Clone, Copy)]
struct Piece {
    from: i64,
    until: i64,
    hands: i64,
}

/// Lists of one site up to which each list is looked at by what lies inside it, and each two of them.
const LISTS_MAX: usize = 48;
/// What is looked at next, behind what is known: most waves are done by then.
const NEAR_MS: i64 = 20 * 86_400_000;

/// The earliest moment at which a wave that may not start before `release` can end; none: not before the horizon.
pub(crate) fn wave_end(board: &Board<'_>, jobs: &[usize], release: i64) -> Option<i64> {
    let alike = alike(board, jobs);
    let mut end = release.max(alone(board, &alike, release)?);
    let cells = cells(board, &alike);
    let mut crews: BTreeMap<Option<usize>, Group> = BTreeMap::new();
    let mut all = Group::default();
    let mut lists: BTreeMap<usize, Group> = BTreeMap::new();
    for own in cells.chunk_by(|one, two| one.0.0 == two.0.0) {
        let site = own[0].0.0;
        let mut whole = Group::default();
        let inside = own.len() <= LISTS_MAX;
        for ((_, list), cell) in own {
            whole.join(cell);
            lists.entry(*list).or_default().join(cell);
            if inside {
                let within: Vec<&Group> = own
                    .iter()
                    .filter(|(other, _)| lies_in(board, other.1, *list))
                    .map(|(_, g)| g)
                    .collect();
                if within.len() < own.len() {
                    end = joined(&within, board.at_once(site)).end(board, (release, end))?;
                }
            }
        }
        all.join(&whole);
        whole.most = board.at_once(site);
        end = whole.end(board, (release, end))?;
    }
    for alike in &alike {
        crews.entry(alike.job.crew).or_default().add(board, alike);
    }
    let many = lists.len() > LISTS_MAX * 4;
    for (list, group) in &lists {
        let own: Vec<&Group> = if many {
            vec![group]
        } else {
            lists
                .iter()
                .filter(|(other, _)| lies_in(board, **other, *list))
                .map(|(_, g)| g)
                .collect()
        };
        end = joined(&own, board.parallel).end(board, (release, end))?;
    }
    for mut group in crews.into_values().chain([all]) {
        group.most = board.parallel;
        end = group.end(board, (release, end))?;
    }
    Some(end)
}

/// Hosts that nothing here tells apart.
struct Alike {
    /// The first of them whose content sets out.
    job: Job,
    count: u32,
}

fn alike(board: &Board<'_>, jobs: &[usize]) -> Vec<Alike> {
    let mut sorted: Vec<Job> = jobs.iter().map(|number| board.jobs[*number]).collect();
    let key = |job: &Job| (job.site, job.list, job.crew, job.busy, job.undo, job.bytes);
    sorted.sort_unstable_by_key(|job| (key(job), job.ahead));
    let same = sorted.chunk_by(|one, two| key(one) == key(two));
    same.map(|same| Alike { job: same[0], count: u32::try_from(same.len()).unwrap_or(u32::MAX) })
        .collect()
}

/// When the slowest host would end if it were the only one; its content may have to wait for that of earlier waves only.
fn alone(board: &Board<'_>, alike: &[Alike], release: i64) -> Option<i64> {
    let mut end = release;
    let mut seen: BTreeSet<(usize, i64, i64, i64)> = BTreeSet::new();
    let mut sites: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for Alike { job, count } in alike {
        if board.has_line(job.site) {
            let sent = sites.entry(job.site).or_insert((job.ahead, 0));
            let bytes = job.bytes.saturating_mul(u64::from(*count));
            *sent = (sent.0.min(job.ahead), sent.1.saturating_add(bytes));
        }
    }
    for Alike { job, .. } in alike {
        let before = sites.get(&job.site).map_or(0, |sent| sent.0);
        let there = board.there(job.site, before.saturating_add(job.bytes));
        if seen.insert((job.list, job.busy, job.undo, there)) {
            end = end.max(first_start(board, job, release.max(there))? + job.busy);
        }
    }
    // Whoever starts last at a site finds all of its content there, whoever that is.
    let mut last: BTreeMap<usize, i64> = BTreeMap::new();
    let mut seen: BTreeSet<(usize, usize, i64, i64)> = BTreeSet::new();
    for Alike { job, .. } in alike {
        let Some((before, bytes)) = sites.get(&job.site) else { continue };
        if seen.insert((job.site, job.list, job.busy, job.undo)) {
            let there = board.there(job.site, before.saturating_add(*bytes)).max(release);
            let ends = first_start(board, job, there).map_or(i64::MAX, |start| start + job.busy);
            let known = last.entry(job.site).or_insert(ends);
            *known = (*known).min(ends);
        }
    }
    let latest = last.into_values().max().unwrap_or(end);
    (latest < i64::MAX).then_some(end.max(latest))
}

/// When a host could start from `from` on if it were the only one.
fn first_start(board: &Board<'_>, job: &Job, from: i64) -> Option<i64> {
    let strands = board.times.lists[job.list].iter();
    let first = |strand: &usize| {
        let spans = &board.times.strands[*strand];
        let ahead = spans.partition_point(|span| span.last < from);
        let start = |span: &Span| {
            let start = span.first.max(from);
            (start <= span.last.min(span.closes - job.need())).then_some(start)
        };
        spans[ahead..].iter().find_map(start)
    };
    strands.filter_map(first).min()
}

/// Hosts by site and list, sorted.
fn cells(board: &Board<'_>, alike: &[Alike]) -> Vec<((usize, usize), Group)> {
    let same =
        alike.chunk_by(|one, two| (one.job.site, one.job.list) == (two.job.site, two.job.list));
    let cell = |same: &[Alike]| {
        let mut group = Group::default();
        same.iter().for_each(|alike| group.add(board, alike));
        ((same[0].job.site, same[0].job.list), group)
    };
    same.map(cell).collect()
}

/// Whether all windows of a list are windows of another: whoever has few windows works against whoever has more.
fn lies_in(board: &Board<'_>, list: usize, other: usize) -> bool {
    let (own, others) = (&board.times.lists[list], &board.times.lists[other]);
    own.len() <= others.len() && own.iter().all(|strand| others.contains(strand))
}

fn joined(groups: &[&Group], most: u32) -> Group {
    let mut whole = Group::default();
    groups.iter().for_each(|group| whole.join(group));
    Group { most, ..whole }
}

impl Group {
    fn add(&mut self, board: &Board<'_>, Alike { job, count }: &Alike) {
        let count = i64::from(*count);
        self.count += count;
        self.work = self.work.saturating_add(job.busy.saturating_mul(count));
        *self.lengths.entry(job.busy).or_default() += count;
        self.crews.insert(job.crew);
        self.at_site = self.at_site.max(board.down_at_once[job.site]);
        for strand in &board.times.lists[job.list] {
            let known = self.strands.entry(*strand).or_insert((job.undo, job.busy));
            *known = (known.0.min(job.undo), known.1.max(job.busy));
        }
    }

    fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.work = self.work.saturating_add(other.work);
        for (length, count) in &other.lengths {
            *self.lengths.entry(*length).or_default() += count;
        }
        self.crews.extend(&other.crews);
        self.at_site = self.at_site.max(other.at_site);
        for (strand, (undo, busy)) in &other.strands {
            let known = self.strands.entry(*strand).or_insert((*undo, *busy));
            *known = (known.0.min(*undo), known.1.max(*busy));
        }
    }

    /// Whether anything but time limits it.
    fn limited(&self) -> bool {
        self.most < u32::MAX || !self.crews.contains(&None)
    }

    /// When its work and its number of hosts can be done at the earliest, and not before `known`.
    fn end(&self, board: &Board<'_>, (release, known): (i64, i64)) -> Option<i64> {
        let shortest = self.lengths.keys().next().copied().unwrap_or(1);
        self.seen(board, (release, known), |open, pieces| {
            Some(by_work(pieces, self.work)?.max(by_count(open, pieces, self.count, shortest)?))
        })
    }

    /// What follows from its openings: those until `known` are enough when it follows from them that no more is to be learned.
    fn seen(
        &self,
        board: &Board<'_>,
        (release, known): (i64, i64),
        end: impl Fn(&[(i64, i64)], &[Piece]) -> Option<i64>,
    ) -> Option<i64> {
        // What nothing limits needs no time beyond that of its slowest host.
        if self.count == 0 || !self.limited() {
            return Some(known);
        }
        let near = known.saturating_add(NEAR_MS);
        [known, near, i64::MAX].into_iter().find_map(|until| {
            let open = self.open(board, (release, until));
            let pieces = self.hands(board, &open);
            // Behind what was looked at, more may be open than was seen.
            let end = end(&open, &pieces).filter(|end| *end <= until)?;
            Some(end.max(known))
        })
    }

    /// The stretches in which any of its hosts can be busy, joined.
    fn open(&self, board: &Board<'_>, (release, limit): (i64, i64)) -> Vec<(i64, i64)> {
        let mut open = Vec::new();
        for (strand, (undo, busy)) in &self.strands {
            let spans = &board.times.strands[*strand];
            for span in &spans[spans.partition_point(|span| span.closes <= release)..] {
                if span.opens >= limit {
                    break;
                }
                let from = span.first.max(release);
                let until = (span.closes - undo).min(span.last.saturating_add(*busy));
                if from < until {
                    open.push((from, until));
                }
            }
        }
        open.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(open.len());
        for (from, until) in open {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        joined
    }

    /// How many hosts can be busy at each moment of `open`.
    fn hands(&self, board: &Board<'_>, open: &[(i64, i64)]) -> Vec<Piece> {
        let most = i64::from(self.most);
        let units = |person: usize| hands_of(board, person, self.at_site);
        let always = |person: &usize| board.people[*person].hours.is_none();
        let plenty = |crew: &Option<usize>| {
            crew.is_none_or(|crew| {
                let there = board.crews[crew].iter().copied().filter(always);
                there.map(units).sum::<i64>() >= most
            })
        };
        if self.crews.iter().any(plenty) {
            return open
                .iter()
                .map(|(from, until)| Piece { from: *from, until: *until, hands: most })
                .collect();
        }
        let crews = self.crews.iter().flatten();
        let people: BTreeSet<usize> =
            crews.flat_map(|crew| board.crews[*crew].iter().copied()).collect();
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return Vec::new() };
        let (mut there, mut changes) = presence(board, &people, self.at_site, (first.0, last.1));
        changes.sort_unstable();
        let mut pieces = Vec::with_capacity(open.len());
        let mut changes = changes.into_iter().peekable();
        for (from, until) in open {
            let mut at = *from;
            while let Some((when, units)) = changes.next_if(|(when, _)| when < until) {
                if when > at {
                    pieces.push(Piece { from: at, until: when, hands: there.min(most) });
                    at = when;
                }
                there += units;
            }
            pieces.push(Piece { from: at, until: *until, hands: there.min(most) });
        }
        pieces
    }
}

/// Whoever is at one site looks after no more hosts than may be down there.
fn hands_of(board: &Board<'_>, person: usize, at_site: u32) -> i64 {
    i64::from(board.people[person].units.min(at_site))
}

/// How many hands these people always have, and by how many that changes in some time, and when.
fn presence(
    board: &Board<'_>,
    people: &BTreeSet<usize>,
    at_site: u32,
    (from, until): (i64, i64),
) -> (i64, Vec<(i64, i64)>) {
    let (mut always, mut changes) = (0, Vec::new());
    for person in people.iter().copied() {
        let units = hands_of(board, person, at_site);
        let Some(hours) = &board.people[person].hours else {
            always += units;
            continue;
        };
        let ahead = hours.partition_point(|hours| hours.until <= from);
        for hours in hours[ahead..].iter().take_while(|hours| hours.from < until) {
            changes.extend([(hours.from.max(from), units), (hours.until, -units)]);
        }
    }
    (always, changes)
}

/// When `work` is done if all hands are busy all the time.
fn by_work<'a>(pieces: impl IntoIterator<Item = &'a Piece>, work: i64) -> Option<i64> {
    let mut left = i128::from(work);
    for piece in pieces {
        let can = i128::from(piece.hands) * i128::from(piece.until - piece.from);
        if left <= can && piece.hands > 0 {
            let takes = (left + i128::from(piece.hands) - 1) / i128::from(piece.hands);
            return Some(piece.from + i64::try_from(takes).unwrap_or(i64::MAX));
        }
        left -= can;
    }
    None
}

/// When `count` hosts are done if each takes no longer than the shortest: hosts that are busy at the same time are at most as
/// many as there are hands, so they can be sorted into that many rows, and a row holds so many one behind the other.
fn by_count(open: &[(i64, i64)], pieces: &[Piece], count: i64, shortest: i64) -> Option<i64> {
    let mut left = count;
    let mut pieces = pieces.iter().peekable();
    for (from, until) in open {
        let mut rows = 0;
        while let Some(piece) = pieces.next_if(|piece| piece.until <= *until) {
            rows = rows.max(piece.hands);
        }
        if rows == 0 {
            continue;
        }
        let deep = (until - from) / shortest;
        let can = rows.saturating_mul(deep);
        if left <= can {
            return Some(from + (left + rows - 1) / rows * shortest);
        }
        left -= can;
    }
    None
}
