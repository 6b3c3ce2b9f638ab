//! Asks NVML, the library of NVIDIA's driver, for the GPUs. It is opened at run time, and most machines do not have it.
//!
//! Each scan initialises NVML again and reads everything, on a thread of its own. So a driver that was replaced and a GPU
//! that was added are noticed. Then NVML is shut down, or stays initialised so that its figures can be read between two
//! scans. Every answer of NVML is optional.

pub mod figures;
mod library;
mod linker;
mod properties;
pub mod report;
mod scan;

use std::time::{Duration, Instant};

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use crate::lanes::{Lanes, Verdict};
use figures::NvmlMark;
use report::NvmlReport;

/// A process has one NVML, whichever file it is loaded from, so there is one lane.
static NVML: Lanes = Lanes::new(1);

#[napi(object)]
#[derive(Default)]
pub struct NvmlOptions {
    /// The library: a path, or a name that the dynamic linker finds; `libnvidia-ml.so.1` by default.
    pub library: Option<String>,
    /// Time for the whole scan, in milliseconds; 10000 by default. Without persistence mode a driver needs a second or more
    /// to wake each GPU.
    pub deadline_ms: Option<u32>,
    /// Keeps NVML initialised for `nvmlFigures` until the next scan, unless a GPU has a fatal error. Each call of
    /// `nvmlFigures` writes this mark.
    pub hold: Option<NvmlMark>,
}

/// Asks NVML for everything, which is a scan. Never rejects for a failure of NVML, the driver or a GPU: `state` and
/// `errors` report it.
#[napi(catch_unwind, ts_return_type = "Promise<NvmlReport>")]
pub fn gpus_nvml(env: &Env, options: Option<NvmlOptions>) -> Result<Object<'_>> {
    let NvmlOptions { library, deadline_ms, hold } = options.unwrap_or_default();
    let library = library.unwrap_or_else(|| "libnvidia-ml.so.1".to_owned());
    let deadline = Duration::from_millis(deadline_ms.unwrap_or(10_000).into());
    let started = Instant::now();
    NVML.promise(
        env,
        "nvml".to_owned(),
        deadline,
        move |step| {
            let held = hold.is_some();
            figures::set_mark(hold);
            scan::scan(&library, held, step)
        },
        move |verdict| Ok(report_of(verdict, started.elapsed())),
    )
}

fn report_of(verdict: Verdict<NvmlReport>, took: Duration) -> NvmlReport {
    let without_answer =
        |state, reason: String| NvmlReport { state, reason: Some(reason), ..NvmlReport::default() };
    let mut took = took;
    let mut report = match verdict {
        Verdict::Answered(report) => report,
        Verdict::Hung { step, elapsed } => {
            took = elapsed;
            let place = if step.is_empty() { "opening NVML" } else { step };
            let reason = format!("{place} has not returned for {} ms", elapsed.as_millis());
            NvmlReport { call: Some(step), ..without_answer("hung", reason) }
        }
        // There is one lane with one key, so the lanes are never full.
        Verdict::Busy | Verdict::Full => without_answer("busy", "NVML is being asked already".to_owned()),
        Verdict::Panicked(text) => without_answer("failed", format!("the probe failed: {text}")),
        Verdict::NoThread(text) => without_answer("failed", format!("the system gives no thread: {text}")),
    };
    report.took_ms = took.as_secs_f64() * 1000.0;
    report
}
