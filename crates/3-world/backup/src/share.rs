//! Many files at once: looking at them and linking them is work of the kernel's, which has more than one hand.

use crate::error::BackupError;
use std::{
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Few enough that a thread with large files leaves the small ones to others; the fewest that a second thread is worth.
const BATCH: usize = 16;
/// More would only take the disk from the product and the processors from its database.
const THREADS_MAX: usize = 4;

/// Does `work` for each of `items`; the results are in the order of the items, and so the first error is that of the first item that failed.
///
/// # Errors
/// What `work` says; nothing new is begun then.
pub(crate) fn each<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, BackupError> + Sync,
) -> Result<Vec<R>, BackupError> {
    let batches: Vec<&[T]> = items.chunks(BATCH).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        // Taken in order: when one fails, all before it are done or being done.
        while let Some((at, batch)) = take(&next, &batches) {
            let results: Result<Vec<R>, BackupError> = batch.iter().map(&work).collect();
            if results.is_err() {
                next.store(batches.len(), Ordering::Relaxed);
            }
            done.push((at, results));
        }
        done
    };
    let threads = match batches.len() {
        // Not even asked how many there could be: the answer is read from a dozen files.
        0 | 1 => 1,
        batches => {
            thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).min(batches)
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    let mut all = Vec::with_capacity(items.len());
    for (_, results) in done {
        all.extend(results?);
    }
    Ok(all)
}

fn take<'a, T>(next: &AtomicUsize, batches: &[&'a [T]]) -> Option<(usize, &'a [T])> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    batches.get(at).map(|batch| (at, *batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn results_and_errors_are_those_of_the_first_items() {
        let numbers: Vec<usize> = (0..1_000).collect();
        assert_eq!(each(&numbers, |number| Ok(number * 2)).unwrap()[999], 1_998);
        let odd = |number: &usize| match number {
            // Everything from here on fails, and the first of them is told.
            333.. => Err(BackupError::NotSealed { path: Path::new(&number.to_string()).into() }),
            _ => Ok(()),
        };
        let error = each(&numbers, odd).unwrap_err();
        assert!(
            matches!(&error, BackupError::NotSealed { path } if path.ends_with("333")),
            "{error}"
        );
        assert!(each(&[], odd).unwrap().is_empty());
    }
}
