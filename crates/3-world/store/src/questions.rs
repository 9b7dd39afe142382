//! Questions of hosts to people: kept from the first report of a host on, closed by its journal.

use crate::{Store, StoreError, error::during, text::At};
use refit_journal::Answer;
use refit_names::{Digest, HostName, StepId};
use refit_plan::OrderKey;
use refit_protocol::{
    question::{OpenQuestion, QuestionKey},
    v1::{QuestionState, QuestionView, QuestionsQuery},
};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, QueryOrder, Select, entity::prelude::*,
    sea_query::OnConflict,
};

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "questions")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) host: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) rollout: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) generation: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) leg: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) step: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) attempt: i64,
        pub(crate) state: String,
        pub(crate) since: i64,
        pub(crate) body: String,
        pub(crate) given: String,
        pub(crate) counted: String,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

mod upload {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "uploads")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) digest: String,
        pub(crate) content: Vec<u8>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}
use row::{ActiveModel, Column, Entity, Model};

const OPEN: &str = "open";
const ANSWERED: &str = "answered";
const CLOSED: &str = "closed";

impl Store {
    /// Keeps a question that a host asks; false when it was known.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn put_question(
        &self,
        host: &HostName,
        order: &OrderKey,
        asked: &OpenQuestion,
    ) -> Result<bool, StoreError> {
        let at = At { table: "questions", key: host.as_str() };
        let stored = ActiveModel {
            host: Set(host.to_string()),
            rollout: Set(order.rollout.to_string()),
            generation: Set(at.stored(order.generation.0)?),
            leg: Set(i64::from(asked.leg)),
            step: Set(asked.step.to_string()),
            attempt: Set(i64::from(asked.attempt)),
            state: Set(OPEN.to_owned()),
            since: Set(asked.since.as_millisecond()),
            body: Set(at.text(asked)?),
            given: Set(String::new()),
            counted: Set(String::new()),
        };
        let key = [
            Column::Host,
            Column::Rollout,
            Column::Generation,
            Column::Leg,
            Column::Step,
            Column::Attempt,
        ];
        let once = OnConflict::columns(key).do_nothing().to_owned();
        let put = Entity::insert(stored).on_conflict(once).exec_without_returning(&self.write);
        match put.await {
            Ok(rows) if rows > 0 => Ok(true),
            Ok(_) | Err(DbErr::RecordNotInserted) => self.reopen(host, order, asked).await,
            Err(error) => Err(during("keep a question")(error)),
        }
    }

    /// A host that restarted falls silent for a moment: what it asks again was not over.
    async fn reopen(
        &self,
        host: &HostName,
        order: &OrderKey,
        asked: &OpenQuestion,
    ) -> Result<bool, StoreError> {
        let known = Entity::find()
            .filter(of(host, order, asked.leg, &asked.step))
            .filter(Column::Attempt.eq(i64::from(asked.attempt)))
            .filter(Column::State.eq(CLOSED))
            .filter(Column::Counted.eq(""));
        let known = known.one(&self.write).await.map_err(during("read a question"))?;
        let Some(known) = known else { return Ok(false) };
        let state = if known.given.is_empty() { OPEN } else { ANSWERED };
        let mut change: ActiveModel = known.into();
        change.state = Set(state.to_owned());
        change.update(&self.write).await.map_err(during("open a question again"))?;
        Ok(true)
    }

    /// Takes a person's answer to an open question, with the file that belongs to it; false when it is not open any more.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn answer_question(
        &self,
        host: &HostName,
        key: &QuestionKey,
        answer: &Answer,
        file: Option<(Digest, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        let at = At { table: "questions", key: host.as_str() };
        let transaction = self.begin().await?;
        let change = ActiveModel {
            state: Set(ANSWERED.to_owned()),
            given: Set(at.text(answer)?),
            ..Default::default()
        };
        let open = Entity::update_many()
            .set(change)
            .filter(of(host, &key.order, key.leg, &key.step))
            .filter(Column::Attempt.eq(i64::from(key.attempt)))
            .filter(Column::State.eq(OPEN));
        let taken = open.exec(&transaction).await.map_err(during("keep an answer"))?;
        if taken.rows_affected == 0 {
            transaction.rollback().await.map_err(during("end a transaction"))?;
            return Ok(false);
        }
        if let Some((digest, content)) = file {
            keep_file(&transaction, digest, content).await?;
        }
        transaction.commit().await.map_err(during("keep an answer"))?;
        Ok(true)
    }

    /// Notes what counted, as the host's journal says; the oldest asking of the step without such a note is meant.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn count_answer(
        &self,
        host: &HostName,
        order: &OrderKey,
        leg: u32,
        step: &StepId,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        let waiting = Entity::find()
            .filter(of(host, order, leg, step))
            .filter(Column::Counted.eq(""))
            .order_by_asc(Column::Attempt);
        let waiting = waiting.one(&self.write).await.map_err(during("read a question"))?;
        let Some(waiting) = waiting else { return Ok(()) };
        let at = At { table: "questions", key: host.as_str() };
        let mut change: ActiveModel = waiting.into();
        change.state = Set(CLOSED.to_owned());
        change.counted = Set(at.text(answer)?);
        change.update(&self.write).await.map_err(during("close a question"))?;
        Ok(())
    }

    /// Closes what a host does not ask any more; true when there was something.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn close_questions(
        &self,
        host: &HostName,
        but: Option<&QuestionKey>,
    ) -> Result<bool, StoreError> {
        let waiting =
            Entity::find().filter(Column::State.ne(CLOSED)).filter(Column::Host.eq(host.as_str()));
        let waiting = waiting.all(&self.read).await.map_err(during("read questions"))?;
        let mut any = false;
        for row in waiting {
            if but.is_some_and(|key| view(row.clone()).is_ok_and(|view| view.key == *key)) {
                continue;
            }
            let mut change: ActiveModel = row.into();
            change.state = Set(CLOSED.to_owned());
            change.update(&self.write).await.map_err(during("close a question"))?;
            any = true;
        }
        Ok(any)
    }

    /// Questions, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn questions(
        &self,
        wanted: &QuestionsQuery,
    ) -> Result<Vec<QuestionView>, StoreError> {
        let mut found: Select<Entity> = Entity::find();
        if !wanted.all {
            found = found.filter(Column::State.ne(CLOSED));
        }
        if let Some(rollout) = &wanted.rollout {
            found = found.filter(Column::Rollout.eq(rollout.as_str()));
        }
        let found = found
            .order_by_asc(Column::Since)
            .order_by_asc(Column::Host)
            .order_by_asc(Column::Attempt)
            .all(&self.read)
            .await;
        found.map_err(during("read questions"))?.into_iter().map(view).collect()
    }

    /// A file that was handed in.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn uploaded(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let found = upload::Entity::find_by_id(digest.to_string()).one(&self.read).await;
        Ok(found.map_err(during("read an upload"))?.map(|row| row.content))
    }
}

async fn keep_file(
    connection: &impl ConnectionTrait,
    digest: Digest,
    content: Vec<u8>,
) -> Result<(), StoreError> {
    let row = upload::ActiveModel { digest: Set(digest.to_string()), content: Set(content) };
    let once = OnConflict::column(upload::Column::Digest).do_nothing().to_owned();
    let put = upload::Entity::insert(row).on_conflict(once).exec_without_returning(connection);
    match put.await {
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(()),
        Err(error) => Err(during("keep an upload")(error)),
    }
}

fn of(host: &HostName, order: &OrderKey, leg: u32, step: &StepId) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(Column::Host.eq(host.as_str()))
        .add(Column::Rollout.eq(order.rollout.as_str()))
        .add(Column::Generation.eq(i64::try_from(order.generation.0).unwrap_or(i64::MAX)))
        .add(Column::Leg.eq(i64::from(leg)))
        .add(Column::Step.eq(step.as_str()))
}

fn view(row: Model) -> Result<QuestionView, StoreError> {
    let at = At { table: "questions", key: &row.host };
    let asked: OpenQuestion = at.json(&row.body)?;
    let order = OrderKey {
        rollout: at.parse(&row.rollout)?,
        generation: refit_names::Generation(at.count(row.generation)?),
    };
    let answer = |text: &str| if text.is_empty() { Ok(None) } else { at.json(text).map(Some) };
    Ok(QuestionView {
        host: at.parse(&row.host)?,
        key: asked.key(&order),
        phase: asked.phase,
        since: asked.since,
        until: asked.until,
        question: asked.question,
        state: match row.state.as_str() {
            OPEN => QuestionState::Open,
            ANSWERED => QuestionState::Answered,
            _ => QuestionState::Closed,
        },
        given: answer(&row.given)?,
        counted: answer(&row.counted)?,
    })
}
