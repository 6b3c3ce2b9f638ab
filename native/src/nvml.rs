//! NVIDIA's GPUs by NVML, the driver's own library, opened at run time: where there is none, nothing is missing.
//!
//! Each look initialises NVML anew and reads it, on a thread of its own, so that a driver that was replaced and a GPU that appears
//! are seen. Then it is shut down, or held for the ticks between two looks. All that NVML answers is optional.

mod collect;
mod library;
mod linker;
pub mod tick;

use std::time::{Duration, Instant};

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use crate::lanes::{Lanes, Verdict};

/// NVML is one per process, whatever file it comes from.
static NVML: Lanes = Lanes::new(1);

#[napi(object)]
#[derive(Default)]
pub struct NvmlOptions {
    /// A path, or a name that the dynamic linker finds; `libnvidia-ml.so.1` unless told.
    pub library: Option<String>,
    /// 10000 unless told: without persistence mode a driver takes a second or more for each GPU to wake.
    pub deadline_ms: Option<u32>,
    /// Holds NVML and its devices for ticks, until the next question, unless a GPU is not well. Each tick leaves this mark.
    pub hold: Option<NvmlMark>,
}

/// What stands on the disk while a library is called that may end the process; afterwards there are blanks in its place.
#[napi(object)]
#[derive(Clone, Default)]
pub struct NvmlMark {
    pub path: String,
    pub text: String,
}

/// What NVML says. Facts it does not give are absent, and `errors` says why.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlReport {
    /// `answered`: it was asked, and `gpus` holds what it has (perhaps none). `absent`: there is no such library. `failed`: the
    /// library cannot be used. `hung`: no answer within the deadline, or an earlier call still hangs. `busy`: an earlier call is
    /// still within its deadline.
    #[napi(ts_type = "'answered' | 'absent' | 'failed' | 'hung' | 'busy'")]
    pub state: &'static str,
    /// Unless answered: one sentence that says why.
    pub reason: Option<String>,
    /// When hung: the function that does not return; empty when it hangs in opening the library.
    pub call: Option<&'static str>,
    /// How long this took; when hung, how long the call has been out.
    pub took_ms: f64,
    pub driver_version: Option<String>,
    /// The newest CUDA that the driver supports, such as `12.4`.
    pub cuda_version: Option<String>,
    /// By index, 256 at most.
    pub gpus: Vec<NvmlGpu>,
    /// What NVML itself did not answer; each GPU has its own.
    pub errors: Vec<NvmlError>,
}

#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlGpu {
    /// NVML's, in the order of PCI addresses.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    /// As sysfs writes it: `0000:65:00.0`.
    pub pci_address: Option<String>,
    /// Bytes.
    pub memory_total: Option<f64>,
    /// Bytes. What the driver keeps for itself counts only where it does not say how much that is (before version 510).
    pub memory_used: Option<f64>,
    /// Percent of the time of the last sample in which the GPU worked.
    pub utilisation: Option<u32>,
    /// Degrees Celsius.
    pub temperature: Option<i32>,
    /// Watts.
    pub power: Option<f64>,
    /// Uncorrected memory errors since the driver was loaded.
    pub ecc_volatile: Option<f64>,
    /// Uncorrected memory errors over the GPU's life.
    pub ecc_aggregate: Option<f64>,
    /// Whether the GPU is split (multi-instance GPU); absent where it cannot be.
    pub mig: Option<bool>,
    /// Its parts when it is split.
    pub mig_instances: Vec<NvmlMigInstance>,
    /// What was not answered about this GPU.
    pub errors: Vec<NvmlError>,
}

/// One part of a GPU that is split.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlMigInstance {
    /// NVML's, within its GPU.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    /// Bytes.
    pub memory_total: Option<f64>,
    /// Bytes.
    pub memory_used: Option<f64>,
}

#[napi(object, object_from_js = false)]
#[derive(Clone, Debug, PartialEq)]
pub struct NvmlError {
    /// The function, such as `nvmlDeviceGetPowerUsage`.
    pub call: &'static str,
    /// NVML's name for it, such as `NVML_ERROR_NOT_SUPPORTED`; `symbol not found` when the library is too old for the call.
    pub error: String,
}

/// Asks NVML for everything. Never rejects for what NVML, the driver or a GPU does: `state` and `errors` say it.
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
            tick::leave(hold);
            collect::collect(&library, held, step)
        },
        move |verdict| Ok(report(verdict, started.elapsed())),
    )
}

fn report(verdict: Verdict<NvmlReport>, took: Duration) -> NvmlReport {
    let told = |state, reason: String| NvmlReport { state, reason: Some(reason), ..NvmlReport::default() };
    let mut took = took;
    let mut report = match verdict {
        Verdict::Answered(report) => report,
        Verdict::Hung { step, elapsed } => {
            took = elapsed;
            let place = if step.is_empty() { "opening NVML" } else { step };
            let reason = format!("{place} has not returned for {} ms", elapsed.as_millis());
            NvmlReport { call: Some(step), ..told("hung", reason) }
        }
        // There is one lane with one key, so it is never full.
        Verdict::Busy | Verdict::Full => told("busy", "NVML is being asked already".to_owned()),
        Verdict::Panicked(text) => told("failed", format!("the probe failed: {text}")),
        Verdict::NoThread(text) => told("failed", format!("the system gives no thread: {text}")),
    };
    report.took_ms = took.as_secs_f64() * 1000.0;
    report
}
