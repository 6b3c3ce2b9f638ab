//! Runs an alarm at each deadline, on a thread of its own. The thread is started with the first deadline and sleeps between
//! them.
//!
//! The thread must have started before any work begins. While a library hangs during its loading, glibc's loader holds a
//! lock, and no new thread of Rust can start, because each one registers destructors.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// A function that runs once, on the guard's thread.
type Alarm = Box<dyn FnOnce() + Send>;

/// Identifies an alarm by its time and a unique number.
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
    /// The time when the guard's thread wakes by itself. None while it runs, and while it sleeps without an alarm.
    wakes_at: Option<Instant>,
}

pub static GUARD: Guard = Guard::new();

impl Guard {
    const fn new() -> Self {
        let state = State { alarms: BTreeMap::new(), set: 0, started: false, awake: false, wakes_at: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Sets `alarm` to run at `time`, or as soon as possible after it. Fails when the system gives no thread for the guard.
    pub fn set(&'static self, time: Instant, alarm: impl FnOnce() + Send + 'static) -> io::Result<AlarmId> {
        let mut state = self.state();
        if !state.started {
            thread::Builder::new().name("muster-guard".into()).spawn(|| self.run_alarms())?;
            state.started = true;
        }
        state.set += 1;
        let id = (time, state.set);
        state.alarms.insert(id, Box::new(alarm));
        // A guard that wakes by itself before this time, even for an alarm that was cancelled, sees this one then. To wake it
        // costs more CPU than most of the work that it guards.
        if state.wakes_at.is_none_or(|wakes_at| time < wakes_at) {
            self.changed.notify_all();
        }
        Ok(id)
    }

    /// Cancels an alarm, unless it runs already or has run.
    pub fn cancel(&self, id: AlarmId) {
        let alarm = self.state().alarms.remove(&id);
        drop(alarm);
    }

    /// Waits until the guard's thread has started, so that all deadlines will be kept.
    pub fn wait_until_awake(&self) {
        let mut state = self.state();
        while !state.awake {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run_alarms(&self) {
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
                        // A panic is printed on standard error, and must not stop the other alarms.
                        let _ = catch_unwind(AssertUnwindSafe(alarm));
                    }
                    self.state()
                }
                Some((time, _)) => {
                    state.wakes_at = Some(time);
                    let woken = self.changed.wait_timeout(state, time - now);
                    let mut state = woken.unwrap_or_else(PoisonError::into_inner).0;
                    state.wakes_at = None;
                    state
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Locks the state. No code panics while it changes the state, so a poisoned lock can be used.
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
    fn alarms_run_in_the_order_of_their_times_and_cancelled_ones_do_not_run() {
        static GUARD: Guard = Guard::new();
        let (sender, receiver) = mpsc::channel();
        let now = Instant::now();
        let mut ids = Vec::new();
        for ms in [30, 10, 20, 10] {
            let sender = sender.clone();
            let alarm = move || sender.send(ms).expect("the test receives");
            ids.push(GUARD.set(now + Duration::from_millis(ms), alarm).expect("a thread"));
        }
        let far = sender.clone();
        let never =
            GUARD.set(now + Duration::from_secs(3600), move || far.send(0).expect("the test receives"));
        GUARD.cancel(ids[2]);
        GUARD.cancel(never.expect("an alarm"));
        drop(sender);
        GUARD.wait_until_awake();
        // Each sender is dropped with its alarm, so the iteration ends.
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [10, 10, 30]);
    }

    #[test]
    fn an_alarm_runs_whether_the_guard_sleeps_for_a_cancelled_one_or_for_none() {
        static GUARD: Guard = Guard::new();
        let (sender, receiver) = mpsc::channel();
        let set = |ms: u64| {
            let sender = sender.clone();
            GUARD.set(Instant::now() + Duration::from_millis(ms), move || {
                sender.send(ms).expect("the test receives");
            })
        };
        GUARD.cancel(set(20).expect("a thread"));
        set(30).expect("an alarm");
        assert_eq!(receiver.recv(), Ok(30));
        for ms in [2, 40] {
            GUARD.cancel(set(40).expect("an alarm"));
            set(ms).expect("an alarm");
            assert_eq!(receiver.recv(), Ok(ms));
        }
        set(3).expect("an alarm");
        assert_eq!(receiver.recv(), Ok(3));
    }

    #[test]
    fn an_alarm_whose_time_has_passed_runs_and_may_set_another() {
        static GUARD: Guard = Guard::new();
        let (sender, receiver) = mpsc::channel();
        let first = move || {
            GUARD.set(Instant::now(), move || sender.send(()).expect("the test receives")).expect("an alarm");
        };
        GUARD.set(Instant::now(), first).expect("a thread");
        assert_eq!(receiver.recv(), Ok(()));
    }
}
