//! The rules of the house.

use refit_tidy::{errors, floors, text};

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn edges_go_down_or_stand_in_the_table() {
    none("edges that break the floors", &floors::broken_edges().unwrap());
    none("edges of the table that nobody uses", &floors::unused_sideways().unwrap());
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let (codes, pages) = (errors::codes(), errors::pages());
    assert!(!codes.is_empty(), "no code was found: the search is broken");
    let without_page: Vec<_> = codes.difference(&pages).cloned().collect();
    none("codes without a page in docs/errors", &without_page);
    none("pages without a code", &errors::without_code(&pages));
}

#[test]
fn files_are_short() {
    none("files that are too long", &text::too_long());
}

#[test]
fn rooms_say_what_they_are_for() {
    none("rooms without a header", &text::without_header());
}

#[test]
fn nothing_forbidden_stands_in_the_source() {
    none("forbidden", &text::forbidden());
}
