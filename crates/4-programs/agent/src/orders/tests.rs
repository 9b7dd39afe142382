use super::*;
use refit_names::{HostName, ProductName, TargetName};
use refit_plan::Leg;
use std::collections::BTreeSet;

fn order(generation: u64, record: &[u8]) -> Order {
    Order {
        key: OrderKey {
            rollout: RolloutName::parse("spring").unwrap(),
            generation: Generation(generation),
        },
        plan: Digest::of(b"plan"),
        host: HostName::parse("web1").unwrap(),
        product: ProductName::parse("ledger").unwrap(),
        legs: vec![Leg {
            from: BuildId::parse("1000").unwrap(),
            way: Default::default(),
            pack: PackPin {
                to: BuildId::parse("1100").unwrap(),
                record: TargetName::parse("packs/ledger-1100.json").unwrap(),
                digest: Digest::of(record),
                size: ByteSize(1),
            },
        }],
        parameters: BTreeMap::new(),
        opening: None,
        times: None,
        parts: BTreeSet::new(),
    }
}

#[test]
fn record_other_than_the_pinned_one_is_neither_kept_nor_read() {
    let state = tempfile::tempdir().unwrap();
    let store = OrderStore::new(state.path());
    let order = order(1, b"the signed text");
    let error = store.save_record(&order, 0, b"another text".to_vec()).unwrap_err();
    assert_eq!(error.code(), "order.record-mismatch");
    assert!(store.record(&order, 0).unwrap().is_none());
    // Damaged on the disk after it was kept.
    let path = store.record_path(&order.key, 0);
    files::write(&path, b"the signed texT").unwrap();
    assert_eq!(store.record(&order, 0).unwrap_err().code(), "order.record-mismatch");
}

#[test]
fn persisted_order_is_active_until_it_is_retired_or_dropped() {
    let state = tempfile::tempdir().unwrap();
    let store = OrderStore::new(state.path());
    let (first, second) = (order(1, b"a"), order(2, b"a"));
    assert_eq!(store.active().unwrap(), None);
    store.persist(&first, &[]).unwrap();
    assert_eq!(store.active().unwrap(), Some(first.clone()));
    store.drop_order(&second.key).unwrap();
    assert_eq!(store.active().unwrap(), Some(first.clone()));
    store.retire(&first.key).unwrap();
    assert_eq!((store.active().unwrap(), store.stored(&first.key).unwrap()), (None, Some(first)));
    store.persist(&second, &[]).unwrap();
    store.drop_order(&second.key).unwrap();
    assert_eq!((store.active().unwrap(), store.stored(&second.key).unwrap()), (None, None));
}

#[test]
fn accepted_generation_survives_a_dropped_order() {
    let state = tempfile::tempdir().unwrap();
    let store = OrderStore::new(state.path());
    let second = order(2, b"a");
    store.accept(&second).unwrap();
    store.drop_order(&second.key).unwrap();
    let seen = store.seen().unwrap();
    assert_eq!(seen[&second.key.rollout], Seen { generation: Generation(2), plan: second.plan });
}

#[test]
fn notes_of_prepare_that_a_power_cut_damaged_say_nothing() {
    let state = tempfile::tempdir().unwrap();
    let store = OrderStore::new(state.path());
    let order = order(1, b"a");
    let note = |stage| StageNote { stage, note: "done".to_owned(), took_ms: 1 };
    let book =
        StageBook { done: vec![note(PrepareStage::ReplicateContent)], ..StageBook::default() };
    store.save_stages(&order.key, &book).unwrap();
    assert_eq!(store.stages(&order.key).unwrap(), book);
    let path = store.folder(&order.key).join("stages.json");
    let text = fs::read(&path).unwrap();
    for damaged in [&[][..], &text[..text.len() / 2], &[0; 64]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(store.stages(&order.key).unwrap(), StageBook::default());
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(store.stages(&order.key).unwrap_err().code(), "agent.file-system");
}
