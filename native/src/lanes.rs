//! Runs tasks that may hang, each on a thread of its own, with a deadline and a limited number of threads.
//!
//! A lane has a key and runs one task at a time. A task that is past its deadline keeps its lane until it returns. Meanwhile
//! everybody who asks for the same key is told at once that it hangs, and no thread is started.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Result};

use crate::fault::Fault;
use crate::guard::GUARD;
use crate::workers;

/// The way in which a task ended, or the reason why it was not started.
#[derive(Debug, PartialEq)]
pub enum Verdict<T> {
    Answered(T),
    /// The task is past its deadline. It is in this `step`, if it named one, and has run for `elapsed`.
    Hung {
        step: &'static str,
        elapsed: Duration,
    },
    /// An earlier task of the same lane is still within its deadline.
    Busy,
    /// All lanes are taken by tasks that have not returned.
    Full,
    /// The task panicked.
    Panicked(String),
    /// The system gave no thread.
    NoThread(String),
}

/// The name of what a task is doing, so that a report can say where it hangs.
pub struct Step(Mutex<&'static str>);

impl Step {
    pub const fn new() -> Self {
        Self(Mutex::new(""))
    }

    pub fn set(&self, name: &'static str) {
        *locked(&self.0) = name;
    }

    pub fn get(&self) -> &'static str {
        *locked(&self.0)
    }
}

pub struct Lanes {
    max: usize,
    taken: Mutex<BTreeMap<String, Arc<Running>>>,
}

struct Running {
    started: Instant,
    deadline: Duration,
    step: Step,
}

impl Lanes {
    /// Creates lanes for at most `max` tasks at a time.
    pub const fn new(max: usize) -> Self {
        Self { max, taken: Mutex::new(BTreeMap::new()) }
    }

    /// Starts `task` in the lane `key`. `deliver` gets its verdict once, when the task ends or at the deadline.
    pub fn run<T, Task, Deliver>(&'static self, key: String, deadline: Duration, task: Task, deliver: Deliver)
    where
        Task: FnOnce(&Step) -> T + Send + 'static,
        Deliver: FnOnce(Verdict<T>) + Send + 'static,
    {
        let running = match self.enter(&key, deadline) {
            Ok(running) => running,
            Err(verdict) => return deliver(verdict),
        };
        // The first one takes it: the worker when it has the answer, or the guard at the deadline.
        let deliver = Arc::new(Mutex::new(Some(deliver)));
        let alarm = {
            let (running, deliver) = (running.clone(), deliver.clone());
            GUARD.set(running.started + deadline, move || deliver_once(&deliver, running.hung()))
        };
        let worker = alarm.and_then(|alarm| {
            let (key, deliver) = (key.clone(), deliver.clone());
            let worker = move || {
                GUARD.wait_until_awake();
                let answer = catch_unwind(AssertUnwindSafe(|| task(&running.step)));
                GUARD.cancel(alarm);
                self.leave(&key);
                match answer {
                    Ok(answer) => deliver_once(&deliver, Verdict::Answered(answer)),
                    Err(panic) => deliver_once(&deliver, Verdict::Panicked(panic_text(panic.as_ref()))),
                }
            };
            workers::run(worker).inspect_err(|_| GUARD.cancel(alarm))
        });
        if let Err(error) = worker {
            self.leave(&key);
            deliver_once(&deliver, Verdict::NoThread(error.to_string()));
        }
    }

    /// Starts `task` as `run` does, and returns a promise for JavaScript. `answer` turns the verdict into its value or its
    /// rejection.
    pub fn promise<'env, T, Value, Task, Answer>(
        &'static self,
        env: &'env Env,
        key: String,
        deadline: Duration,
        task: Task,
        answer: Answer,
    ) -> Result<Object<'env>>
    where
        T: Send + 'static,
        Value: ToNapiValue + 'static,
        Task: FnOnce(&Step) -> T + Send + 'static,
        Answer: FnOnce(Verdict<T>) -> std::result::Result<Value, Fault> + Send + 'static,
    {
        let (deferred, promise) = env.create_deferred()?;
        self.run(key, deadline, task, move |verdict| {
            deferred.resolve(move |env| {
                let answer = catch_unwind(AssertUnwindSafe(|| answer(verdict)));
                let answer =
                    answer.unwrap_or_else(|panic| Err(Fault::new("EIO", panic_text(panic.as_ref()))));
                answer.map_err(|fault| fault.rejection(env))
            });
        });
        Ok(promise)
    }

    fn enter<T>(&self, key: &str, deadline: Duration) -> std::result::Result<Arc<Running>, Verdict<T>> {
        let mut taken = locked(&self.taken);
        if let Some(running) = taken.get(key) {
            let in_time = running.started.elapsed() < running.deadline;
            return Err(if in_time { Verdict::Busy } else { running.hung() });
        }
        if taken.len() >= self.max {
            return Err(Verdict::Full);
        }
        let running = Arc::new(Running { started: Instant::now(), deadline, step: Step::new() });
        taken.insert(key.to_owned(), running.clone());
        Ok(running)
    }

    fn leave(&self, key: &str) {
        locked(&self.taken).remove(key);
    }
}

impl Running {
    fn hung<T>(&self) -> Verdict<T> {
        Verdict::Hung { step: self.step.get(), elapsed: self.started.elapsed() }
    }
}

/// Delivers the verdict, unless one was delivered before.
fn deliver_once<T>(deliver: &Mutex<Option<impl FnOnce(Verdict<T>)>>, verdict: Verdict<T>) {
    let deliver = locked(deliver).take();
    if let Some(deliver) = deliver {
        deliver(verdict);
    }
}

/// Locks `mutex`. No code panics while it changes the content, so a poisoned lock can be used.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(600);
    const NOW: Duration = Duration::ZERO;

    /// Starts `task` and returns the receiver of its verdict.
    fn start<T: Send + 'static>(
        lanes: &'static Lanes,
        key: &str,
        deadline: Duration,
        task: impl FnOnce(&Step) -> T + Send + 'static,
    ) -> mpsc::Receiver<Verdict<T>> {
        let (sender, receiver) = mpsc::channel();
        lanes.run(key.to_owned(), deadline, task, move |verdict| {
            sender.send(verdict).expect("the test receives")
        });
        receiver
    }

    /// Returns a task that hangs in the step `waiting` until the sender is dropped.
    fn hanging() -> (mpsc::Sender<()>, impl FnOnce(&Step) -> u32 + Send) {
        let (release, held) = mpsc::channel::<()>();
        let task = move |step: &Step| {
            step.set("waiting");
            held.recv().expect_err("nothing is sent");
            7
        };
        (release, task)
    }

    fn is_hung<T>(verdict: &Verdict<T>) -> bool {
        matches!(verdict, Verdict::Hung { .. })
    }

    #[test]
    fn an_answer_is_delivered_and_frees_the_lane() {
        static LANES: Lanes = Lanes::new(1);
        for round in 0..100 {
            assert_eq!(start(&LANES, "one", LONG, move |_| round).recv(), Ok(Verdict::Answered(round)));
        }
    }

    #[test]
    fn a_task_past_its_deadline_is_hung_for_everybody_until_it_returns() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        assert!(is_hung(&start(&LANES, "one", NOW, task).recv().expect("a verdict at the deadline")));
        let again = start(&LANES, "one", LONG, |_| -> u32 { panic!("this must not start") });
        assert!(is_hung(&again.try_recv().expect("a verdict at once")));
        drop(release);
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            let verdict = start(&LANES, "one", LONG, |_| 8).recv().expect("a verdict");
            if !is_hung(&verdict) {
                assert_eq!(verdict, Verdict::Answered(8));
                return;
            }
        }
        panic!("the lane stayed taken");
    }

    #[test]
    fn a_task_that_hangs_says_in_which_step() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        let receiver = start(&LANES, "one", Duration::from_millis(1), task);
        // The step may not be set yet, so the question is repeated until it is.
        let mut verdict = receiver.recv().expect("a verdict at the deadline");
        while matches!(verdict, Verdict::Hung { step: "", .. }) {
            verdict = start(&LANES, "one", LONG, |_| 0).recv().expect("a verdict at once");
        }
        assert!(matches!(verdict, Verdict::Hung { step: "waiting", .. }), "{verdict:?}");
        drop(release);
    }

    #[test]
    fn a_lane_is_busy_while_its_task_is_within_the_deadline() {
        static LANES: Lanes = Lanes::new(2);
        let (release, task) = hanging();
        let first = start(&LANES, "one", LONG, task);
        assert_eq!(start(&LANES, "one", LONG, |_| 8).try_recv(), Ok(Verdict::Busy));
        assert_eq!(start(&LANES, "two", LONG, |_| 8).recv(), Ok(Verdict::Answered(8)));
        drop(release);
        assert_eq!(first.recv(), Ok(Verdict::Answered(7)));
    }

    #[test]
    fn no_more_tasks_run_than_there_are_lanes() {
        static LANES: Lanes = Lanes::new(2);
        let (one, task_one) = hanging();
        let (two, task_two) = hanging();
        let receiver = (start(&LANES, "one", NOW, task_one), start(&LANES, "two", NOW, task_two));
        assert_eq!(start(&LANES, "three", LONG, |_| 8).try_recv(), Ok(Verdict::Full));
        assert!(
            is_hung(&receiver.0.recv().expect("a verdict"))
                && is_hung(&receiver.1.recv().expect("a verdict"))
        );
        drop((one, two));
    }

    #[test]
    fn a_panic_is_a_verdict_and_frees_the_lane() {
        static LANES: Lanes = Lanes::new(1);
        let receiver = start(&LANES, "one", LONG, |_| -> u32 { panic!("no {}", "luck") });
        assert_eq!(receiver.recv(), Ok(Verdict::Panicked("no luck".to_owned())));
        assert_eq!(start(&LANES, "one", LONG, |_| 8).recv(), Ok(Verdict::Answered(8)));
    }

    #[test]
    fn an_answer_after_the_verdict_is_dropped() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        let receiver = start(&LANES, "one", NOW, task);
        assert!(is_hung(&receiver.recv().expect("a verdict at the deadline")));
        drop(release);
        // The worker drops the sender without another verdict.
        assert_eq!(receiver.recv(), Err(mpsc::RecvError));
    }
}
