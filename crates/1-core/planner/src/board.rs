//! The hosts of a plan as jobs, and what they share: people, sites, the number that may be down at once.

use crate::PlanInput;
use crate::candidates::Placed;
use crate::people::{Crew, Person, Stretch, all_or_has};
use crate::rules::{Relaxed, Rule};
use crate::schedule::{Held, Placement};
use crate::times::{Span, Times};
use refit_names::{HostName, RoleName, SiteName};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One host to be given a time. Units: milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) site: usize,
    /// Who can look after it; none: nobody has to.
    pub(crate) crew: Option<usize>,
    /// When it may be changed, by place in [`Times::lists`].
    pub(crate) list: usize,
    pub(crate) busy: i64,
    pub(crate) undo: i64,
    /// Not before, because of its content's way, when contents set out in the order of the plan.
    pub(crate) staged: i64,
    /// What it fetches over its site's line, in bytes; 0 without a line.
    pub(crate) bytes: u64,
    /// What is fetched before it in the order of the plan.
    pub(crate) ahead: u64,
    /// Whether anything but waves says when it is changed, so that its time belongs into the plan.
    pub(crate) told: bool,
}

impl Job {
    /// What an opening must hold from its start on.
    pub(crate) const fn need(&self) -> i64 {
        self.busy + self.undo
    }
}

/// What jobs share.
pub(crate) struct Board<'a> {
    pub(crate) times: Times<'a>,
    pub(crate) sites: Vec<&'a SiteName>,
    /// Hosts of each site that may be down at once.
    pub(crate) down_at_once: Vec<u32>,
    pub(crate) people: Vec<Person>,
    pub(crate) crews: Vec<Crew>,
    pub(crate) parallel: u32,
    pub(crate) jobs: Vec<Job>,
    /// Bytes per second of each site's line; none has no limit. Empty when no site has one.
    lines: Vec<Option<u64>>,
    limited: Vec<bool>,
    crew_of: BTreeMap<(&'a SiteName, &'a RoleName), usize>,
}

impl<'a> Board<'a> {
    /// Lays out the hosts; `waves` are their waves, in which order their content sets out.
    pub(crate) fn new(
        input: &'a PlanInput,
        relaxed: &'a Relaxed,
        placed: &[&Placed<'a>],
        horizon_days: u32,
    ) -> Self {
        let mut times = Times::new(input, relaxed, horizon_days);
        let people =
            if relaxed.has(|| Rule::People) { Vec::new() } else { people(input, &mut times) };
        let parallel = input.shape.parallel;
        let mut board = Self {
            times,
            sites: Vec::new(),
            down_at_once: Vec::new(),
            people,
            crews: Vec::new(),
            parallel: if relaxed.has(|| Rule::Parallel(parallel)) { u32::MAX } else { parallel },
            jobs: Vec::with_capacity(placed.len()),
            lines: Vec::new(),
            limited: Vec::new(),
            crew_of: BTreeMap::new(),
        };
        let pins: BTreeMap<&HostName, _> =
            input.demands.pins.iter().map(|pin| (&pin.host, pin)).collect();
        let mut site_of = BTreeMap::new();
        for host in placed {
            let record = host.record;
            let site = *site_of
                .entry(&record.site)
                .or_insert_with(|| board.add_site(input, relaxed, &record.site));
            let crew = board.crew(input, &record.site, &record.role);
            let pin = pins.get(&record.name).copied();
            let list = board.times.list(record, pin);
            let told =
                board.times.bound(record) || pin.is_some() || crew.is_some() || board.limited[site];
            board.jobs.push(Job {
                site,
                crew,
                list,
                busy: ms(host.p95_ms.saturating_add(input.demands.validation_ms)).max(1),
                undo: ms(host.undo_p95_ms),
                staged: board.times.now,
                bytes: 0,
                ahead: 0,
                told,
            });
        }
        board.stage(input, relaxed, placed);
        board
    }

    fn add_site(&mut self, input: &'a PlanInput, relaxed: &Relaxed, name: &'a SiteName) -> usize {
        let record = input.surroundings.sites.iter().find(|site| site.name == *name);
        let limit = record.and_then(|site| site.down_at_once);
        let limit = limit.filter(|most| !relaxed.has(|| Rule::SiteDown(name.clone(), *most)));
        self.sites.push(name);
        self.down_at_once.push(limit.unwrap_or(u32::MAX));
        self.limited.push(
            record.is_some_and(|site| site.down_at_once.is_some() || site.bandwidth.is_some()),
        );
        self.sites.len() - 1
    }

    /// Who can look after hosts of this role at this site: those who can do least else first.
    fn crew(
        &mut self,
        input: &'a PlanInput,
        site: &'a SiteName,
        role: &'a RoleName,
    ) -> Option<usize> {
        if self.people.is_empty() {
            return None;
        }
        if let Some(known) = self.crew_of.get(&(site, role)) {
            return Some(*known);
        }
        let engineers = &input.surroundings.engineers;
        let fits = |at: &usize| {
            all_or_has(&engineers[*at].sites, site) && all_or_has(&engineers[*at].skills, role)
        };
        let width = |of: usize| if of == 0 { usize::MAX } else { of };
        let mut crew: Crew = (0..engineers.len()).filter(fits).collect();
        crew.sort_by_key(|at| {
            let engineer = &engineers[*at];
            (width(engineer.sites.len()), width(engineer.skills.len()), &engineer.name)
        });
        // Sites and roles that the same people look after share a crew.
        let known = self.crews.iter().position(|known| *known == crew);
        let number = known.unwrap_or_else(|| {
            self.crews.push(crew);
            self.crews.len() - 1
        });
        self.crew_of.insert((site, role), number);
        Some(number)
    }

    /// The moment from which on each host's content can be there, when contents set out now in the order of the plan.
    fn stage(&mut self, input: &'a PlanInput, relaxed: &Relaxed, placed: &[&Placed<'a>]) {
        let lines: BTreeMap<&SiteName, u64> = input
            .surroundings
            .sites
            .iter()
            .filter(|site| !relaxed.has(|| Rule::Bandwidth(site.name.clone())))
            .filter_map(|site| Some((&site.name, site.bandwidth?.0.max(1))))
            .collect();
        if lines.is_empty() {
            return;
        }
        self.lines = self.sites.iter().map(|site| lines.get(*site).copied()).collect();
        let mut bytes: BTreeMap<&SiteName, u64> = BTreeMap::new();
        for (job, host) in self.jobs.iter_mut().zip(placed) {
            let Some(line) = lines.get(&host.record.site) else { continue };
            let sum = bytes.entry(&host.record.site).or_default();
            (job.bytes, job.ahead) = (host.bytes(), *sum);
            *sum = sum.saturating_add(job.bytes);
            job.staged = self.times.now.saturating_add(transfer_ms(*sum, *line));
        }
    }

    /// Hosts of a site that may be down at once, the limit over all included.
    pub(crate) fn at_once(&self, site: usize) -> u32 {
        self.down_at_once[site].min(self.parallel)
    }

    /// Whether no moment can have more hosts down than may be over all.
    pub(crate) fn sites_are_apart(&self) -> bool {
        let most: u64 = self.down_at_once.iter().map(|most| u64::from(*most)).sum();
        most <= u64::from(self.parallel)
    }

    /// From when on so many bytes can be at a site, its line given.
    pub(crate) fn there(&self, site: usize, bytes: u64) -> i64 {
        let line = self.lines.get(site).copied().flatten();
        line.map_or(self.times.now, |line| self.times.now.saturating_add(transfer_ms(bytes, line)))
    }

    /// Whether a site's line limits anything.
    pub(crate) fn has_line(&self, site: usize) -> bool {
        self.lines.get(site).is_some_and(Option::is_some)
    }

    /// Whether any of its openings could hold a job if it were alone.
    pub(crate) fn ever_fits(&self, job: &Job) -> bool {
        let from = self.times.now.max(job.staged);
        let room = |span: &Span| span.first.max(from) <= span.last.min(span.closes - job.need());
        let mut strands = self.times.lists[job.list].iter();
        strands.any(|strand| self.times.strands[*strand].iter().any(room)) && self.anyone_for(job)
    }

    /// Whether anybody works long enough on end for a job.
    fn anyone_for(&self, job: &Job) -> bool {
        let Some(crew) = job.crew else { return true };
        self.crews[crew].iter().any(|person| match &self.people[*person].hours {
            None => true,
            Some(hours) => hours.iter().any(|hours| hours.until - hours.from >= job.busy),
        })
    }

    /// A place of no meaning for a job that fits somewhere; none for one that does not.
    pub(crate) fn anywhere(&self, number: usize, unfit: bool) -> Option<Placement> {
        let span = self.spans(&self.jobs[number]).first().copied().filter(|_| !unfit)?;
        Some(Placement { start: span.first, span, person: None, held: Held::Wave })
    }

    /// The list of a job's spans.
    pub(crate) fn spans(&self, job: &Job) -> Cow<'_, [Span]> {
        self.times.spans(job.list)
    }
}

/// How long so many bytes take over a line.
pub(crate) fn transfer_ms(bytes: u64, per_second: u64) -> i64 {
    let ms = (u128::from(bytes) * 1000).div_ceil(u128::from(per_second.max(1)));
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(crate) fn ms(time: u64) -> i64 {
    // A century: whoever states more means for ever, and sums of a few still fit.
    i64::try_from(time).unwrap_or(i64::MAX).min(100 * 366 * 86_400_000)
}

/// Engineers with their hours as the calendar has them, in the order of the input. Freezes do not concern people.
fn people(input: &PlanInput, times: &mut Times<'_>) -> Vec<Person> {
    let number: BTreeMap<_, _> =
        times.windows.iter().enumerate().map(|(at, window)| (window.name.clone(), at)).collect();
    let engineers = input.surroundings.engineers.iter();
    engineers
        .map(|engineer| {
            let mut hours = Vec::new();
            for window in engineer.available.iter().filter_map(|name| number.get(name)) {
                let open = times.openings(*window).iter();
                hours.extend(open.map(|(from, until)| Stretch { from: *from, until: *until }));
            }
            Person {
                units: engineer.hosts_at_once,
                hours: (!engineer.available.is_empty()).then(|| Person::joined(hours)),
            }
        })
        .collect()
}
