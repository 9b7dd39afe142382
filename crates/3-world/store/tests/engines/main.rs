//! The same facts on both engines: each test takes an open store and knows nothing of the engine behind it.

mod chains;
mod questions;
mod rows;
mod rules;

use refit_store::{Engine, Store};
use refit_testkit::postgres::Postgres;
use sea_orm::ConnectionTrait as _;

/// An open store with its address, for tests that go behind its back.
struct Opened {
    store: Store,
    url: String,
}

impl Opened {
    async fn at(url: String) -> Self {
        Self { store: Store::open(&url).await.unwrap(), url }
    }

    /// Changes stored rows as nobody should.
    async fn tamper(&self, sql: &str) {
        let intruder = sea_orm::Database::connect(&self.url).await.unwrap();
        intruder.execute_unprepared(sql).await.unwrap();
        intruder.close().await.unwrap();
    }
}

impl std::ops::Deref for Opened {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Runs every fact on stores that `open` makes, each on an empty database.
macro_rules! facts {
    ($run:ident: $($module:ident::$fact:ident),+ $(,)?) => {
        async fn $run(mut open: impl AsyncFnMut(&str) -> Opened) {
            $(
                let opened = open(stringify!($fact)).await;
                $module::$fact(&opened).await;
                opened.store.close().await;
            )+
        }
    };
}

facts!(all:
    rows::user_is_found_by_the_hash_of_its_token_only,
    rows::import_keeps_what_agents_saw,
    rows::change_that_is_refused_or_tried_leaves_nothing,
    rows::every_change_of_a_record_is_kept_with_who_and_when,
    rows::sites_clusters_and_engineers_are_kept_and_removed,
    rows::risks_have_numbers_and_weights_have_versions,
    rows::enrolment_does_not_forget_what_people_said,
    rows::last_report_of_a_host_replaces_the_one_before,
    rows::newest_plan_is_that_of_the_highest_generation,
    rows::setting_is_replaced,
    rules::token_is_redeemed_once_when_many_ask_at_once,
    rules::token_says_which_rule_it_broke,
    rules::rollout_that_someone_else_changed_is_not_overwritten,
    rules::plan_and_final_certificate_never_change,
    rules::party_signs_once,
    chains::audit_log_shows_a_changed_act,
    chains::acts_at_the_same_moment_make_one_chain,
    chains::journal_takes_only_what_follows,
    chains::repeated_journal_changes_nothing,
    questions::question_is_answered_once_and_closed_by_the_journal,
    questions::question_of_a_host_that_fell_silent_is_opened_again,
    questions::dry_run_is_ended_once_by_its_own_host,
);

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_every_fact() {
    let folder = tempfile::tempdir().unwrap();
    all(async |name| {
        let opened = Opened::at(format!("sqlite://{}/{name}.db", folder.path().display())).await;
        assert_eq!(opened.engine(), Engine::Sqlite);
        opened
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_every_fact() {
    let started = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let Some(server) = started.unwrap() else { return };
    let mut number = 0;
    all(async |_| {
        number += 1;
        let url = server.database(&format!("facts{number}")).unwrap();
        let opened = Opened::at(url).await;
        assert_eq!(opened.engine(), Engine::Postgres);
        opened
    })
    .await;
}

#[tokio::test]
async fn stored_values_survive_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/refit.db", folder.path().display());
    let store = Store::open(&url).await.unwrap();
    store.set_setting("name", "value").await.unwrap();
    store.close().await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.setting("name").await.unwrap().as_deref(), Some("value"));
}

#[tokio::test]
async fn unknown_engine_is_named() {
    let error = Store::open("mysql://x/y").await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "database URL begins with `mysql`, expected `sqlite:` or `postgres:`"
    );
}
