//! A runbook that asks people: each kind of question, every way to answer it wrongly, an agent that is killed while it
//! waits, and a deadline that passes while the server is away.

mod stage;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use refit_client::{ApiClient, ClientError};
use refit_journal::AnsweredBy;
use refit_names::{Coded as _, Digest};
use refit_packs::runbook::Given;
use refit_protocol::{
    agent::Standing,
    runbook_test::StepVerdict,
    v1::{
        EventKind, Finding, NewAnswer, NewGiven, NewRunbookTest, QuestionState, QuestionsQuery,
        Right, RolloutView,
    },
};
use refit_rollout::HostState;
use stage::{Stage, host, name};
use std::{collections::BTreeMap, fs};

const RUNBOOK: &str = r#"format: refit.runbook/1
name: clock
version: 1
steps:
  - { id: stage, phase: stage, do: { install.stage: {} } }
  - id: ready
    phase: before
    do: { people.confirm: { ask: application-owner, question: "May the clock stop?", within_ms: 600000, remind_ms: 1000 } }
  - id: ticket
    phase: before
    do:
      people.fill-in:
        ask: operator
        question: "Which ticket?"
        within_ms: 600000
        fields:
          number: { type: integer, about: its number }
          shift: { type: text, about: who is there, one_of: [day, night] }
          remark: { type: text, about: anything else, optional: true }
  - id: look
    phase: before
    severity: advisory
    do: { test: { name: look, probe: { command: { run: [sh, -c, "echo seen >> $REFIT_ROOT/looked"] } } } }
  - id: way
    phase: before
    do:
      people.decide:
        ask: operator
        question: "How is it?"
        within_ms: 600000
        choices:
          fine: { about: go on, then: go-on }
          again: { about: look again, then: repeat }
          stop: { about: leave it, then: roll-back }
  - id: rack
    phase: before
    do: { evidence.upload: { ask: operator, question: "A photo of the rack?", within_ms: 600000, max: 1000, endings: [png] } }
  - { id: stop, phase: protect, do: { service.stop: {} } }
  - { id: backup, phase: protect, do: { backup.take: {} } }
  - { id: switch, phase: install, do: { install.switch: {} } }
  - { id: start, phase: after, do: { service.start: {} } }
  - id: quiet
    phase: after
    do: { people.confirm: { ask: application-owner, question: "All well?", within_ms: 2500, default: yes } }
rollback: { method: switch-and-restore, trigger: a mandatory step fails, deadline_ms: 300000, owner: operations }
"#;

async fn say(api: &ApiClient, step: &str, answer: NewGiven) -> Result<(), ClientError> {
    let new = NewAnswer { answer, reason: "as agreed".to_owned(), dry_run: false };
    api.answer(&name(), &host(), &step.parse().unwrap(), &new).await.map(drop)
}

async fn refused(api: &ApiClient, step: &str, answer: NewGiven, code: &str) -> String {
    let error = say(api, step, answer).await.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error.to_string()
}

fn values(pairs: &[(&str, &str)]) -> NewGiven {
    let pair = |(name, value): &(&str, &str)| (name.parse().unwrap(), (*value).to_owned());
    NewGiven::Values { values: pairs.iter().map(pair).collect() }
}

fn choice(name: &str) -> NewGiven {
    NewGiven::Choice { choice: name.parse().unwrap() }
}

fn file(name: &str, bytes: &[u8]) -> NewGiven {
    NewGiven::File { name: name.to_owned(), content: BASE64.encode(bytes) }
}

/// A dry run on the host, while it waits: what would fail is named, and nothing is touched.
async fn dry_run(stage: &Stage, lead: &ApiClient) {
    let wrong = RUNBOOK.replace("run: [sh, -c,", "run: [no-such-shell, -c,");
    for (runbook, works) in [(RUNBOOK.to_owned(), true), (wrong, false)] {
        let product = "clock".parse().unwrap();
        let asked = NewRunbookTest { product, runbook, parameters: BTreeMap::new() };
        let asked = lead.ask_runbook_test(&host(), &asked).await.unwrap();
        let done = stage
            .until("tried", async || lead.runbook_test(asked.request.id).await.unwrap().done)
            .await;
        let test = done.test.unwrap();
        // `look` is advisory: what it finds is told and fails no run.
        assert_eq!((test.passes(), test.build.as_str()), (true, "1000"), "{test:#?}");
        let look = test.steps.iter().find(|step| step.step.as_str() == "look").unwrap();
        let named = look.notes.iter().any(|note| note.contains("`no-such-shell` is not in PATH"));
        assert_eq!((named, look.verdict == StepVerdict::Fails), (!works, !works), "{look:?}");
    }
    let faulty = RUNBOOK.replace("install.switch: {}", "install.swich: {}");
    let asked = NewRunbookTest {
        product: "clock".parse().unwrap(),
        runbook: faulty,
        parameters: BTreeMap::new(),
    };
    let refused = lead.ask_runbook_test(&host(), &asked).await.unwrap_err();
    assert_eq!(refused.code(), "runbook.shape");
    // The probe of `look` was tried: a test may be, it only looks.
    fs::remove_file(stage.root().join("looked")).unwrap();
}

/// People of the role were told, and reminded.
async fn reminded(stage: &Stage, lead: &ApiClient) {
    stage
        .until("reminded", async || {
            let events = lead.notifications(100).await.unwrap();
            let mut found = events.iter().flat_map(|event| &event.findings);
            found
                .any(|finding| matches!(finding, Finding::Question { reminder, .. } if *reminder > 0))
                .then_some(())
        })
        .await;
    let events = lead.notifications(100).await.unwrap();
    let told = |event: &&refit_protocol::v1::EventView| {
        event
            .findings
            .iter()
            .any(|finding| matches!(finding, Finding::Question { reminder: 0, .. }))
    };
    let first = events.iter().find(told).unwrap();
    assert_eq!(first.kind, EventKind::AsksApplicationOwner);
}

/// The first question: wrong answers change nothing, and a killed agent goes on waiting with the same deadline.
async fn confirm(stage: &mut Stage, lead: &ApiClient, owner: &ApiClient) {
    let asked = stage.asked(owner, "ready", 1).await;
    let why = owner.why(&name(), &host()).await.unwrap();
    assert!(why.because.starts_with("step ready waits for application-owner: "), "{}", why.because);
    let command = format!("an answer: `refit rollout answer {} {} ready`", name(), host());
    assert_eq!((why.unblocked_by, why.latest), (command, Some(asked.until)));
    refused(lead, "ready", NewGiven::Yes {}, "auth.right-missing").await;
    refused(owner, "nothing", NewGiven::Yes {}, "people.no-question").await;
    refused(owner, "ready", choice("fine"), "people.unfit-answer").await;
    refused(owner, "ready", values(&[]), "people.unfit-answer").await;
    stage.kill_agent();
    stage.start_agent();
    stage
        .until("waiting again", async || {
            (stage.log().matches("waits for a person").count() >= 2).then_some(())
        })
        .await;
    // Stopped as systemd does it: at once, though it waits for minutes.
    stage.stop_agent();
    stage.start_agent();
    let again = stage.asked(owner, "ready", 1).await;
    assert_eq!((again.since, again.until), (asked.since, asked.until));
    let new = NewAnswer { answer: NewGiven::Yes {}, reason: String::new(), dry_run: true };
    owner.answer(&name(), &host(), &"ready".parse().unwrap(), &new).await.unwrap();
    assert_eq!(stage.asked(owner, "ready", 1).await.state, QuestionState::Open);
    say(owner, "ready", NewGiven::Yes {}).await.unwrap();
    let told = refused(owner, "ready", NewGiven::No {}, "people.answered-already").await;
    assert!(told.contains("yes, by owner as application-owner"), "{told}");
}

async fn fill_in(stage: &Stage, lead: &ApiClient) {
    stage.asked(lead, "ticket", 1).await;
    let wrong = values(&[("number", "many"), ("shift", "noon"), ("colour", "red")]);
    let told = refused(lead, "ticket", wrong, "people.unfit-answer").await;
    for part in ["`number`", "`shift`", "one of day, night", "`colour`"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let missing = values(&[("number", "7")]);
    assert!(refused(lead, "ticket", missing, "people.unfit-answer").await.contains("`shift`"));
    say(lead, "ticket", values(&[("number", "7"), ("shift", "night")])).await.unwrap();
}

async fn decide(stage: &Stage, lead: &ApiClient) {
    stage.asked(lead, "way", 1).await;
    refused(lead, "way", choice("fly"), "people.unfit-answer").await;
    say(lead, "way", choice("again")).await.unwrap();
    stage.asked(lead, "way", 2).await;
    assert_eq!(fs::read_to_string(stage.root().join("looked")).unwrap(), "seen\nseen\n");
    say(lead, "way", choice("fine")).await.unwrap();
}

async fn upload(stage: &Stage, lead: &ApiClient) -> Digest {
    stage.asked(lead, "rack", 1).await;
    refused(lead, "rack", file("rack.png", &[1; 1001]), "people.upload-too-large").await;
    refused(lead, "rack", file("rack.txt", &[1; 10]), "people.unfit-answer").await;
    refused(lead, "rack", file("../rack.png", &[1; 10]), "people.unfit-answer").await;
    let photo = b"not really a photo";
    say(lead, "rack", file("rack.png", photo)).await.unwrap();
    assert_eq!(lead.uploaded(&Digest::of(photo)).await.unwrap(), photo);
    Digest::of(photo)
}

fn finished(view: &RolloutView) -> bool {
    let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
    hosts.any(|host| matches!(&host.report, Some(report) if matches!(report.standing, Standing::Finished { .. })))
}

#[tokio::test(flavor = "multi_thread")]
async fn runbook_asks_waits_and_goes_on_as_people_answer() {
    let mut stage = Stage::open(RUNBOOK).await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = stage.person("lead", &rights).await;
    let owner = stage.person("owner", &[Right::ApplicationOwner]).await;
    stage.deploy(&lead).await;
    stage.asked(&owner, "ready", 1).await;
    dry_run(&stage, &lead).await;
    reminded(&stage, &lead).await;
    confirm(&mut stage, &lead, &owner).await;
    fill_in(&stage, &lead).await;
    decide(&stage, &lead).await;
    let photo = upload(&stage, &lead).await;

    // The last question meets nobody: the server is away until the host has ended the order by itself.
    let all = QuestionsQuery { rollout: Some(name()), all: true };
    stage
        .until("the photo counted", async || {
            let known = lead.questions(&all).await.unwrap();
            known.iter().any(|q| q.key.step.as_str() == "rack" && q.counted.is_some()).then_some(())
        })
        .await;
    stage.stop_server().await;
    stage
        .until("finished alone", async || stage.log().contains("order finished").then_some(()))
        .await;
    stage.start_server().await;
    let view = stage.rollout(&lead, finished).await;
    let done = view.waves.iter().flat_map(|wave| &wave.hosts).next().unwrap();
    let evidence = done.evidence.as_ref().unwrap();
    let steps: Vec<&str> = evidence.answers.iter().map(|answer| answer.step.as_str()).collect();
    assert_eq!(steps, ["ready", "ticket", "way", "way", "rack", "quiet"]);
    let given = |at: usize| evidence.answers[at].answer.given.clone().unwrap();
    assert!(matches!(given(4), Given::File { digest, .. } if digest == photo), "{:?}", given(4));
    let last = &evidence.answers[5].answer;
    assert_eq!((&last.by, &last.given), (&AnsweredBy::Deadline {}, &Some(Given::Yes {})));
    let first = &evidence.answers[0].answer;
    assert!(matches!(&first.by, AnsweredBy::Person { name, .. } if name.as_str() == "owner"));
    assert_eq!(first.reason, "as agreed");
    let is_done = |view: &RolloutView| {
        let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
        hosts.all(|host| matches!(host.state, HostState::Succeeded { .. }))
    };
    stage.rollout(&lead, is_done).await;
    let envelope = lead.certificate_json(&name(), &host()).await.unwrap();
    let envelope: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
    let statement = BASE64.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement = String::from_utf8(statement).unwrap();
    assert!(statement.contains(&photo.to_hex()) && statement.contains("night"), "{statement}");
}
