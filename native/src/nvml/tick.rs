//! What changes on the GPUs between two looks, read by handles that the last look left.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use super::{NvmlMark, collect};
use crate::lanes::{Lanes, Step, Verdict};

/// Not the lane of looks: a tick whose mark hangs on the disk keeps no look from NVML.
static TICKS: Lanes = Lanes::new(1);

/// The call of NVML that a tick is in.
pub static STEP: Step = Step::new();

/// What the last look gave for the ticks that follow it.
static MARK: Mutex<Option<Mark>> = Mutex::new(None);

/// The mark of a library that may end the process, open from its first tick to the next look, which may remove the file.
struct Mark {
    file: Option<File>,
    mark: NvmlMark,
}

/// The mark of the ticks to come.
pub fn leave(mark: Option<NvmlMark>) {
    *MARK.lock().unwrap_or_else(PoisonError::into_inner) = mark.map(|mark| Mark { file: None, mark });
}

/// Reads what changes on the GPUs that `gpusNvml` holds: of each, by index, bytes of memory in use, percent, degrees Celsius and
/// watts, as in `NvmlGpu`; NaN for what it does not say. Null when only a look can tell: nothing is held, a GPU does not answer as
/// it did then, or no answer came within `deadlineMs`. A tick that hangs stays the only one, and a look tells where. Never rejects.
#[napi(catch_unwind, ts_return_type = "Promise<Array<number> | null>")]
pub fn nvml_figures(env: &Env, deadline_ms: u32) -> Result<Object<'_>> {
    let deadline = Duration::from_millis(deadline_ms.into());
    TICKS.promise(
        env,
        String::new(),
        deadline,
        |_| tick(),
        |verdict| {
            Ok(match verdict {
                Verdict::Answered(figures) => figures,
                _ => None,
            })
        },
    )
}

/// The mark is written before NVML is taken, and nobody waits for it meanwhile: a disk that hangs takes no GPUs away.
fn tick() -> Option<Vec<f64>> {
    let taken = || MARK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut mark = taken().take();
    if let Some(mark) = &mut mark {
        mark.write();
    }
    let figures = collect::figures(&STEP);
    if let Some(mark) = mark {
        mark.blank();
        // A look may have left a newer one.
        taken().get_or_insert(mark);
    }
    figures
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
