//! Runs jobs that may hang on threads. Two threads whose job has returned wait for the next one, because starting a thread
//! costs more than most of the jobs.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A job must not panic.
type Job = Box<dyn FnOnce() + Send>;

/// A resource sample needs two threads at a time: one for the disk and one for the GPUs.
const MAX_IDLE: usize = 2;

struct Waiting {
    /// Number of threads that wait for a job.
    idle: usize,
    jobs: Vec<Job>,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { idle: 0, jobs: Vec::new() });
static JOB_ADDED: Condvar = Condvar::new();

/// Runs `job` on a thread that waits, or on a new one. Fails when the system gives no thread.
pub fn run(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let job: Job = Box::new(job);
    let mut waiting = locked();
    if waiting.idle > 0 {
        waiting.idle -= 1;
        waiting.jobs.push(job);
        JOB_ADDED.notify_one();
        return Ok(());
    }
    drop(waiting);
    thread::Builder::new().name("muster-worker".into()).spawn(move || run_jobs(job)).map(drop)
}

fn run_jobs(mut job: Job) {
    loop {
        job();
        let mut waiting = locked();
        if waiting.idle >= MAX_IDLE {
            return;
        }
        waiting.idle += 1;
        job = loop {
            match waiting.jobs.pop() {
                Some(next) => break next,
                None => waiting = JOB_ADDED.wait(waiting).unwrap_or_else(PoisonError::into_inner),
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

    /// Starts a job that ends when the sender is dropped. The receiver gets the id of its thread.
    fn start() -> (mpsc::Sender<()>, mpsc::Receiver<ThreadId>) {
        let (release, held) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        run(move || {
            sender.send(thread::current().id()).expect("the test receives");
            held.recv().expect_err("nothing is sent");
        })
        .expect("a thread");
        (release, receiver)
    }

    #[test]
    fn jobs_that_hang_do_not_delay_other_jobs() {
        let all: Vec<_> = (0..8).map(|_| start()).collect();
        let threads: HashSet<_> = all.iter().map(|(_, receiver)| receiver.recv().expect("it runs")).collect();
        assert_eq!(threads.len(), 8);
        drop(all);
        for _ in 0..1000 {
            let (release, receiver) = start();
            receiver.recv().expect("it runs");
            drop(release);
        }
    }
}
