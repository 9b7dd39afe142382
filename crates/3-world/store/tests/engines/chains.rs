//! Hash chains.

use crate::{Opened, rows::at};
use refit_journal::{Entry, EntryBody};
use refit_names::{Digest, Generation, HostName};
use refit_plan::OrderKey;
use refit_store::{Store, StoreError, journal::JournalHead};
use refit_testkit::lit;

pub(crate) async fn audit_log_shows_a_changed_act(store: &Opened) {
    for n in 0..5 {
        store.audit("lead", "rollout.deploy", &format!("{{\"n\":{n}}}"), at(n)).await.unwrap();
    }
    assert_eq!(store.check_audit().await.unwrap(), 5);
    let acts = store.audit_after(1, 2).await.unwrap();
    assert_eq!(acts.iter().map(|act| act.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(acts[1].prev, acts[0].hash);
    store.tamper("UPDATE audit SET who = 'nobody' WHERE seq = 3").await;
    let found = store.check_audit().await;
    assert!(matches!(found, Err(StoreError::ChainBroken { seq: 3, .. })), "{found:?}");
    store.tamper("UPDATE audit SET who = 'lead' WHERE seq = 3").await;
    store.tamper("DELETE FROM audit WHERE seq = 2").await;
    let found = store.check_audit().await;
    assert!(matches!(found, Err(StoreError::ChainBroken { seq: 2, .. })), "{found:?}");
}

pub(crate) async fn acts_at_the_same_moment_make_one_chain(store: &Store) {
    let mut acting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        acting.spawn(async move { store.audit("lead", "act", "{}", at(1)).await });
    }
    for done in acting.join_all().await {
        done.unwrap();
    }
    assert_eq!(store.check_audit().await.unwrap(), 20);
}

fn chain(length: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for n in 0..length {
        let last = entries.last().map(|entry| (entry.seq, entry.hash));
        let key = OrderKey { rollout: lit("spring"), generation: Generation::FIRST };
        let time = at(i64::try_from(n).unwrap());
        entries.push(Entry::new(last, time, key, EntryBody::Prepared {}).unwrap());
    }
    entries
}

pub(crate) async fn journal_takes_only_what_follows(store: &Store) {
    let (host, entries): (HostName, _) = (lit("a"), chain(4));
    let gap = store.append_journal(&host, &entries[1..]).await;
    assert!(matches!(gap, Err(StoreError::Gap { expected: 1, found: 2, .. })), "{gap:?}");
    store.append_journal(&host, &entries[..1]).await.unwrap();
    let mut changed = entries.clone();
    changed[2].at = at(99);
    let broken = store.append_journal(&host, &changed).await;
    assert!(matches!(broken, Err(StoreError::ChainBroken { seq: 3, .. })), "{broken:?}");
    let head = store.journal_head(&host).await.unwrap();
    assert_eq!(head, JournalHead { seq: 1, hash: entries[0].hash }, "part of a bad batch was kept");
    let mut other_past = chain(2);
    other_past[1].prev = Digest::of(b"another past");
    other_past[1].hash = other_past[1].computed_hash().unwrap();
    let broken = store.append_journal(&host, &other_past).await;
    assert!(matches!(broken, Err(StoreError::ChainBroken { seq: 2, .. })), "{broken:?}");
}

pub(crate) async fn repeated_journal_changes_nothing(store: &Store) {
    let (host, entries): (HostName, _) = (lit("a"), chain(4));
    store.append_journal(&host, &entries[..3]).await.unwrap();
    let head = store.append_journal(&host, &entries).await.unwrap();
    assert_eq!(head.seq, 4);
    assert_eq!(store.append_journal(&host, &entries).await.unwrap(), head);
    assert_eq!(store.journal(&host, 1, 2).await.unwrap(), entries[1..3]);
    assert_eq!(store.journal_place(&host, &entries[2].hash).await.unwrap(), Some(3));
    assert_eq!(store.journal_head(&lit("b")).await.unwrap().seq, 0);
}
