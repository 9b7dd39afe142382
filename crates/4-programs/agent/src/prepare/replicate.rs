//! Sub-stage 1: records and every chunk that this host lacks.

use super::{Preparation, StageError, blocking};
use crate::{admission::admit_record, board::Board, content};
use refit_content::{FetchOptions, Fetched, Origin, Pace, Realise, assemble, fetch_with};
use refit_journal::Cause;
use refit_names::{BuildId, ByteSize};
use refit_packs::record::{PackRecord, TreeEntry};
use refit_plan::Order;
use refit_protocol::agent::{Standing, TransferPace};
use refit_repository::{Repository, Source, TrustStore, refresh};
use refit_rollout::PrepareStage;
use std::path::PathBuf;

impl Preparation<'_> {
    pub(super) async fn replicate_content(&mut self) -> Result<String, StageError> {
        let repository = self.repository().await?;
        let mut records = Vec::new();
        for leg in 0..self.order.legs.len() {
            records.push(self.fetch_record(&repository, leg).await?);
        }
        self.book.bytes_full = ByteSize(records.iter().map(|record| record.bundle.size.0).sum());
        let mut seeds = self.running_releases();
        let mut fetched = ByteSize(0);
        for (leg, record) in records.iter().enumerate() {
            // The builds whose trees are among the seeds, the nearest first.
            let from: Vec<BuildId> =
                self.order.legs[..=leg].iter().rev().map(|leg| leg.from.clone()).collect();
            fetched.0 += self.fetch_leg(&repository, record, &seeds, &from).await?.0;
            // The next leg finds in this tree what it has in common with this one.
            if leg + 1 < records.len() {
                seeds.insert(0, self.build_seed(leg, record, &seeds).await?);
            }
        }
        let mut note = format!(
            "{fetched} fetched, {} in all over all tries, of {} in {} packs; {} files made from deltas",
            self.book.bytes_fetched,
            self.book.bytes_full,
            records.len(),
            self.made
        );
        for why in &self.fell_back {
            note.push_str("; ");
            note.push_str(why);
        }
        Ok(note)
    }

    /// Metadata, verified under the root that was pinned at enrolment.
    pub(super) async fn repository(&self) -> Result<Repository, StageError> {
        let trust = TrustStore::open(&self.agent.state.join("tuf"))?;
        let from = &self.agent.repository;
        let source = Source {
            metadata: from.metadata.clone(),
            targets: from.targets.clone(),
            http: from.http.clone(),
        };
        Ok(refresh(&trust, &source, self.agent.ambient.clock.now()).await?)
    }

    async fn fetch_record(
        &self,
        repository: &Repository,
        leg: usize,
    ) -> Result<PackRecord, StageError> {
        let record = match self.agent.orders.record(self.order, leg)? {
            Some(record) => record,
            None => {
                let pin = &self.order.legs[leg].pack;
                let text = repository.record_text(&pin.record, &pin.digest).await?;
                self.agent.orders.save_record(self.order, leg, text)?
            }
        };
        admit_record(self.order, leg, &record)?;
        Ok(record)
    }

    async fn fetch_leg(
        &mut self,
        repository: &Repository,
        record: &PackRecord,
        seeds: &[PathBuf],
        from: &[BuildId],
    ) -> Result<ByteSize, StageError> {
        let http = self.agent.repository.http.clone();
        let origin = Origin { http, url: repository.locate(&record.bundle.target).await? };
        let mut fetched = ByteSize(0);
        for entries in [&record.entries_for(&self.order.parts), &record.web] {
            fetched.0 += self.fetch_tree(&origin, record, entries, (seeds, from)).await?.0;
        }
        Ok(fetched)
    }

    async fn fetch_tree(
        &mut self,
        origin: &Origin,
        record: &PackRecord,
        entries: &[TreeEntry],
        (seeds, from): (&[PathBuf], &[BuildId]),
    ) -> Result<ByteSize, StageError> {
        let (cache, into) = (self.agent.chunks(), self.agent.seed_trees());
        let (board, order) = (&self.agent.board, self.order);
        let (clock, began) = (&self.agent.ambient.clock, self.agent.ambient.clock.now());
        let last = std::sync::Mutex::new(Fetched::default());
        let progress = |now: Fetched| {
            let Ok(mut last) = last.lock() else { return };
            if part(*last) != part(now) {
                let took = clock.now().duration_since(began);
                tell(board, order, now, u64::try_from(took.as_millis()).unwrap_or(0));
            }
            *last = now;
        };
        let realise = Realise {
            entries,
            bundle: &record.bundle,
            seeds,
            into: &into,
            cache: &cache,
            progress: &progress,
        };
        let delivery = &self.agent.config.delivery;
        let pace = delivery.rate.map(|rate| Pace::new(rate.0));
        let bytes_max = delivery.quota.map(|quota| self.room_within(quota)).transpose()?;
        let options =
            FetchOptions { from, pace: pace.as_ref(), bytes_max, ..FetchOptions::default() };
        let result = fetch_with(origin, &realise, &options).await;
        let fetched = last.lock().map(|last| last.fetched).unwrap_or_default();
        // What came before a failure came all the same.
        if fetched.0 > 0 {
            self.book.bytes_fetched.0 += fetched.0;
            self.save()?;
        }
        let report = result?;
        self.made += report.made;
        self.fell_back.extend(report.fell_back);
        Ok(fetched)
    }

    /// What may still come under the quota, after that has gone which this order does not need.
    fn room_within(&self, quota: ByteSize) -> Result<ByteSize, StageError> {
        let failed = |error| StageError::Again(Cause::of(&error));
        let used = |holdings: &[content::Holding]| -> u64 {
            holdings.iter().map(|holding| holding.size.0).sum()
        };
        let mut held = content::holdings(&self.agent.state, &[]).map_err(failed)?;
        if used(&held) > quota.0 {
            content::clean(&held).map_err(failed)?;
            held = content::holdings(&self.agent.state, &[]).map_err(failed)?;
        }
        Ok(ByteSize(quota.0.saturating_sub(used(&held))))
    }

    /// The installed release and the other releases that an earlier order left.
    fn running_releases(&self) -> Vec<PathBuf> {
        let Some(product) = self.agent.config.product(&self.order.product) else {
            return Vec::new();
        };
        let current = std::fs::canonicalize(product.root.join("current"));
        current.into_iter().collect()
    }

    async fn build_seed(
        &self,
        leg: usize,
        record: &PackRecord,
        seeds: &[PathBuf],
    ) -> Result<PathBuf, StageError> {
        let (cache, into) = (self.agent.chunks(), self.seed_tree(leg));
        let entries = record.entries_for(&self.order.parts);
        let (record, seeds, place) = (record.clone(), seeds.to_vec(), into.clone());
        let built = blocking(move || {
            assemble(&Realise {
                entries: &entries,
                bundle: &record.bundle,
                seeds: &seeds,
                into: &place,
                cache: &cache,
                progress: &|_| (),
            })
        });
        built.await??;
        Ok(into)
    }
}

/// Which twentieth is done: each is worth a word, each chunk is not.
fn part(now: Fetched) -> (ByteSize, u64) {
    (now.to_fetch, now.fetched.0.saturating_mul(20) / now.to_fetch.0.max(1))
}

fn tell(board: &Board, order: &Order, now: Fetched, took_ms: u64) {
    let stage = PrepareStage::ReplicateContent;
    let (done, total) = (now.fetched, now.to_fetch);
    let standing = Standing::Preparing { stage, done, total, pace: pace_of(now, took_ms) };
    board.say(order, standing);
}

/// How fast it goes, from its beginning; none before anything came.
fn pace_of(now: Fetched, took_ms: u64) -> Option<TransferPace> {
    let per_second = now.fetched.0.saturating_mul(1000).checked_div(took_ms)?;
    let left = now.to_fetch.0.saturating_sub(now.fetched.0);
    let left_ms = left.saturating_mul(1000).checked_div(per_second)?;
    Some(TransferPace { per_second: ByteSize(per_second), left_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_told_once_something_came() {
        let now = |fetched| Fetched {
            fetched: ByteSize(fetched),
            to_fetch: ByteSize(3_000),
            ..Fetched::default()
        };
        assert_eq!(pace_of(now(0), 500), None);
        assert_eq!(pace_of(now(1_000), 0), None);
        let pace = pace_of(now(1_000), 500).unwrap();
        assert_eq!((pace.per_second, pace.left_ms), (ByteSize(2_000), 1_000));
    }
}
