//! The one thread that keeps all deadlines, started with the first and asleep between them.
//!
//! It is there before any work begins, because later it may be too late: while a library hangs in its loading, glibc's lock on
//! loading is held, and no thread that registers destructors, as all of Rust's do, gets past its start.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Run on the guard's thread, once, at its time.
type Alarm = Box<dyn FnOnce() + Send>;

/// Names an alarm: its time, and a number that no other has.
pub type AlarmId = (Instant, u64);

pub struct Guard {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    alarms: BTreeMap<AlarmId, Alarm>,
    set: u64,
    started: bool,
    awake: bool,
}

pub static GUARD: Guard = Guard::new();

impl Guard {
    const fn new() -> Self {
        let state = State { alarms: BTreeMap::new(), set: 0, started: false, awake: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Has `alarm` run at `time`, or as soon after as the guard can. Fails when the system gives no thread for the guard.
    pub fn set(&'static self, time: Instant, alarm: impl FnOnce() + Send + 'static) -> io::Result<AlarmId> {
        let mut state = self.state();
        if !state.started {
            thread::Builder::new().name("muster-guard".into()).spawn(|| self.keep())?;
            state.started = true;
        }
        state.set += 1;
        let id = (time, state.set);
        state.alarms.insert(id, Box::new(alarm));
        // Until an earlier one the guard sleeps already.
        if state.alarms.keys().next() == Some(&id) {
            self.changed.notify_all();
        }
        Ok(id)
    }

    /// The alarm will not run, unless it runs already or has.
    pub fn cancel(&self, id: AlarmId) {
        let alarm = self.state().alarms.remove(&id);
        drop(alarm);
    }

    /// Returns once the guard is past its own start, and deadlines are kept whatever happens.
    pub fn wait_until_awake(&self) {
        let mut state = self.state();
        while !state.awake {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn keep(&self) {
        let mut state = self.state();
        state.awake = true;
        self.changed.notify_all();
        loop {
            let now = Instant::now();
            let next = state.alarms.keys().next().copied();
            state = match next {
                Some(id) if id.0 <= now => {
                    let alarm = state.alarms.remove(&id);
                    drop(state);
                    if let Some(alarm) = alarm {
                        // A panic is on standard error by now, and must not take the other deadlines along.
                        let _ = catch_unwind(AssertUnwindSafe(alarm));
                    }
                    self.state()
                }
                Some((time, _)) => {
                    self.changed.wait_timeout(state, time - now).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// The state is never left half changed, so a panic elsewhere does not spoil it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn alarms_run_in_the_order_of_their_times_and_cancelled_ones_do_not() {
        static GUARD: Guard = Guard::new();
        let (say, said) = mpsc::channel();
        let now = Instant::now();
        let mut ids = Vec::new();
        for ms in [30, 10, 20, 10] {
            let say = say.clone();
            let alarm = move || say.send(ms).expect("the test listens");
            ids.push(GUARD.set(now + Duration::from_millis(ms), alarm).expect("a thread"));
        }
        let far = say.clone();
        let never =
            GUARD.set(now + Duration::from_secs(3600), move || far.send(0).expect("the test listens"));
        GUARD.cancel(ids[2]);
        GUARD.cancel(never.expect("an alarm"));
        drop(say);
        GUARD.wait_until_awake();
        // The senders go with their alarms, so this ends.
        assert_eq!(said.iter().collect::<Vec<_>>(), [10, 10, 30]);
    }

    #[test]
    fn an_alarm_whose_time_has_passed_runs_and_may_set_another() {
        static GUARD: Guard = Guard::new();
        let (say, said) = mpsc::channel();
        let first = move || {
            GUARD.set(Instant::now(), move || say.send(()).expect("the test listens")).expect("an alarm");
        };
        GUARD.set(Instant::now(), first).expect("a thread");
        assert_eq!(said.recv(), Ok(()));
    }
}
