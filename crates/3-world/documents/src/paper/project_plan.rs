//! The project plan: dates, people, budgets, ways back.

use super::builder::Builder;
use super::text::{day, moment};
use super::{Form, Paper, PaperInput, approach, gantt, plan_pages, risk, simulation};
use refit_names::{PersonName, TimeClass, counted, span as duration};
use refit_plan::Way;
use std::collections::BTreeSet;

/// Makes the project plan.
#[must_use]
pub fn project_plan(input: &PaperInput) -> Paper {
    let mut builder = Builder::new("Project plan", input);
    approach::findings(&mut builder, input);
    overview(&mut builder, input);
    calendar(&mut builder, input);
    plan_pages::waves(&mut builder, input);
    builder.section("People");
    plan_pages::people_table(&mut builder, input);
    builder.part("Work outside working hours");
    plan_pages::out_of_hours(&mut builder, input);
    builder.section("Risks and mitigations");
    builder.text(risk::sentence(input));
    risk::matrix(&mut builder, input);
    builder.part("Reasons and mitigations");
    risk::reasons(&mut builder, input);
    builder.part("Stated risks");
    risk::stated(&mut builder, input);
    budgets(&mut builder, input);
    plan_pages::rollback(&mut builder, input);
    staging(&mut builder, input);
    builder.section("Rehearsal");
    simulation::write(&mut builder, input);
    builder.section("Servers that are not in it");
    approach::left_out(&mut builder, input);
    if !input.remarks.is_empty() {
        builder.part("Remarks of the planner");
        builder.list(input.remarks.iter().map(|remark| input.told(remark)));
    }
    approach::agreement(&mut builder, input);
    builder.done()
}

fn overview(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    let begins = plan.waves.iter().filter_map(|wave| wave.starts_at()).min();
    let named = |at: Option<jiff::Timestamp>| {
        at.map_or_else(|| "no date".to_owned(), |at| day(at, &input.zone))
    };
    let people: BTreeSet<&PersonName> = plan
        .hosts()
        .filter_map(|(_, host)| host.slot.as_ref())
        .flat_map(|slot| &slot.people)
        .collect();
    builder.section("At a glance");
    builder.figures(vec![
        (plan.hosts().count().to_string(), "servers"),
        (plan.waves.len().to_string(), "waves"),
        (people.len().to_string(), "people"),
        (named(begins), "first server"),
        (named(plan.finishes_at()), "last server"),
        (hours(plan.out_of_hours_ms()), "server hours outside working hours"),
    ]);
    let deadline = plan.deadline.map_or_else(|| "none".to_owned(), |at| moment(at, &input.zone));
    let clusters: BTreeSet<&String> =
        input.hosts.values().filter_map(|note| note.cluster.as_ref()).collect();
    builder.facts(vec![
        (
            "Goal",
            match plan.way() {
                Way::Forward => format!("{} at build {}", plan.product, plan.target),
                Way::Removal => plan.goal(),
            },
        ),
        ("Deadline", deadline),
        ("Clusters", counted(clusters.len(), "cluster")),
        (
            "Stops by itself",
            format!(
                "after more than {}, or when a wave's own limit is passed",
                counted(plan.failure_budget as usize, "failure")
            ),
        ),
        (
            "Agreement",
            format!("{} other than the author", counted(plan.approvals_needed as usize, "person")),
        ),
        (
            "Where it stands",
            if input.standing.state.is_empty() {
                "planned".to_owned()
            } else {
                input.standing.state.clone()
            },
        ),
    ]);
}

/// Hours, as people count work.
fn hours(ms: u64) -> String {
    format!("{} h", ms.div_ceil(3_600_000))
}

fn calendar(builder: &mut Builder, input: &PaperInput) {
    let drawings = gantt::drawings(&input.plan, &input.zone);
    if !drawings.is_empty() {
        builder.page_break();
    }
    builder.section("Calendar");
    if drawings.is_empty() {
        builder.text("The plan has no windows: each wave runs as soon as the one before was watched long enough. The rehearsal says when that is.");
        return;
    }
    builder.text("Dark bars: waves from first to last server, light behind them how long they are watched. Coloured bars: the part of a window that is used, on the window itself; blue in working hours, violet out of hours, brown at weekends. Weekends are shaded.");
    let last = drawings.len();
    for (number, svg) in drawings.into_iter().enumerate() {
        let caption = if last == 1 {
            "Waves and windows.".to_owned()
        } else {
            format!("Waves and windows, {} of {last}.", number + 1)
        };
        builder.wide_drawing(svg, &caption);
    }
    let classes =
        [TimeClass::WorkingHours, TimeClass::OutOfHours, TimeClass::Weekend].map(|class| {
            input
                .plan
                .hosts()
                .filter(|(_, host)| host.slot.as_ref().is_some_and(|slot| slot.class == class))
                .count()
        });
    builder.text(format!(
        "{} in working hours, {} out of hours, {} at weekends.",
        counted(classes[0], "server"),
        counted(classes[1], "server"),
        counted(classes[2], "server")
    ));
}

fn budgets(builder: &mut Builder, input: &PaperInput) {
    let plan = &input.plan;
    builder.section("Failure budgets");
    builder.text(format!(
        "Failures are counted in one ledger over all waves that is never reset. More than {} in all, or more in a wave than stands here, stop the rollout: no further server starts until a person has looked at it.",
        counted(plan.failure_budget as usize, "failure")
    ));
    let rows = plan.waves.iter().map(|wave| {
        vec![
            wave.name.as_str().into(),
            wave.hosts.len().into(),
            wave.failure_budget.into(),
            wave.goal.to_string().into(),
            wave.parallel.into(),
            duration(wave.soak_ms).into(),
            duration(wave.timeout_ms).into(),
        ]
    });
    builder.table(
        &[
            ("wave", 1.2, Form::Name),
            ("servers", 0.8, Form::Number),
            ("failures borne", 1.0, Form::Number),
            ("must succeed", 1.0, Form::Number),
            ("down at once", 1.0, Form::Number),
            ("watched for", 1.2, Form::Plain),
            ("waits at most", 1.2, Form::Plain),
        ],
        rows.collect(),
        "No waves.",
    );
}

fn staging(builder: &mut Builder, input: &PaperInput) {
    if input.plan.staging.is_empty() {
        return;
    }
    builder.section("Content on its way");
    let rows = input.plan.staging.iter().map(|staging| {
        vec![
            staging.site.as_str().into(),
            staging.bytes.to_string().into(),
            format!("{}/s", staging.bandwidth).into(),
            moment(staging.start_by, &input.zone).into(),
        ]
    });
    builder.table(
        &[
            ("site", 1.4, Form::Name),
            ("to be fetched", 1.0, Form::Number),
            ("over its line at", 1.0, Form::Number),
            ("must set out by", 1.6, Form::Plain),
        ],
        rows.collect(),
        "",
    );
}
