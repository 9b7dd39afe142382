//! What a host limits itself: rate, quota, stopping, and going on with another server.

use crate::{
    lies::{Deed, Liar, PATIENCE, job, partial},
    shelf::{Place, Shelf},
};
use refit_content::{ContentError, FetchOptions, FetchReport, Origin, Pace, assemble, fetch_with};
use refit_names::ByteSize;
use std::{
    io::Write,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

const HONEST: Deed = |start, end, all, line| {
    partial(line, (start, end, all.len()), end - start)?;
    line.write_all(&all[start..end])
};

async fn fetch(
    shelf: &Shelf,
    place: &Place,
    server: &Liar,
    options: FetchOptions<'_>,
) -> Result<FetchReport, ContentError> {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let origin = Origin { http, url: server.url.clone() };
    let options = FetchOptions { patience: PATIENCE, ..options };
    fetch_with(&origin, &job(shelf, place), &options).await
}

#[tokio::test]
async fn quota_refuses_before_a_byte_comes() {
    let (shelf, place) = (Shelf::new(), Place::new());
    let server = Liar::start(&shelf.bytes, HONEST);
    let quota =
        |bytes| FetchOptions { bytes_max: Some(ByteSize(bytes)), ..FetchOptions::default() };
    let size = shelf.bundle.size.0;
    let error = fetch(&shelf, &place, &server, quota(size - 1)).await.unwrap_err();
    let ContentError::OverQuota { needed, limit } = error else { panic!("{error}") };
    assert_eq!((needed.0, limit.0), (size, size - 1));
    assert!(server.asked().is_empty(), "{:?}", server.asked());
    let _ = fetch(&shelf, &place, &server, quota(size)).await.unwrap();
}

#[tokio::test]
async fn two_fetches_keep_one_rate_together() {
    let shelf = Shelf::new();
    let server = Liar::start(&shelf.bytes, HONEST);
    let (one, other) = (Place::new(), Place::new());
    let per_second = shelf.bundle.size.0 * 4;
    let pace = Pace::new(per_second);
    let options = FetchOptions { pace: Some(&pace), ..FetchOptions::default() };
    let began = Instant::now();
    let (one, other) = tokio::join!(
        fetch(&shelf, &one, &server, options),
        fetch(&shelf, &other, &server, options)
    );
    let all = one.unwrap().fetched.fetched.0 + other.unwrap().fetched.fetched.0;
    assert_eq!(all, 2 * shelf.bundle.size.0);
    // Slower is always possible; faster would be over the rate. A burst is a tenth of a second.
    let least =
        Duration::from_secs_f64(all as f64 / per_second as f64) - Duration::from_millis(100);
    assert!(began.elapsed() >= least, "{:?} for {all} bytes at {per_second}/s", began.elapsed());
}

#[tokio::test]
async fn another_server_is_asked_for_the_very_next_byte() {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    const FIRST: usize = 1_000_003;
    let (shelf, place) = (Shelf::new(), Place::new());
    let first = Liar::start(&shelf.bytes, |start, end, all, line| {
        let cut = end.min(start + FIRST.saturating_sub(SENT.load(SeqCst)));
        if cut > start {
            partial(line, (start, end, all.len()), end - start)?;
            line.write_all(&all[start..cut])?;
            SENT.fetch_add(cut - start, SeqCst);
        }
        Ok(())
    });
    let error = fetch(&shelf, &place, &first, FetchOptions::default()).await.unwrap_err();
    assert!(
        matches!(error, ContentError::Unreachable { .. } | ContentError::CutShort { .. }),
        "{error}"
    );
    assert_eq!(SENT.load(SeqCst), FIRST);
    let second = Liar::start(&shelf.bytes, HONEST);
    let report = fetch(&shelf, &place, &second, FetchOptions::default()).await.unwrap();
    assert_eq!(second.asked().first().map(|range| range.0), Some(FIRST));
    let asked: usize = second.asked().iter().map(|(start, end)| end - start).sum();
    assert_eq!(asked + FIRST, shelf.bytes.len(), "something travelled twice");
    assert!(report.fetched.fetched.0 <= shelf.bundle.size.0);
    assemble(&job(&shelf, &place)).unwrap();
}

#[tokio::test]
async fn fetch_that_is_stopped_ends_at_once_and_goes_on_later() {
    let (shelf, place) = (Shelf::new(), Place::new());
    let silent = Liar::start(&shelf.bytes, |start, end, all, line| {
        partial(line, (start, end, all.len()), end - start)?;
        line.write_all(&all[start..end.min(start + 700_000)])?;
        std::thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let mut options = FetchOptions::default();
    options.patience.silence = Duration::from_secs(20);
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let origin = Origin { http, url: silent.url.clone() };
    let job_ = job(&shelf, &place);
    let stopped =
        tokio::time::timeout(Duration::from_millis(500), fetch_with(&origin, &job_, &options));
    assert!(stopped.await.is_err(), "it was not in the middle");
    let server = Liar::start(&shelf.bytes, HONEST);
    let report = fetch(&shelf, &place, &server, FetchOptions::default()).await.unwrap();
    let again = report.fetched.fetched.0;
    assert!(again + 600_000 < shelf.bundle.size.0, "{again} came again");
    assemble(&job(&shelf, &place)).unwrap();
}
