//! Reads the figures of the GPUs between two scans, with the handles that the last scan left open.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use super::scan;
use crate::lanes::{Lanes, Verdict};

/// The text that stands in a file during each call of a library that may crash the process. After a call, blanks stand in
/// its place.
#[napi(object)]
#[derive(Clone, Default)]
pub struct NvmlMark {
    pub path: String,
    pub text: String,
}

/// Figures have another lane than scans, so that a mark that hangs on the disk does not stop a scan.
static FIGURES: Lanes = Lanes::new(1);

/// The mark that the last scan gave.
static MARK: Mutex<Option<MarkFile>> = Mutex::new(None);

/// The file stays open from the first writing until the next scan, which may remove it.
struct MarkFile {
    file: Option<File>,
    mark: NvmlMark,
}

/// Sets the mark for the calls of `nvmlFigures` after a scan.
pub fn set_mark(mark: Option<NvmlMark>) {
    *MARK.lock().unwrap_or_else(PoisonError::into_inner) = mark.map(|mark| MarkFile { file: None, mark });
}

/// Reads the figures of the GPUs that `gpusNvml` holds: four for each GPU, by index, as in `NvmlGpu`: bytes of memory in
/// use, percent, degrees Celsius and watts, with NaN for a figure that is not known. The result is null when a scan is
/// needed: no GPU is held, a GPU does not answer as in the last scan, or there was no answer within `deadlineMs`. While a
/// call hangs no other one is started, and a scan says where it hangs. Never rejects.
#[napi(catch_unwind, ts_return_type = "Promise<Array<number> | null>")]
pub fn nvml_figures(env: &Env, deadline_ms: u32) -> Result<Object<'_>> {
    let deadline = Duration::from_millis(deadline_ms.into());
    FIGURES.promise(
        env,
        String::new(),
        deadline,
        |_| read_marked(),
        |verdict| {
            Ok(match verdict {
                Verdict::Answered(figures) => figures,
                _ => None,
            })
        },
    )
}

/// Writes the mark before NVML is locked, so that a disk that hangs does not hide the GPUs.
fn read_marked() -> Option<Vec<f64>> {
    let lock = || MARK.lock().unwrap_or_else(PoisonError::into_inner);
    let mut mark = lock().take();
    if let Some(mark) = &mut mark {
        mark.write();
    }
    let figures = scan::held_figures();
    if let Some(mark) = mark {
        mark.blank();
        // A scan may have set a newer mark meanwhile.
        lock().get_or_insert(mark);
    }
    figures
}

// Errors are ignored, because a full or read-only disk must not hide the GPUs. The file is overwritten in place, which costs
// least.
impl MarkFile {
    fn write(&mut self) {
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            options.open(&self.mark.path).ok()
        };
        self.file = self.file.take().or_else(open);
        self.overwrite(self.mark.text.as_bytes());
    }

    fn blank(&self) {
        self.overwrite(&vec![b' '; self.mark.text.len()]);
    }

    fn overwrite(&self, text: &[u8]) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(text, 0);
        }
    }
}
