//! What changes on the GPUs between two looks, read by one thread that waits between ticks: to start one for each would cost more
//! than the calls. Nobody waits for it: whoever wants its answer asks whether it is there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use napi_derive::napi;

use super::{NvmlMark, collect};
use crate::lanes::Step;

/// The call that a tick is in.
pub static STEP: Step = Step::new();

static TICKER: Mutex<Ticker> = Mutex::new(Ticker { started: false, out: false, figures: None, mark: None });
static BEGUN: Condvar = Condvar::new();

struct Ticker {
    /// There is a thread.
    started: bool,
    /// It is at work.
    out: bool,
    /// What the last tick found.
    figures: Option<Vec<f64>>,
    mark: Option<Mark>,
}

/// The mark of a library that may end the process, open from its first tick to the next look, which may remove the file.
struct Mark {
    file: Option<File>,
    mark: NvmlMark,
}

/// What came of the newest tick.
#[napi(object, object_from_js = false)]
pub struct NvmlTick {
    /// It has not ended.
    pub busy: bool,
    /// Of each GPU, by index: bytes of memory in use, percent, degrees Celsius and watts, as in `NvmlGpu`; NaN for what it does not
    /// say. Absent when only a look can tell: nothing is held, or a GPU does not answer as it did then.
    pub figures: Option<Vec<f64>>,
}

/// The mark of the ticks to come.
pub fn leave(mark: Option<NvmlMark>) {
    locked().mark = mark.map(|mark| Mark { file: None, mark });
}

/// Has the GPUs read that `gpusNvml` holds. False when the tick before has not ended, or the system gives no thread: then nothing
/// was begun. A tick that hangs stays the only one, and the next `gpusNvml` tells where.
#[napi(catch_unwind)]
pub fn begin_nvml_tick() -> bool {
    let mut ticker = locked();
    if ticker.out {
        return false;
    }
    if !ticker.started {
        ticker.started = thread::Builder::new().name("muster-ticker".into()).spawn(keep).is_ok();
    }
    ticker.out = ticker.started;
    BEGUN.notify_one();
    ticker.started
}

/// What came of the newest tick, at once.
#[napi(catch_unwind)]
pub fn nvml_tick() -> NvmlTick {
    let mut ticker = locked();
    NvmlTick { busy: ticker.out, figures: if ticker.out { None } else { ticker.figures.take() } }
}

fn keep() {
    let mut ticker = locked();
    loop {
        while !ticker.out {
            ticker = BEGUN.wait(ticker).unwrap_or_else(PoisonError::into_inner);
        }
        // Not held while the disk is waited for: a look may come, with a mark of its own.
        let mut mark = ticker.mark.take();
        drop(ticker);
        let figures = tick(mark.as_mut());
        ticker = locked();
        ticker.mark = ticker.mark.take().or(mark);
        ticker.figures = figures;
        ticker.out = false;
    }
}

/// The mark is written before NVML is taken, so that a disk that hangs keeps no look from it.
fn tick(mut mark: Option<&mut Mark>) -> Option<Vec<f64>> {
    if let Some(mark) = &mut mark {
        mark.write();
    }
    let figures = catch_unwind(AssertUnwindSafe(|| collect::figures(&STEP)));
    if let Some(mark) = mark {
        mark.blank();
    }
    figures.ok().flatten()
}

// A disk that is full or read-only takes no GPUs away. A file is written over in its place, which costs least.
impl Mark {
    fn write(&mut self) {
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            options.open(&self.mark.path).ok()
        };
        self.file = self.file.take().or_else(open);
        self.write_over(self.mark.text.as_bytes());
    }

    fn blank(&self) {
        self.write_over(&vec![b' '; self.mark.text.len()]);
    }

    fn write_over(&self, text: &[u8]) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(text, 0);
        }
    }
}

fn locked() -> MutexGuard<'static, Ticker> {
    TICKER.lock().unwrap_or_else(PoisonError::into_inner)
}
