//! Threads for work that may never come back. Two whose work has come back wait for more: to start a thread costs more than most of
//! the work.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// It does not panic.
type Job = Box<dyn FnOnce() + Send>;

/// As many as a resource sample has use for at one time: of the disk, and of GPUs.
const MOST_IDLE: usize = 2;

struct Waiting {
    /// Threads that wait and have been given nothing.
    idle: usize,
    given: Vec<Job>,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { idle: 0, given: Vec::new() });
static GIVEN: Condvar = Condvar::new();

/// Has `job` done by a thread that waits, else by one of its own. Fails when the system gives none.
pub fn run(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let job: Job = Box::new(job);
    let mut waiting = locked();
    if waiting.idle > 0 {
        waiting.idle -= 1;
        waiting.given.push(job);
        GIVEN.notify_one();
        return Ok(());
    }
    drop(waiting);
    thread::Builder::new().name("muster-worker".into()).spawn(move || work(job)).map(drop)
}

fn work(mut job: Job) {
    loop {
        job();
        let mut waiting = locked();
        if waiting.idle >= MOST_IDLE {
            return;
        }
        waiting.idle += 1;
        job = loop {
            match waiting.given.pop() {
                Some(given) => break given,
                None => waiting = GIVEN.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        };
    }
}

fn locked() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::mpsc;
    use std::thread::ThreadId;

    /// Begins a job that ends when the first is dropped, and tells by the second which thread does it.
    fn begin() -> (mpsc::Sender<()>, mpsc::Receiver<ThreadId>) {
        let (release, held) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        run(move || {
            say.send(thread::current().id()).expect("the test listens");
            held.recv().expect_err("nothing is sent");
        })
        .expect("a thread");
        (release, said)
    }

    #[test]
    fn work_that_hangs_keeps_no_other_work_waiting() {
        let all: Vec<_> = (0..8).map(|_| begin()).collect();
        let threads: HashSet<_> = all.iter().map(|(_, said)| said.recv().expect("it runs")).collect();
        assert_eq!(threads.len(), 8);
        drop(all);
        for _ in 0..1000 {
            let (release, said) = begin();
            said.recv().expect("it runs");
            drop(release);
        }
    }
}
