//! Questions of hosts to people: heard in reports, answered by whoever is asked, closed by the hosts' journals.

use crate::{
    app::App,
    findings::{self, Keyed},
    refusal::{Answer, ApiError, Refusal},
};
use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use refit_journal::{AnsweredBy, Entry, EntryBody};
use refit_names::{ByteSize, Coded, Digest, ErrorClass, HostName, RolloutName, StepId};
use refit_packs::runbook::{AnswerMisfit, Given, UPLOAD_BYTES_MAX};
use refit_protocol::{
    agent::{OrderReport, Standing},
    question::GivenAnswer,
    v1::{
        Finding, NewAnswer, NewGiven, QuestionState, QuestionView, QuestionsQuery, Right, Whoami,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Why an answer is not taken; nothing is changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("step `{step}` of host `{host}` asks nothing in rollout `{rollout}`")]
    NoQuestion { rollout: RolloutName, host: HostName, step: StepId },
    #[error("step `{step}` of host `{host}` was answered already: {answer}")]
    Already { host: HostName, step: StepId, answer: String },
    #[error(
        "step `{step}` of host `{host}` could be answered until {until}, found {now}: {default}"
    )]
    TooLate { host: HostName, step: StepId, until: Timestamp, now: Timestamp, default: String },
    #[error("file `{name}` is not base64")]
    NotBase64 { name: String, source: base64::DecodeError },
    #[error(transparent)]
    Unfit(#[from] AnswerMisfit),
}

impl Coded for Unanswered {
    fn code(&self) -> &'static str {
        match self {
            Self::NoQuestion { .. } => "people.no-question",
            Self::Already { .. } => "people.answered-already",
            Self::TooLate { .. } => "people.too-late",
            Self::NotBase64 { .. } => "people.unfit-answer",
            Self::Unfit(misfit) => misfit.code(),
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl From<Unanswered> for ApiError {
    fn from(error: Unanswered) -> Self {
        let status = match &error {
            Unanswered::NoQuestion { .. } => StatusCode::NOT_FOUND,
            Unanswered::Already { .. } | Unanswered::TooLate { .. } => StatusCode::CONFLICT,
            Unanswered::NotBase64 { .. } | Unanswered::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::of(status, &error)
    }
}

/// Takes what a host says that it waits for, and what it waits for no more.
pub(crate) async fn heard(app: &App, host: &HostName, report: &OrderReport) -> Answer<()> {
    let asked = match &report.standing {
        Standing::Running { progress } => progress.question.as_deref(),
        Standing::Finished { .. } => None,
        // The order was not begun: nothing can be asked.
        _ => return Ok(()),
    };
    let mut news = false;
    if let Some(asked) = asked {
        news = app.store.put_question(host, &report.key, asked).await?;
    }
    let key = asked.map(|asked| asked.key(&report.key));
    let closed = app.store.close_questions(host, key.as_ref()).await?;
    if news || closed {
        app.changed();
    }
    Ok(())
}

/// Takes what counted from new entries of a host's journal.
pub(crate) async fn counted(app: &App, host: &HostName, entries: &[Entry]) -> Answer<()> {
    for entry in entries {
        if let EntryBody::Answered { leg, step, answer } = &entry.body {
            app.store.count_answer(host, &entry.order, *leg, step, answer).await?;
            app.changed();
        }
    }
    Ok(())
}

/// Answers that hosts do not have yet.
pub(crate) async fn on_their_way(app: &App) -> Answer<BTreeMap<HostName, Vec<GivenAnswer>>> {
    let mut all: BTreeMap<HostName, Vec<GivenAnswer>> = BTreeMap::new();
    for view in app.store.questions(&QuestionsQuery::default()).await? {
        if let (QuestionState::Answered, Some(answer)) = (view.state, view.given) {
            all.entry(view.host).or_default().push(GivenAnswer { to: view.key, answer });
        }
    }
    Ok(all)
}

/// What a host waits for a person to say.
pub(crate) async fn open_of(
    app: &App,
    rollout: &RolloutName,
    host: &HostName,
) -> Answer<Option<QuestionView>> {
    let wanted = QuestionsQuery { rollout: Some(rollout.clone()), all: false };
    let mut waiting = app.store.questions(&wanted).await?.into_iter();
    Ok(waiting.find(|view| view.host == *host && view.state == QuestionState::Open))
}

/// A person answers.
pub(crate) async fn answer(
    app: &App,
    person: &Whoami,
    (rollout, host, step): (&RolloutName, &HostName, &StepId),
    new: NewAnswer,
) -> Answer<QuestionView> {
    let wanted = QuestionsQuery { rollout: Some(rollout.clone()), all: true };
    let asked = app.store.questions(&wanted).await?.into_iter();
    let asked = asked.filter(|view| view.host == *host && view.key.step == *step);
    // The last one that was asked.
    let view = asked.max_by_key(|view| view.key.clone()).ok_or_else(|| {
        let (rollout, host, step) = (rollout.clone(), host.clone(), step.clone());
        Unanswered::NoQuestion { rollout, host, step }
    })?;
    may_answer(app, person, &view).await?;
    still_open(app, &view)?;
    let (given, file) = read(new.answer)?;
    view.question.fits(&given).map_err(Unanswered::from)?;
    let by = AnsweredBy::Person { name: person.name.clone(), role: view.question.ask() };
    let answer =
        refit_journal::Answer { given: Some(given), by, at: app.now(), reason: new.reason };
    if new.dry_run {
        return Ok(QuestionView { given: Some(answer), ..view });
    }
    if !app.store.answer_question(host, &view.key, &answer, file).await? {
        // Somebody was faster.
        let known = app.store.questions(&wanted).await?;
        let known = known.into_iter().find(|known| known.host == *host && known.key == view.key);
        still_open(app, known.as_ref().unwrap_or(&view))?;
    }
    let details = serde_json::json!({ "rollout": rollout, "host": host, "step": step, "attempt": view.key.attempt, "answer": answer });
    app.audit(&person.name, "people.answer", &details).await?;
    app.changed();
    Ok(QuestionView { state: QuestionState::Answered, given: Some(answer), ..view })
}

/// The role that is asked, and of an application that has an owner only that person.
async fn may_answer(app: &App, person: &Whoami, view: &QuestionView) -> Answer<()> {
    let needed = Right::of_asked(view.question.ask());
    if !person.rights.contains(&needed) {
        let (name, found) = (person.name.clone(), person.rights.clone());
        return Err(Refusal::RightMissing { person: name, expected: vec![needed], found }.into());
    }
    let owner = app.store.host(&view.host).await?.and_then(|record| record.owner);
    match owner {
        Some(expected) if needed == Right::ApplicationOwner && expected != person.name => {
            let (host, found) = (view.host.clone(), person.name.clone());
            Err(Refusal::NotOwner { host, expected, found }.into())
        }
        _ => Ok(()),
    }
}

fn still_open(app: &App, view: &QuestionView) -> Result<(), Unanswered> {
    let (host, step, now) = (view.host.clone(), view.key.step.clone(), app.now());
    let counted = view.counted.as_ref().or(view.given.as_ref());
    let by_deadline = counted.is_some_and(|answer| matches!(answer.by, AnsweredBy::Deadline {}));
    if let (Some(answer), false) = (counted, by_deadline) {
        return Err(Unanswered::Already { host, step, answer: answer.to_string() });
    }
    if by_deadline || now >= view.until || view.state != QuestionState::Open {
        let default = match view.question.default() {
            Some(default) => format!("the host goes on with {default}"),
            None => "the step fails".to_owned(),
        };
        return Err(Unanswered::TooLate { host, step, until: view.until, now, default });
    }
    Ok(())
}

type File = (Digest, Vec<u8>);

fn read(new: NewGiven) -> Result<(Given, Option<File>), Unanswered> {
    Ok(match new {
        NewGiven::Yes {} => (Given::Yes {}, None),
        NewGiven::No {} => (Given::No {}, None),
        NewGiven::Values { values } => (Given::Values { values }, None),
        NewGiven::Choice { choice } => (Given::Choice { choice }, None),
        NewGiven::File { name, content } => {
            let bytes = BASE64
                .decode(content)
                .map_err(|source| Unanswered::NotBase64 { name: name.clone(), source })?;
            let size = ByteSize(bytes.len() as u64);
            if size.0 > UPLOAD_BYTES_MAX {
                let expected = ByteSize(UPLOAD_BYTES_MAX);
                return Err(AnswerMisfit::TooLarge { name, expected, found: size }.into());
            }
            let digest = Digest::of(&bytes);
            (Given::File { name, digest, size }, Some((digest, bytes)))
        }
    })
}

/// Tells people of the role what waits for them, and again as often as the runbook says. `told` keeps what was told.
pub(crate) async fn remind(app: &App, told: &mut BTreeSet<String>) -> Answer<()> {
    let open = app.store.questions(&QuestionsQuery::default()).await?;
    let open = open.into_iter().filter(|view| view.state == QuestionState::Open);
    let due: Vec<Keyed> = open.filter_map(|view| word(&view, app.now())).collect();
    let keys: BTreeSet<String> = due.iter().map(|(key, _)| key.clone()).collect();
    let new: Vec<Keyed> = due.into_iter().filter(|(key, _)| !told.contains(key)).collect();
    if !new.is_empty() {
        findings::tell(app, new).await?;
    }
    *told = keys;
    Ok(())
}

/// The newest word that is due about a question; none after its deadline.
fn word(view: &QuestionView, now: Timestamp) -> Option<Keyed> {
    if now >= view.until {
        return None;
    }
    let waited = u64::try_from(now.duration_since(view.since).as_millis()).unwrap_or(0);
    let reminder = view.question.remind_ms().map_or(0, |every| waited / every.max(1));
    let key = &view.key;
    let name = format!(
        "question:{}:{}:{}:{}:{}:{}:{reminder}",
        view.host, key.order.rollout, key.order.generation, key.leg, key.step, key.attempt
    );
    let finding = Finding::Question {
        rollout: key.order.rollout.clone(),
        host: view.host.clone(),
        step: key.step.clone(),
        ask: view.question.ask(),
        question: view.question.text().to_owned(),
        answers: view.question.answers(),
        default: view.question.default().map(|given| given.to_string()).unwrap_or_default(),
        until: view.until,
        reminder: u32::try_from(reminder).unwrap_or(u32::MAX),
    };
    Some((name, finding))
}
