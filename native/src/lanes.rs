//! Work that may never come back, each on a thread of its own, with a deadline and without threads piling up.
//!
//! A lane is named by its key and holds one piece of work at a time. Work that outlives its deadline keeps its lane: whoever
//! asks for it then is told at once that it hangs, and no thread is started, until it comes back.

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

/// How a piece of work ended, or why it was not begun.
#[derive(Debug, PartialEq)]
pub enum Verdict<T> {
    Answered(T),
    /// It is past its deadline, in this `step` if it named any, and has run for `elapsed`.
    Hung {
        step: &'static str,
        elapsed: Duration,
    },
    /// The same work, asked for earlier, is still within its deadline.
    Busy,
    /// All lanes are taken by work that has not come back.
    Full,
    /// It panicked.
    Panicked(String),
    /// The system gives no thread.
    NoThread(String),
}

/// Names what a piece of work is doing, for the day it hangs there.
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
    most: usize,
    taken: Mutex<BTreeMap<String, Arc<Work>>>,
}

struct Work {
    started: Instant,
    deadline: Duration,
    step: Step,
}

impl Lanes {
    /// At most `most` pieces of work at a time.
    pub const fn new(most: usize) -> Self {
        Self { most, taken: Mutex::new(BTreeMap::new()) }
    }

    /// Begins `task` in the lane `key` and hands its verdict to `deliver`, once: when the task ends, or at the deadline.
    pub fn run<T, Task, Deliver>(&'static self, key: String, deadline: Duration, task: Task, deliver: Deliver)
    where
        Task: FnOnce(&Step) -> T + Send + 'static,
        Deliver: FnOnce(Verdict<T>) + Send + 'static,
    {
        let work = match self.enter(&key, deadline) {
            Ok(work) => work,
            Err(verdict) => return deliver(verdict),
        };
        // Taken by whoever delivers: the worker with the answer, or the guard at the deadline.
        let deliver = Arc::new(Mutex::new(Some(deliver)));
        let alarm = {
            let (work, deliver) = (work.clone(), deliver.clone());
            GUARD.set(work.started + deadline, move || say(&deliver, work.hung()))
        };
        let worker = alarm.and_then(|alarm| {
            let (key, deliver) = (key.clone(), deliver.clone());
            let worker = move || {
                GUARD.wait_until_awake();
                let answer = catch_unwind(AssertUnwindSafe(|| task(&work.step)));
                GUARD.cancel(alarm);
                self.leave(&key);
                match answer {
                    Ok(answer) => say(&deliver, Verdict::Answered(answer)),
                    Err(panic) => say(&deliver, Verdict::Panicked(panic_text(panic.as_ref()))),
                }
            };
            workers::run(worker).inspect_err(|_| GUARD.cancel(alarm))
        });
        if let Err(error) = worker {
            self.leave(&key);
            say(&deliver, Verdict::NoThread(error.to_string()));
        }
    }

    /// The same as a promise for JavaScript; `answer` turns the verdict into its value or its rejection.
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

    fn enter<T>(&self, key: &str, deadline: Duration) -> std::result::Result<Arc<Work>, Verdict<T>> {
        let mut taken = locked(&self.taken);
        if let Some(work) = taken.get(key) {
            return Err(if work.started.elapsed() < work.deadline { Verdict::Busy } else { work.hung() });
        }
        if taken.len() >= self.most {
            return Err(Verdict::Full);
        }
        let work = Arc::new(Work { started: Instant::now(), deadline, step: Step::new() });
        taken.insert(key.to_owned(), work.clone());
        Ok(work)
    }

    fn leave(&self, key: &str) {
        locked(&self.taken).remove(key);
    }
}

impl Work {
    fn hung<T>(&self) -> Verdict<T> {
        Verdict::Hung { step: self.step.get(), elapsed: self.started.elapsed() }
    }
}

/// Delivers, unless that was done.
fn say<T>(deliver: &Mutex<Option<impl FnOnce(Verdict<T>)>>, verdict: Verdict<T>) {
    let deliver = locked(deliver).take();
    if let Some(deliver) = deliver {
        deliver(verdict);
    }
}

/// What is locked here is never left half done, so a panic elsewhere does not spoil it.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(600);
    const NOW: Duration = Duration::ZERO;

    /// Begins `task` and gives the way its verdict comes.
    fn begin<T: Send + 'static>(
        lanes: &'static Lanes,
        key: &str,
        deadline: Duration,
        task: impl FnOnce(&Step) -> T + Send + 'static,
    ) -> mpsc::Receiver<Verdict<T>> {
        let (say, said) = mpsc::channel();
        lanes
            .run(key.to_owned(), deadline, task, move |verdict| say.send(verdict).expect("the test listens"));
        said
    }

    /// Work that stops in the step `waiting` until the sender is dropped.
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
    fn an_answer_comes_and_leaves_the_lane_free_for_the_next_question() {
        static LANES: Lanes = Lanes::new(1);
        for round in 0..100 {
            assert_eq!(begin(&LANES, "one", LONG, move |_| round).recv(), Ok(Verdict::Answered(round)));
        }
    }

    #[test]
    fn work_past_its_deadline_is_hung_at_once_for_all_who_ask_again_until_it_comes_back() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        assert!(is_hung(&begin(&LANES, "one", NOW, task).recv().expect("a verdict at the deadline")));
        let again = begin(&LANES, "one", LONG, |_| -> u32 { panic!("this must not be begun") });
        assert!(is_hung(&again.try_recv().expect("a verdict at once")));
        drop(release);
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            let verdict = begin(&LANES, "one", LONG, |_| 8).recv().expect("a verdict");
            if !is_hung(&verdict) {
                assert_eq!(verdict, Verdict::Answered(8));
                return;
            }
        }
        panic!("the lane stayed taken");
    }

    #[test]
    fn what_hangs_says_where() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        let said = begin(&LANES, "one", Duration::from_millis(1), task);
        // The step is set by then, or by the time of some later question.
        let mut verdict = said.recv().expect("a verdict at the deadline");
        while matches!(verdict, Verdict::Hung { step: "", .. }) {
            verdict = begin(&LANES, "one", LONG, |_| 0).recv().expect("a verdict at once");
        }
        assert!(matches!(verdict, Verdict::Hung { step: "waiting", .. }), "{verdict:?}");
        drop(release);
    }

    #[test]
    fn within_the_deadline_a_second_question_is_told_that_the_first_is_out() {
        static LANES: Lanes = Lanes::new(2);
        let (release, task) = hanging();
        let first = begin(&LANES, "one", LONG, task);
        assert_eq!(begin(&LANES, "one", LONG, |_| 8).try_recv(), Ok(Verdict::Busy));
        assert_eq!(begin(&LANES, "two", LONG, |_| 8).recv(), Ok(Verdict::Answered(8)));
        drop(release);
        assert_eq!(first.recv(), Ok(Verdict::Answered(7)));
    }

    #[test]
    fn no_more_lanes_are_taken_than_there_are() {
        static LANES: Lanes = Lanes::new(2);
        let (one, task_one) = hanging();
        let (two, task_two) = hanging();
        let said = (begin(&LANES, "one", NOW, task_one), begin(&LANES, "two", NOW, task_two));
        assert_eq!(begin(&LANES, "three", LONG, |_| 8).try_recv(), Ok(Verdict::Full));
        assert!(is_hung(&said.0.recv().expect("a verdict")) && is_hung(&said.1.recv().expect("a verdict")));
        drop((one, two));
    }

    #[test]
    fn a_panic_is_a_verdict_and_leaves_the_lane_free() {
        static LANES: Lanes = Lanes::new(1);
        let said = begin(&LANES, "one", LONG, |_| -> u32 { panic!("no {}", "luck") });
        assert_eq!(said.recv(), Ok(Verdict::Panicked("no luck".to_owned())));
        assert_eq!(begin(&LANES, "one", LONG, |_| 8).recv(), Ok(Verdict::Answered(8)));
    }

    #[test]
    fn an_answer_that_comes_after_the_verdict_is_dropped() {
        static LANES: Lanes = Lanes::new(1);
        let (release, task) = hanging();
        let said = begin(&LANES, "one", NOW, task);
        assert!(is_hung(&said.recv().expect("a verdict at the deadline")));
        drop(release);
        // The sender goes with the worker, which has nothing to say.
        assert_eq!(said.recv(), Err(mpsc::RecvError));
    }
}
