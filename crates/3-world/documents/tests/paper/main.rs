//! Documents of a plan: same content in both forms, deterministic, harmless text.

mod sample;

use refit_documents::paper::{Paper, PaperInput, approach, csv, events, html, project_plan, xlsx};
use refit_documents::paper_pdf;
use refit_rehearsal::{Rehearsal, RehearsalInput};
use sample::{input, plan};

type Maker = fn(&PaperInput) -> Paper;

/// Set to keep what the tests make, to be looked at.
const KEEP: &str = "REFIT_KEEP_DOCUMENTS";

fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os(KEEP) {
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    }
}

/// A few servers of each wave: setting 180 of them takes seconds without optimisation.
fn small() -> PaperInput {
    let mut input = input();
    input.plan.waves.iter_mut().for_each(|wave| wave.hosts.truncate(4));
    input
}

fn rehearsed(mut input: PaperInput) -> PaperInput {
    let rehearsal = Rehearsal::new(&RehearsalInput {
        plan: &input.plan,
        runs: 200,
        seed: 1,
        assumptions: refit_rehearsal::Assumptions::default(),
        experience: std::collections::BTreeMap::new(),
    })
    .unwrap();
    let runs: Vec<_> = (0..200).map(|run| rehearsal.run(run).unwrap()).collect();
    input.rehearsal = Some(rehearsal.summary(&runs));
    input
}

fn sections(page: &str) -> Vec<String> {
    let heads = page.split("<h2").skip(1).filter_map(|part| part.split("</span>").nth(1));
    heads.filter_map(|text| text.split("</h2>").next()).map(|text| text.trim().to_owned()).collect()
}

#[test]
fn both_documents_are_set_as_archival_pdf_and_as_html_the_same_each_time() {
    let input = rehearsed(small());
    let makers: [(&str, Maker); 2] = [("approach", approach), ("project-plan", project_plan)];
    for (name, make) in makers {
        let pdf = paper_pdf(&make(&input)).unwrap();
        keep(&format!("{name}.pdf"), &pdf);
        assert_eq!(pdf, paper_pdf(&make(&input)).unwrap(), "{name} differs from run to run");
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("pdfaid:part"), "{name} is not PDF/A");
        let page = html(&make(&input));
        keep(&format!("{name}.html"), page.as_bytes());
        assert!(page.contains(&input.hash.to_string()), "{name} does not carry the plan's hash");
        assert!(page.contains("draft, agreed by approver"));
        assert!(!page.contains("<script"));
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !own.contains("http://") && !own.contains("https://"),
            "{name} names something elsewhere"
        );
    }
}

#[test]
fn a_plan_of_180_servers_fits_its_pages() {
    let input = rehearsed(input());
    let approach = paper_pdf(&approach(&input)).unwrap();
    keep("approach-180.pdf", &approach);
    keep("approach-180.html", html(&refit_documents::paper::approach(&input)).as_bytes());
    let plan = paper_pdf(&project_plan(&input)).unwrap();
    keep("project-plan-180.pdf", &plan);
    keep("project-plan-180.html", html(&project_plan(&input)).as_bytes());
    let pages = |pdf: &[u8]| String::from_utf8_lossy(pdf).matches("/Type/Page/").count();
    assert!((4..=9).contains(&pages(&approach)), "{} pages", pages(&approach));
    assert!((8..=16).contains(&pages(&plan)), "{} pages", pages(&plan));
}

#[test]
fn the_documents_have_the_sections_that_people_look_for() {
    let input = rehearsed(input());
    assert_eq!(
        sections(&html(&approach(&input))),
        [
            "Goal and scope",
            "Upgrade path and known issues",
            "Approach and order",
            "Risk analysis",
            "Procedure per kind of server",
            "Backup and rollback",
            "Tests",
            "Roles and responsibilities",
            "Communication",
            "Agreement"
        ]
    );
    let page = html(&project_plan(&input));
    assert_eq!(
        sections(&page),
        [
            "At a glance",
            "Calendar",
            "Waves",
            "People",
            "Risks and mitigations",
            "Failure budgets",
            "Rollback plan per wave",
            "Rehearsal",
            "Servers that are not in it",
            "Agreement"
        ]
    );
    for (_, host) in input.plan.hosts() {
        assert!(page.contains(host.host.as_str()), "{} is missing", host.host);
    }
    assert!(page.contains("<svg"), "the calendar is drawn");
    assert!(page.contains("complete</span>"));
}

#[test]
fn a_readme_keeps_its_headings_and_lists() {
    let mut input = input();
    let note = input.packs.values_mut().next().unwrap();
    note.readme =
        "# Pack\r\n\nTwo lines\nin one.\n- first\n  goes on\n- second\n\nlast `#1`".to_owned();
    let page = html(&approach(&input));
    let set = "<p><b>Pack</b></p>\n<p>Two lines in one.</p>\n<ul><li>first goes on</li><li>second</li></ul>\n<p>last #1</p>";
    assert!(page.contains(set), "{page}");
}

#[test]
fn a_plan_of_which_nothing_else_is_known_makes_whole_documents() {
    let mut bare = plan();
    bare.waves.iter_mut().for_each(|wave| wave.hosts.truncate(4));
    bare.waves.iter_mut().flat_map(|wave| &mut wave.hosts).for_each(|host| {
        host.slot = None;
        host.reasons.clear();
    });
    bare.excluded.clear();
    let hash = bare.hash().unwrap();
    let input = PaperInput::of_plan(bare, hash);
    for paper in [approach(&input), project_plan(&input)] {
        assert!(paper_pdf(&paper).unwrap().starts_with(b"%PDF"));
        let page = html(&paper);
        assert!(page.contains("Every server that was asked for is in the plan."));
    }
    assert!(events(&input, None).is_empty());
    assert!(xlsx(&input).is_ok());
}

#[test]
fn hostile_and_foreign_text_stays_text() {
    let mut input = small();
    let evil =
        "<script>alert(1)</script> #import \"x\" $ _*`]] \\ {{7*7}} & \u{202e}drow\u{0}\n= head";
    input.remarks = vec![evil.to_owned(), "Ελληνικά, кириллица, 日本語, عربي 🚒".to_owned()];
    input.findings = vec![evil.to_owned()];
    input.plan.waves[0].hosts[0].because = evil.to_owned();
    input.risks[0].text = evil.to_owned();
    let wide = "x".repeat(300);
    input.risks[1].mitigation = wide.clone();
    for paper in [approach(&input), project_plan(&input)] {
        let page = html(&paper);
        assert!(!page.contains("<script"), "markup of people reached the page");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("日本語"));
        assert!(!page.contains('\u{202e}'), "text that turns the line around");
        let pdf = paper_pdf(&paper).unwrap();
        keep("hostile.pdf", &pdf);
        assert!(pdf.starts_with(b"%PDF"));
    }
}

#[test]
fn csv_has_one_line_per_server_and_no_formulas() {
    let mut input = input();
    input.plan.waves[0].hosts[0].because = "=HYPERLINK(\"http://x\",\"a\")".to_owned();
    let text = csv(&input);
    assert_eq!(text.lines().count(), 181);
    assert!(text.starts_with("wave,server,site,role,risk,"));
    assert!(text.contains("\"'=HYPERLINK("), "a formula must become a text");
    keep("plan.csv", text.as_bytes());
}

#[test]
fn the_spreadsheet_is_the_same_each_time() {
    let input = input();
    let bytes = xlsx(&input).unwrap();
    keep("plan.xlsx", &bytes);
    assert!(bytes.starts_with(b"PK"));
    assert_eq!(bytes, xlsx(&input).unwrap());
}

#[test]
fn a_person_has_the_slots_that_name_them_and_no_others() {
    let input = input();
    let all = events(&input, None);
    assert_eq!(all.len(), 180);
    let one = "engineer-2".parse().unwrap();
    let theirs = events(&input, Some(&one));
    assert!(!theirs.is_empty() && theirs.len() < all.len());
    assert!(theirs.iter().all(|event| event.attendees.contains(&one)));
    let expected = input
        .plan
        .hosts()
        .filter(|(_, host)| host.slot.as_ref().is_some_and(|slot| slot.people.contains(&one)));
    assert_eq!(theirs.len(), expected.count());
    let text = refit_calendar::ics::write(&theirs);
    assert_eq!(text.matches("BEGIN:VEVENT").count(), theirs.len());
}
