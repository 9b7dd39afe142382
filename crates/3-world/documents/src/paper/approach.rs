//! The approach document: what is done, why this way, what may go wrong, and who agrees to it.

use super::builder::Builder;
use super::text::{capital, list, words};
use super::{Cell, Form, Paper, PaperInput, SignLine, Tone, procedure, risk};
use refit_names::{BuildId, PersonName, RoleName, SiteName, TimeClass, counted, span as duration};
use refit_plan::{Advance, PlannedHost, Way};
use std::collections::{BTreeMap, BTreeSet};

/// Makes the approach document.
#[must_use]
pub fn approach(input: &PaperInput) -> Paper {
    let mut builder = Builder::new("Approach", input);
    findings(&mut builder, input);
    goal(&mut builder, input);
    path(&mut builder, input);
    order(&mut builder, input);
    builder.section("Risk analysis");
    builder.text("Each server has a score made of named reasons, each with what lessens it. The score decides the order: who can be missed most easily goes first.");
    builder.text(risk::sentence(input));
    risk::matrix(&mut builder, input);
    builder.part("Reasons and mitigations");
    risk::reasons(&mut builder, input);
    builder.part("Servers with the highest risk");
    risk::highest(&mut builder, input);
    builder.part("Stated risks");
    risk::stated(&mut builder, input);
    procedure::steps(&mut builder, input);
    procedure::way_back(&mut builder, input);
    procedure::tests(&mut builder, input);
    roles(&mut builder, input);
    communication(&mut builder, input);
    agreement(&mut builder, input);
    builder.done()
}

/// What the second judge objects to stands before everything else.
pub(crate) fn findings(builder: &mut Builder, input: &PaperInput) {
    for finding in &input.findings {
        builder.note(Tone::Bad, format!("The second judge objects: {}", input.told(finding)));
    }
    if let Some(reason) = &input.plan.emergency {
        builder.note(Tone::Warn, format!("Emergency: freezes do not count. Reason: {reason}"));
    }
}

fn goal(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    let servers = plan.hosts().count();
    builder.section("Goal and scope");
    let what = match plan.way() {
        Way::Forward => format!("{} is brought to build {}", plan.product, plan.target),
        Way::Removal => format!("{}: the last pack is taken back", capital(&plan.goal())),
    };
    builder.text(format!(
        "{what} on {} at {}. {} that were asked for are left out.",
        counted(servers, "server"),
        counted(plan.hosts().map(|(_, host)| &host.site).collect::<BTreeSet<_>>().len(), "site"),
        capital(&counted(plan.excluded.len(), "server"))
    ));
    if !plan.stated.is_empty() {
        builder.text(format!(
            "The builds of {} are only stated: no agent has seen them. Nothing is prepared before agents saw the same.",
            counted(plan.stated.len(), "server")
        ));
    }
    let mut table: BTreeMap<&RoleName, BTreeMap<&SiteName, usize>> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        *table.entry(&host.role).or_default().entry(&host.site).or_default() += 1;
    }
    let rows = table.into_iter().map(|(role, sites)| {
        let all: usize = sites.values().sum();
        let where_ = sites.iter().map(|(site, number)| format!("{site} {number}"));
        vec![role.as_str().into(), all.into(), list(where_).into()]
    });
    builder.table(
        &[("role", 1.4, Form::Name), ("servers", 0.7, Form::Number), ("where", 4.0, Form::Plain)],
        rows.collect(),
        "No servers.",
    );
    left_out(builder, input);
}

/// Servers that were asked for and are not in the plan.
pub(crate) fn left_out(builder: &mut Builder, input: &PaperInput) {
    builder.part("Left out");
    let rows = input.plan.excluded.iter();
    let rows = rows.map(|out| vec![out.host.as_str().into(), input.told(&out.because).into()]);
    builder.table(
        &[("server", 1.4, Form::Name), ("because", 4.0, Form::Plain)],
        rows.collect(),
        "Every server that was asked for is in the plan.",
    );
}

const FORWARD: &str = "Builds are never ordered by number: only a signed pack says that one build can follow another. Packs of a path run one after the other in the same window, each with its own verification.";
const REMOVAL: &str = "One pack is taken back, the one that was installed last, and the build before it runs again. Nothing is fetched: what comes back lies on the server. Each server says in prepare, before anything is down, whether it can be done there.";

fn path(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    let (section, text) = match plan.way() {
        Way::Forward => ("Upgrade path and known issues", FORWARD),
        Way::Removal => ("Way back", REMOVAL),
    };
    builder.section(section);
    builder.text(text);
    let mut paths: BTreeMap<Vec<BuildId>, usize> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        *paths.entry(host.builds()).or_default() += 1;
    }
    let rows = paths.into_iter().map(|(builds, servers)| {
        let way: Vec<&str> = builds.iter().map(BuildId::as_str).collect();
        vec![way.join(" → ").into(), servers.into()]
    });
    builder.table(
        &[("path", 4.0, Form::Name), ("servers", 1.0, Form::Number)],
        rows.collect(),
        "No paths.",
    );
    builder.part("Packs");
    let rows = plan.packs.iter().map(|pin| {
        let note = input.packs.get(&pin.to);
        let title = note.map_or("–", |note| note.title.as_str());
        let kind = note.map_or(String::new(), |note| words(&note.kind));
        vec![
            pin.to.as_str().into(),
            title.into(),
            kind.into(),
            pin.size.to_string().into(),
            pin.digest.to_string().into(),
        ]
    });
    builder.table(
        &[
            ("to build", 0.9, Form::Name),
            ("what it is", 2.2, Form::Plain),
            ("kind", 0.9, Form::Plain),
            ("size", 0.8, Form::Number),
            ("pinned content", 2.6, Form::Faint),
        ],
        rows.collect(),
        "No packs.",
    );
    issues(builder, input);
}

fn issues(builder: &mut Builder, input: &PaperInput) {
    builder.part("Known issues");
    let rows = input.plan.packs.iter().flat_map(|pin| {
        let issues = input.packs.get(&pin.to).map_or(&[][..], |note| &note.issues);
        issues.iter().map(move |issue| {
            let (action, tone) =
                if issue.holds { ("servers wait", Tone::Bad) } else { ("warned of", Tone::Warn) };
            let roles = if issue.roles.is_empty() { "all".to_owned() } else { list(&issue.roles) };
            vec![
                pin.to.as_str().into(),
                issue.id.as_str().into(),
                issue.text.as_str().into(),
                roles.into(),
                Cell::from(action).toned(tone),
            ]
        })
    });
    builder.table(
        &[
            ("pack", 0.8, Form::Name),
            ("issue", 1.0, Form::Name),
            ("what happens", 3.4, Form::Plain),
            ("roles", 1.0, Form::Plain),
            ("action", 1.0, Form::Plain),
        ],
        rows.collect(),
        "No trouble was known when the packs were published, or their notes are not at hand.",
    );
    for pin in &input.plan.packs {
        let Some(note) = input.packs.get(&pin.to) else { continue };
        builder.list(note.terms.iter().map(|term| format!("Build {}: {term}", pin.to)));
        if !note.readme.trim().is_empty() {
            builder.part(&format!("Read-me of build {}", pin.to));
            builder.readme(&note.readme);
        }
    }
}

fn order(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    builder.section("Approach and order");
    builder.text("Servers are changed in waves, the least risky first. A wave begins when the one before reached its goal and was watched long enough; a wave over its failure budget stops the rollout, and a server that fails goes back to the build that it came from by itself. Servers of a cluster, of a tier and behind their dependencies keep their order.");
    let rows = plan.waves.iter().map(|wave| {
        let risks = wave.hosts.iter().map(|host| host.risk);
        let range = match (risks.clone().min(), risks.max()) {
            (Some(low), Some(high)) if low != high => format!("{low} to {high}"),
            (Some(only), _) => only.to_string(),
            _ => "–".to_owned(),
        };
        let roles: BTreeSet<&RoleName> = wave.hosts.iter().map(|host| &host.role).collect();
        let next = match wave.advance {
            Advance::Automatic => "by itself",
            Advance::Manual => "a person says so",
        };
        vec![
            wave.name.as_str().into(),
            wave.hosts.len().into(),
            range.into(),
            list(roles).into(),
            wave.goal.to_string().into(),
            wave.failure_budget.into(),
            duration(wave.soak_ms).into(),
            next.into(),
        ]
    });
    builder.table(
        &[
            ("wave", 1.0, Form::Name),
            ("servers", 0.7, Form::Number),
            ("risk", 0.8, Form::Number),
            ("roles", 2.4, Form::Plain),
            ("goal", 0.6, Form::Number),
            ("failures borne", 0.8, Form::Number),
            ("watched for", 0.9, Form::Plain),
            ("next one", 1.0, Form::Plain),
        ],
        rows.collect(),
        "No waves.",
    );
    classes(builder, input);
    builder.part("Why this order");
    builder.text("Every server carries the reason for its place; all of them stand in the project plan. Some of them:");
    let samples = plan.waves.iter().flat_map(|wave| wave.hosts.first().map(|host| (wave, host)));
    builder.list(samples.map(|(wave, host)| {
        format!("{} in {}: {}", host.host, wave.name, input.told(&host.because))
    }));
    builder.list(input.remarks.iter().map(|remark| input.told(remark)));
}

fn classes(builder: &mut Builder, input: &PaperInput) {
    builder.part("Working hours, out of hours, weekends");
    let mut rows = Vec::new();
    for class in [TimeClass::WorkingHours, TimeClass::OutOfHours, TimeClass::Weekend] {
        let hosts =
            |host: &&PlannedHost| host.slot.as_ref().is_some_and(|slot| slot.class == class);
        let of_class: Vec<&PlannedHost> =
            input.plan.hosts().map(|(_, host)| host).filter(hosts).collect();
        let busy: u64 = of_class.iter().map(|host| refit_plan::busy_ms(host)).sum();
        let roles: BTreeSet<&RoleName> = of_class.iter().map(|host| &host.role).collect();
        rows.push(vec![
            capital(&words(&class)).into(),
            of_class.len().into(),
            duration(busy).into(),
            list(roles).into(),
        ]);
    }
    let none = input.plan.hosts().filter(|(_, host)| host.slot.is_none()).count();
    if none > 0 {
        rows.push(vec![
            "Any time".into(),
            none.into(),
            "–".into(),
            "as soon as their wave runs".into(),
        ]);
    }
    builder.table(
        &[
            ("when", 1.2, Form::Plain),
            ("servers", 0.7, Form::Number),
            ("work, all servers together", 1.4, Form::Plain),
            ("roles", 3.0, Form::Plain),
        ],
        rows,
        "",
    );
}

fn roles(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    builder.section("Roles and responsibilities");
    let agreed = if input.standing.agreed_by.is_empty() {
        format!(
            "{} other than the author, not yet",
            counted(plan.approvals_needed as usize, "person")
        )
    } else {
        list(&input.standing.agreed_by)
    };
    let authorised = input.standing.authorised_by.as_ref();
    builder.facts(vec![
        ("Author of the plan", plan.author.to_string()),
        ("Agree to the plan", agreed),
        (
            "Authorises the deployment",
            authorised.map_or_else(|| "not yet".to_owned(), ToString::to_string),
        ),
        ("Sign each certificate", list(input.parties.iter().map(words))),
    ]);
    builder.part("Application owners");
    let mut owners: BTreeMap<&PersonName, Vec<&PlannedHost>> = BTreeMap::new();
    for (_, host) in plan.hosts() {
        if let Some(owner) = input.note(&host.host).and_then(|note| note.owner.as_ref()) {
            owners.entry(owner).or_default().push(host);
        }
    }
    let rows = owners.into_iter().map(|(owner, hosts)| {
        let roles: BTreeSet<&RoleName> = hosts.iter().map(|host| &host.role).collect();
        vec![owner.as_str().into(), hosts.len().into(), list(roles).into()]
    });
    builder.table(
        &[("owner", 1.4, Form::Name), ("servers", 0.7, Form::Number), ("roles", 3.0, Form::Plain)],
        rows.collect(),
        "No application owners are recorded: “refit fleet set” records them.",
    );
    builder.part("People who do it or stand by");
    super::plan_pages::people_table(builder, input);
}

fn communication(builder: &mut Builder, input: &PaperInput) {
    builder.section("Communication");
    let owners = "application owners of its servers";
    let rows: [[&str; 3]; 7] = [
        [
            "A plan is made or replaced",
            "approvers, application owners",
            "this document and the project plan, with the plan's hash",
        ],
        ["Before a wave begins", owners, "calendar feed of their servers; downtime agreed"],
        ["A server begins and ends", "people named in its slot", "console, event stream"],
        [
            "A server fails or is rolled back",
            "people named in its slot, its owner",
            "notification with the root cause",
        ],
        [
            "The rollout stops by itself",
            "deployer, author, all owners of the wave",
            "notification with the budget that was exceeded",
        ],
        ["A server is done", owners, "certificate to be signed"],
        ["The last wave is done", "everybody above", "certificates, all signed"],
    ];
    builder.table(
        &[("when", 1.6, Form::Plain), ("who is told", 1.8, Form::Plain), ("how", 2.4, Form::Faint)],
        rows.iter().map(|row| row.iter().map(|cell| Cell::from(*cell)).collect()).collect(),
        "",
    );
    if let Some(deadline) = input.plan.deadline {
        builder.text(format!(
            "It is to be finished by {}.",
            super::text::moment(deadline, &input.zone)
        ));
    }
}

/// The page to sign on.
pub(crate) fn agreement(builder: &mut Builder, input: &PaperInput) {
    builder.page_break();
    builder.section("Agreement");
    builder.text(format!(
        "Whoever signs agrees to exactly the plan with the hash {}. Another plan has another hash and needs another agreement. In Refit the same is said with “refit rollout agree {} --plan …”, which is what counts.",
        input.hash, input.plan.rollout
    ));
    let mut lines = vec![SignLine {
        function: "Author".to_owned(),
        name: input.plan.author.to_string(),
        done: false,
    }];
    lines.extend(input.standing.agreed_by.iter().map(|person| SignLine {
        function: "Approver".to_owned(),
        name: person.to_string(),
        done: true,
    }));
    let needed = usize::try_from(input.plan.approvals_needed).unwrap_or(0);
    let open = needed.saturating_sub(input.standing.agreed_by.len());
    lines.extend((0..open).map(|_| SignLine {
        function: "Approver".to_owned(),
        name: String::new(),
        done: false,
    }));
    let owners: BTreeSet<&PersonName> =
        input.hosts.values().filter_map(|note| note.owner.as_ref()).collect();
    lines.extend(owners.into_iter().map(|owner| SignLine {
        function: "Application owner".to_owned(),
        name: owner.to_string(),
        done: input.standing.agreed_by.contains(owner),
    }));
    builder.sign_off(lines);
}
