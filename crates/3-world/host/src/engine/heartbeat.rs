//! Says every second where a run stands, also while one step takes long.

use refit_ambient::Clock;
use refit_backup::Meter;
use refit_protocol::agent::Progress;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Half of what people are promised.
const BEAT: Duration = Duration::from_secs(1);

/// What beats: where the run stands, and since when.
pub(super) struct Heartbeat<'a> {
    clock: &'a dyn Clock,
    tell: &'a (dyn Fn(Progress) + Send + Sync),
    now: Mutex<State>,
    wake: Condvar,
    /// Counted by the step itself.
    meter: Meter,
}

#[derive(Default)]
struct State {
    progress: Option<Progress>,
    begun: Option<jiff::Timestamp>,
    /// Since when the step runs, what it was expected to take, and all after it.
    step: Option<(Instant, u64, u64)>,
    over: bool,
}

/// Ends the beating also when the run ends by a panic: the scope would wait for ever.
struct Over<'a, 'b>(&'b Heartbeat<'a>);

impl Drop for Over<'_, '_> {
    fn drop(&mut self) {
        self.0.state().over = true;
        self.0.wake.notify_all();
    }
}

impl<'a> Heartbeat<'a> {
    pub(super) fn new(
        clock: &'a dyn Clock,
        tell: &'a (dyn Fn(Progress) + Send + Sync),
        meter: Meter,
    ) -> Self {
        Self { clock, tell, now: Mutex::default(), wake: Condvar::new(), meter }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells `progress` now, and again every second until another is told.
    /// `expected`: of this step and of all after it, in milliseconds; none where nobody knows.
    pub(super) fn show(
        &self,
        progress: Progress,
        begun: jiff::Timestamp,
        expected: Option<(u64, u64)>,
    ) {
        self.meter.begin();
        let mut state = self.state();
        state.progress = Some(progress);
        state.begun = Some(begun);
        state.step = expected.map(|(this, later)| (Instant::now(), this, later));
        let progress = self.aged(&state);
        drop(state);
        if let Some(progress) = progress {
            (self.tell)(progress);
        }
    }

    /// Changes what is told, and tells it now.
    pub(super) fn alter(&self, change: impl FnOnce(&mut Progress)) {
        let mut state = self.state();
        if let Some(progress) = &mut state.progress {
            change(progress);
        }
        let progress = self.aged(&state);
        drop(state);
        if let Some(progress) = progress {
            (self.tell)(progress);
        }
    }

    fn aged(&self, state: &State) -> Option<Progress> {
        let mut progress = state.progress.clone()?;
        (progress.bytes_done, progress.bytes_total) = self.meter.read();
        let age = self.clock.now().duration_since(state.begun?).as_millis();
        progress.elapsed_ms = u64::try_from(age).unwrap_or(0);
        progress.expected_left_ms = state.step.map(|(since, this, later)| {
            let spent = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            this.saturating_sub(spent).saturating_add(later)
        });
        Some(progress)
    }

    /// Runs `work` while beating.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.beat());
            let _over = Over(self);
            work()
        })
    }

    fn beat(&self) {
        let mut state = self.state();
        while !state.over {
            let (woken, waited) =
                self.wake.wait_timeout(state, BEAT).unwrap_or_else(PoisonError::into_inner);
            let progress = (waited.timed_out() && !woken.over).then(|| self.aged(&woken)).flatten();
            drop(woken);
            if let Some(progress) = progress {
                (self.tell)(progress);
            }
            state = self.state();
        }
    }
}
