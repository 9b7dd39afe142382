//! Questions of hosts, files that were handed in, and dry runs.

use crate::rows::at;
use refit_journal::{Answer, AnsweredBy, Cause};
use refit_names::{ByteSize, Digest, Generation};
use refit_packs::runbook::{AskedRole, Confirm, Given, Phase, Question};
use refit_plan::OrderKey;
use refit_protocol::{
    question::OpenQuestion,
    runbook_test::{RunbookTestDone, RunbookTestRequest},
    v1::{QuestionState, QuestionsQuery, RunbookTestView},
};
use refit_store::Store;
use refit_testkit::lit;

fn order() -> OrderKey {
    OrderKey { rollout: lit("spring"), generation: Generation::FIRST }
}

fn asked(step: &str, attempt: u32) -> OpenQuestion {
    let question = Question::Confirm(Confirm {
        ask: AskedRole::Operator,
        question: "well?".to_owned(),
        within_ms: 60_000,
        remind_ms: None,
        default: None,
    });
    let phase = Phase::Before;
    OpenQuestion {
        leg: 0,
        step: lit(step),
        attempt,
        phase,
        question,
        since: at(1),
        until: at(60_001),
    }
}

fn answer(name: &str, given: Given) -> Answer {
    let by = AnsweredBy::Person { name: lit(name), role: AskedRole::Operator };
    Answer { given: Some(given), by, at: at(9), reason: String::new() }
}

async fn states(store: &Store) -> Vec<(String, QuestionState)> {
    let all = QuestionsQuery { rollout: Some(lit("spring")), all: true };
    let views = store.questions(&all).await.unwrap().into_iter();
    views.map(|view| (format!("{} {}", view.key.step, view.key.attempt), view.state)).collect()
}

pub(crate) async fn question_is_answered_once_and_closed_by_the_journal(store: &Store) {
    let (host, first) = (lit("a"), asked("sure", 1));
    assert!(store.put_question(&host, &order(), &first).await.unwrap());
    assert!(!store.put_question(&host, &order(), &first).await.unwrap());
    let key = first.key(&order());
    let bytes = b"a photo".to_vec();
    let file = Some((Digest::of(&bytes), bytes.clone()));
    let given = Given::File { name: "x".into(), digest: Digest::of(&bytes), size: ByteSize(7) };
    let one = answer("one", given);
    assert!(store.answer_question(&host, &key, &one, file).await.unwrap());
    let two = answer("two", Given::No {});
    let late = Some((Digest::of(b"late"), b"late".to_vec()));
    assert!(!store.answer_question(&host, &key, &two, late).await.unwrap());
    assert_eq!(store.uploaded(&Digest::of(&bytes)).await.unwrap(), Some(bytes));
    assert_eq!(store.uploaded(&Digest::of(b"late")).await.unwrap(), None);
    let open = store.questions(&QuestionsQuery::default()).await.unwrap();
    assert_eq!((open[0].state, &open[0].given), (QuestionState::Answered, &Some(one.clone())));
    store.count_answer(&host, &order(), 0, &lit("sure"), &one).await.unwrap();
    assert_eq!(store.questions(&QuestionsQuery::default()).await.unwrap(), []);
    let all = QuestionsQuery { rollout: None, all: true };
    assert_eq!(store.questions(&all).await.unwrap()[0].counted, Some(one));
}

pub(crate) async fn question_of_a_host_that_fell_silent_is_opened_again(store: &Store) {
    let (host, sure) = (lit("a"), asked("sure", 1));
    store.put_question(&host, &order(), &sure).await.unwrap();
    // Another host's question is none of its business.
    store.put_question(&lit("b"), &order(), &asked("other", 1)).await.unwrap();
    assert!(store.close_questions(&host, None).await.unwrap());
    assert!(store.put_question(&host, &order(), &sure).await.unwrap());
    assert_eq!(states(store).await[0], ("sure 1".to_owned(), QuestionState::Open));
    // Asked anew: the first asking is over, and what counted belongs to the oldest without a note.
    let again = asked("sure", 2);
    store.put_question(&host, &order(), &again).await.unwrap();
    store.close_questions(&host, Some(&again.key(&order()))).await.unwrap();
    let no = answer("one", Given::No {});
    store.count_answer(&host, &order(), 0, &lit("sure"), &no).await.unwrap();
    // What was counted does not open again.
    assert!(!store.put_question(&host, &order(), &sure).await.unwrap());
    let seen = states(store).await;
    let state = |name: &str| seen.iter().find(|(step, _)| step == name).unwrap().1;
    assert_eq!(
        (state("sure 1"), state("sure 2"), state("other 1")),
        (QuestionState::Closed, QuestionState::Open, QuestionState::Open)
    );
}

pub(crate) async fn dry_run_is_ended_once_by_its_own_host(store: &Store) {
    let request = RunbookTestRequest {
        id: 7,
        product: lit("ledger"),
        runbook: "x".to_owned(),
        parameters: Default::default(),
    };
    let (host, asked_by) = (lit("a"), lit("planner"));
    let view =
        RunbookTestView { host, request, asked_by, asked_at: at(5), reachable: true, done: None };
    store.add_runbook_test(&view).await.unwrap();
    assert_eq!(store.open_runbook_tests().await.unwrap(), std::slice::from_ref(&view));
    let cause = Some(Cause { code: "x.y".into(), text: "no".into() });
    let done = RunbookTestDone { id: 7, test: None, cause };
    assert!(!store.end_runbook_test(&lit("b"), &done).await.unwrap());
    assert!(store.end_runbook_test(&view.host, &done).await.unwrap());
    assert!(!store.end_runbook_test(&view.host, &done).await.unwrap());
    assert_eq!(store.open_runbook_tests().await.unwrap(), []);
    assert_eq!(store.runbook_test(7).await.unwrap().unwrap().done, Some(done));
    store.forget_runbook_tests(at(6)).await.unwrap();
    assert_eq!(store.runbook_test(7).await.unwrap(), None);
}
