//! Which hosts have more work than hands: the set of hosts is not guessed, but where a flow is stuck.
//!
//! Whatever hosts are looked at, all of their work has to be done by people of their crews while one of their windows is open. So
//! from any set of hosts follows an end before which they are not done; the search only decides how late that is.

use super::flow::{Flow, SINK, SOURCE};
use super::{Piece, by_work, hands_of};
use crate::board::Board;
use crate::people::Person;
use std::collections::{BTreeMap, BTreeSet};

/// How far behind what is known already openings are looked at.
const AHEAD_MS: i64 = 28 * 86_400_000;
/// Each pass begins where the one before ended.
const PASSES_MAX: usize = 12;
/// Bins of time in which the search sees hands: an hour or two in plans of weeks. With half as many it misses most of what it finds.
const BINS_MAX: usize = 128;
/// Arcs that one pass may look at: some hundredths of a second, so that planning stays interactive.
const EFFORT_MAX: usize = 20_000_000;
/// Crews up to which a flow is looked for: where each site has a crew of its own, there is little to share.
const CREWS_MAX: usize = 32;
/// By how many twentieths the work of all hosts grows from one level to the next.
const GROWTH: [i64; 6] = [0, 1, 2, 4, 8, 16];

/// Hosts with the same windows and the same crew.
struct Class {
    strands: Vec<usize>,
    crew: usize,
    work: i64,
}

/// People that are in the same crews and work at the same time.
struct Team {
    crews: Vec<usize>,
    hands: i64,
    /// Pieces in which they work.
    works: Vec<bool>,
}

/// Hosts of a wave that people change, and what they have.
pub(crate) struct Squeeze {
    /// List and crew of each class.
    keys: Vec<(usize, usize)>,
    classes: Vec<Class>,
    /// Pieces in which each strand is open.
    open: Vec<Vec<usize>>,
    teams: Vec<Team>,
    /// Stretches of time in which neither windows nor hours begin or end.
    pieces: Vec<(i64, i64)>,
    /// Hosts that may be down at once.
    most: i64,
}

/// A flow from classes through strands and crews to the hands of teams.
struct Network {
    flow: Flow,
    /// Node and first arc of each class.
    classes: Vec<(usize, usize)>,
}

impl Squeeze {
    /// Lays out the hosts of a wave; none when too many crews change them to be looked at.
    pub(crate) fn of(
        board: &Board<'_>,
        jobs: &[usize],
        (release, known): (i64, i64),
    ) -> Option<Self> {
        let limit = known.saturating_add(AHEAD_MS);
        let mut work: BTreeMap<(usize, usize), i64> = BTreeMap::new();
        let mut strands: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        let mut at_site = 0;
        for job in jobs.iter().map(|job| &board.jobs[*job]) {
            let Some(crew) = job.crew else { continue };
            let sum = work.entry((job.list, crew)).or_default();
            *sum = sum.saturating_add(job.busy);
            at_site = at_site.max(board.down_at_once[job.site]);
            for strand in &board.times.lists[job.list] {
                let known = strands.entry(*strand).or_insert((job.undo, job.busy));
                *known = (known.0.min(job.undo), known.1.max(job.busy));
            }
        }
        let crews: BTreeSet<usize> = work.keys().map(|(_, crew)| *crew).collect();
        if crews.len() > CREWS_MAX {
            return None;
        }
        let stretches = stretches(board, &strands, (release, limit));
        let people: BTreeSet<usize> =
            crews.iter().flat_map(|crew| board.crews[*crew].iter().copied()).collect();
        let pieces = pieces(board, &people, &stretches, (release, limit));
        let place = |at: i64| pieces.partition_point(|(from, _)| *from < at);
        let open = stretches
            .iter()
            .map(|own| own.iter().flat_map(|(from, until)| place(*from)..place(*until)).collect());
        let numbers: BTreeMap<usize, usize> =
            strands.keys().enumerate().map(|(number, strand)| (*strand, number)).collect();
        let (keys, classes) = work
            .into_iter()
            .map(|((list, crew), work)| {
                let own = board.times.lists[list].iter().map(|strand| numbers[strand]);
                ((list, crew), Class { strands: own.collect(), crew, work })
            })
            .unzip();
        Some(Self {
            keys,
            classes,
            open: open.collect(),
            teams: teams(board, (&crews, &people), at_site, &pieces),
            pieces,
            most: i64::from(board.parallel),
        })
    }

    /// The earliest end as far as crews and windows say, if it is later than `known`.
    pub(crate) fn end(&self, known: i64) -> i64 {
        self.end_of(known, 100)
    }

    /// The same if hosts took so many per cent of their time: what is a bound for 100 is a guess for more.
    pub(crate) fn end_of(&self, known: i64, percent: i64) -> i64 {
        let mut end = known;
        for _ in 0..PASSES_MAX {
            let mut network = self.network(end, percent);
            network.flow.fill();
            let found = self.done(&network.stuck(), percent);
            if found <= end {
                break;
            }
            end = found;
        }
        end
    }

    /// How near to more work than hands each class is, by list and crew, if all has to be done by `end`: 0 is far.
    pub(crate) fn press(&self, end: i64) -> BTreeMap<(usize, usize), usize> {
        let mut press = BTreeMap::new();
        let mut network = self.network(end, 100);
        let mut grown = 0;
        for (step, growth) in GROWTH.into_iter().enumerate() {
            for (class, (_, arc)) in self.classes.iter().zip(&network.classes) {
                network.flow.widen(*arc, class.work.saturating_mul(growth - grown) / 20);
            }
            grown = growth;
            network.flow.fill();
            for class in network.stuck() {
                press.entry(self.keys[class]).or_insert(GROWTH.len() - step);
            }
        }
        press
    }

    /// What there is until `end`.
    fn network(&self, end: i64, percent: i64) -> Network {
        let until = self.pieces.partition_point(|(from, _)| *from < end);
        let wide = until.div_ceil(BINS_MAX).max(1);
        let length = |piece: usize| (self.pieces[piece].1.min(end) - self.pieces[piece].0).max(0);
        let mut flow = Flow::new(EFFORT_MAX);
        // Hands of teams in each bin.
        let mut crew_nodes: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut hands: BTreeMap<usize, i64> = BTreeMap::new();
        for team in &self.teams {
            team.crews.iter().for_each(|crew| *hands.entry(*crew).or_default() += team.hands);
            for bin in 0..until.div_ceil(wide) {
                let own = (bin * wide..((bin + 1) * wide).min(until)).filter(|at| team.works[*at]);
                let room = own.map(length).sum::<i64>() * team.hands;
                if room == 0 {
                    continue;
                }
                let node = flow.node();
                flow.arc(node, SINK, room);
                for crew in &team.crews {
                    let from = crew_nodes.entry((*crew, bin)).or_insert_with(|| flow.node());
                    flow.arc(*from, node, room);
                }
            }
        }
        // Windows, for each crew: in each bin no more than is open of it.
        let mut doors: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut classes = Vec::with_capacity(self.classes.len());
        for class in &self.classes {
            let node = flow.node();
            classes.push((node, flow.arc(SOURCE, node, share(class.work, percent))));
            for strand in &class.strands {
                let door = *doors.entry((*strand, class.crew)).or_insert_with(|| {
                    let door = flow.node();
                    let near = &self.open[*strand];
                    let near = &near[..near.partition_point(|piece| *piece < until)];
                    for own in near.chunk_by(|one, two| one / wide == two / wide) {
                        if let Some(to) = crew_nodes.get(&(class.crew, own[0] / wide)) {
                            let open = own.iter().copied().map(length).sum::<i64>();
                            flow.arc(door, *to, open * hands[&class.crew]);
                        }
                    }
                    door
                });
                flow.arc(node, door, class.work.saturating_mul(2));
            }
        }
        Network { flow, classes }
    }

    /// When all work of these classes is done if all hands of their crews are busy whenever one of their windows is open; what is
    /// not done in sight ends there.
    fn done(&self, classes: &[usize], percent: i64) -> i64 {
        let mut doors: BTreeSet<(usize, usize)> = BTreeSet::new();
        let mut work = 0_i64;
        for class in classes.iter().map(|class| &self.classes[*class]) {
            work = work.saturating_add(share(class.work, percent));
            doors.extend(class.strands.iter().map(|strand| (class.crew, *strand)));
        }
        // Crews that have something to do, by piece.
        let mut busy: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.pieces.len()];
        for (crew, strand) in doors {
            self.open[strand].iter().for_each(|piece| {
                busy[*piece].insert(crew);
            });
        }
        let pieces = self.pieces.iter().zip(&busy).enumerate();
        let pieces: Vec<Piece> = pieces
            .filter(|(_, (_, crews))| !crews.is_empty())
            .map(|(number, ((from, until), crews))| {
                let can = |team: &&Team| {
                    team.works[number] && team.crews.iter().any(|crew| crews.contains(crew))
                };
                let hands = self.teams.iter().filter(can).map(|team| team.hands).sum::<i64>();
                Piece { from: *from, until: *until, hands: hands.min(self.most) }
            })
            .collect();
        if work == 0 {
            return i64::MIN;
        }
        let last = pieces.last().map_or(i64::MIN, |piece| piece.until);
        by_work(&pieces, work).unwrap_or(last)
    }
}

impl Network {
    /// Classes of which something is left, and those with which they share all hands that they have.
    fn stuck(&self) -> Vec<usize> {
        let reached = |number: &usize| self.flow.reaches(self.classes[*number].0);
        (0..self.classes.len()).filter(reached).collect()
    }
}

fn share(work: i64, percent: i64) -> i64 {
    work.saturating_mul(percent) / 100
}

/// When each strand is open for hosts with the shortest way back and the longest busy time that it has.
fn stretches(
    board: &Board<'_>,
    strands: &BTreeMap<usize, (i64, i64)>,
    (release, limit): (i64, i64),
) -> Vec<Vec<(i64, i64)>> {
    let of = |(strand, (undo, busy)): (&usize, &(i64, i64))| {
        let spans = &board.times.strands[*strand];
        let ahead = spans.partition_point(|span| span.closes <= release);
        let near = spans[ahead..].iter().take_while(|span| span.opens < limit);
        let open = near.map(|span| {
            let until = (span.closes - undo).min(span.last.saturating_add(*busy));
            (span.first.max(release), until.min(limit))
        });
        open.filter(|(from, until)| from < until).collect()
    };
    strands.iter().map(of).collect()
}

/// Time cut wherever a window or hours begin or end.
fn pieces(
    board: &Board<'_>,
    people: &BTreeSet<usize>,
    stretches: &[Vec<(i64, i64)>],
    (release, limit): (i64, i64),
) -> Vec<(i64, i64)> {
    let hours = people.iter().flat_map(|person| board.people[*person].hours.iter().flatten());
    let changes = hours.flat_map(|hours| [hours.from, hours.until]);
    let opens = stretches.iter().flatten().flat_map(|(from, until)| [*from, *until]);
    let inside = |at: &i64| (release..=limit).contains(at);
    let moments: BTreeSet<i64> = opens.chain(changes).filter(inside).collect();
    let moments: Vec<i64> = moments.into_iter().collect();
    moments.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// People in teams.
fn teams(
    board: &Board<'_>,
    (crews, people): (&BTreeSet<usize>, &BTreeSet<usize>),
    at_site: u32,
    pieces: &[(i64, i64)],
) -> Vec<Team> {
    let mut teams: BTreeMap<(Vec<usize>, Vec<bool>), i64> = BTreeMap::new();
    // Nobody looks after more hosts than there are.
    let at_site = at_site.min(u32::try_from(board.jobs.len()).unwrap_or(u32::MAX));
    for person in people {
        let own = crews.iter().copied().filter(|crew| board.crews[*crew].contains(person));
        let works = works(&board.people[*person], pieces);
        *teams.entry((own.collect(), works)).or_default() += hands_of(board, *person, at_site);
    }
    teams.into_iter().map(|((crews, works), hands)| Team { crews, hands, works }).collect()
}

/// In which pieces somebody works.
fn works(person: &Person, pieces: &[(i64, i64)]) -> Vec<bool> {
    let Some(hours) = &person.hours else { return vec![true; pieces.len()] };
    let inside = |(from, until): &(i64, i64)| {
        let ahead = hours.partition_point(|hours| hours.until <= *from);
        hours.get(ahead).is_some_and(|hours| hours.from <= *from && *until <= hours.until)
    };
    pieces.iter().map(inside).collect()
}

#[cfg(test)]
mod tests;
