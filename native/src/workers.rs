//! Runs jobs that may hang on threads. Two threads whose job has returned wait for the next one, because starting a thread
//! costs more than most of the jobs.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A job must not panic.
type Job = Box<dyn FnOnce() + Send>;

/// A resource sample needs two threads at a time: one for the disk and one for the GPUs.
const MAX_IDLE: usize = 2;

/// The threads that wait for a job.
static IDLE: Mutex<Vec<Arc<Seat>>> = Mutex::new(Vec::new());

/// The place where one thread waits. Each thread has its own, so that a thread that is woken needs no lock that another one
/// holds at that moment: with one place for all, they woke each other several times for each job.
#[derive(Default)]
struct Seat {
    job: Mutex<Option<Job>>,
    job_added: Condvar,
}

/// Runs `job` on a thread that waits, or on a new one. Fails when the system gives no thread.
pub fn run(job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let job: Job = Box::new(job);
    let seat = locked(&IDLE).pop();
    if let Some(seat) = seat {
        seat.give(job);
        return Ok(());
    }
    thread::Builder::new().name("muster-worker".into()).spawn(move || run_jobs(job)).map(drop)
}

fn run_jobs(mut job: Job) {
    let seat = Arc::new(Seat::default());
    loop {
        job();
        let mut idle = locked(&IDLE);
        if idle.len() >= MAX_IDLE {
            return;
        }
        idle.push(seat.clone());
        drop(idle);
        job = seat.wait();
    }
}

impl Seat {
    fn give(&self, job: Job) {
        *locked(&self.job) = Some(job);
        self.job_added.notify_one();
    }

    fn wait(&self) -> Job {
        let mut place = locked(&self.job);
        loop {
            match place.take() {
                Some(job) => return job,
                None => place = self.job_added.wait(place).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Locks `mutex`. No code panics while it changes the content, so a poisoned lock can be used.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
