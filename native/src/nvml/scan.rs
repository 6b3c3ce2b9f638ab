//! Scans the GPUs with NVML, and keeps NVML initialised between two scans so that the figures can be read.

use std::sync::{Mutex, PoisonError};

use super::library::{Device, Library, Nvml};
use super::linker;
use super::properties::{self, AnswerExt};
use super::report::{NvmlError, NvmlGpu, NvmlReport};
use crate::lanes::Step;

/// The library, which stays open between two scans. Only its opening can stop the whole process, because the dynamic linker
/// serves no other thread meanwhile.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// The function of NVML that the reading of figures is in.
static FIGURES_STEP: Step = Step::new();

struct Kept {
    path: String,
    library: Library,
    /// While there are any, NVML is initialised.
    held: Vec<HeldGpu>,
}

/// A GPU whose handle is open, and which of its figures it gave in the last scan.
struct HeldGpu {
    device: Device,
    gave: [bool; FIGURES],
}

/// The figures of a GPU: memory in use, utilisation, temperature and power.
const FIGURES: usize = 4;

/// Initialises the library, reads everything, and shuts it down again so that no device is held. With `hold` it stays
/// initialised for `held_figures`, unless a GPU has a fatal error. Before that, what the last scan left initialised is shut
/// down, because only then a replaced driver and a reset GPU are noticed. `step` says which function is being called.
pub fn scan(path: &str, hold: bool, step: &Step) -> NvmlReport {
    let mut kept = KEPT.try_lock().unwrap_or_else(|_| {
        // Figures are being read. If that hangs, this scan hangs in the same function.
        step.set(FIGURES_STEP.get());
        KEPT.lock().unwrap_or_else(PoisonError::into_inner)
    });
    if let Some(kept) = kept.as_mut() {
        kept.release(step);
    }
    let library = match linker::holding(|| kept_or_opened(kept.take(), path)) {
        Ok(library) => library,
        Err(error) => return not_opened(path, &error),
    };
    let nvml = Nvml { library: &library, step };
    if let Err(failure) = nvml.init_v2().or_other(|| nvml.init()) {
        // The library is closed, so that the next scan opens the file that is there at that time. A new driver may have
        // replaced it.
        linker::holding(|| drop(library));
        return without_answer("failed", format!("{}: {}", failure.call, failure.error));
    }
    let (mut report, held) = read_all(&nvml);
    // A GPU that needs a reset cannot be reset while its handle is open.
    let held = held.filter(|_| hold).unwrap_or_default();
    if held.is_empty() {
        nvml.shutdown().or_note(&mut report.errors);
    }
    *kept = Some(Kept { path: path.to_owned(), library, held });
    report
}

/// Reads the figures of each GPU that is held, by index, with NaN for a figure that it did not give in the scan. None when
/// no GPU is held, or when a GPU does not answer as in the scan. In that case all GPUs are released, and a scan is needed.
pub fn held_figures() -> Option<Vec<f64>> {
    let step = &FIGURES_STEP;
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.as_mut().filter(|kept| !kept.held.is_empty())?;
    let nvml = Nvml { library: &kept.library, step };
    let mut all = Vec::with_capacity(kept.held.len() * FIGURES);
    let as_before =
        kept.held.iter().all(|gpu| gpu.figures(&nvml).map(|figures| all.extend(figures)).is_some());
    if !as_before {
        kept.release(step);
    }
    as_before.then_some(all)
}

impl Kept {
    fn release(&mut self, step: &Step) {
        if self.held.is_empty() {
            return;
        }
        self.held.clear();
        // A failure is ignored, because it says nothing about the driver that is there now.
        let _ = Nvml { library: &self.library, step }.shutdown();
    }
}

impl HeldGpu {
    fn figures(&self, nvml: &Nvml) -> Option<[f64; FIGURES]> {
        let answers = [
            properties::memory(nvml, self.device).map(|(_, used)| used),
            properties::utilisation(nvml, self.device).map(f64::from),
            properties::temperature(nvml, self.device).map(f64::from),
            properties::power(nvml, self.device),
        ];
        let mut figures = [f64::NAN; FIGURES];
        for ((figure, answer), gave) in figures.iter_mut().zip(answers).zip(self.gave) {
            match answer {
                Ok(value) if gave => *figure = value,
                // A figure that the last scan did not give needs a new scan, which also reads the facts that belong to it.
                Ok(_) => return None,
                Err(failure) if gave || failure.is_fatal() => return None,
                Err(_) => {}
            }
        }
        Some(figures)
    }
}

/// Returns the library that was kept, if it is the one at `path`. Otherwise closes it and opens the one at `path`.
fn kept_or_opened(kept: Option<Kept>, path: &str) -> Result<Library, libloading::Error> {
    match kept.filter(|kept| kept.path == path) {
        Some(kept) => Ok(kept.library),
        None => Library::open(path),
    }
}

fn not_opened(path: &str, error: &libloading::Error) -> NvmlReport {
    // The reason is the message of the dynamic linker, without the text that libloading adds.
    let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let absent = reason.contains(path) && reason.contains("No such file");
    without_answer(if absent { "absent" } else { "failed" }, reason)
}

fn without_answer(state: &'static str, reason: String) -> NvmlReport {
    NvmlReport { state, reason: Some(reason), ..NvmlReport::default() }
}

/// Returns everything that NVML knows, and the GPUs to hold, if none of them has a fatal error.
fn read_all(nvml: &Nvml) -> (NvmlReport, Option<Vec<HeldGpu>>) {
    let mut errors = Vec::new();
    let driver_version = properties::driver_version(nvml).or_note(&mut errors);
    let cuda_version = properties::cuda_version(nvml).or_note(&mut errors);
    let (gpus, held): (Vec<_>, Vec<_>) =
        (0..properties::gpu_count(nvml, &mut errors)).map(|index| read_gpu(nvml, index)).unzip();
    let report =
        NvmlReport { state: "answered", driver_version, cuda_version, gpus, errors, ..NvmlReport::default() };
    (report, held.into_iter().collect())
}

fn read_gpu(nvml: &Nvml, index: u32) -> (NvmlGpu, Option<HeldGpu>) {
    let mut gpu = NvmlGpu { index, ..NvmlGpu::default() };
    let Some(device) = properties::device(nvml, index).or_note(&mut gpu.errors) else {
        return (gpu, None);
    };
    properties::read_into(nvml, device, &mut gpu);
    let gave = [
        gpu.memory_used.is_some(),
        gpu.utilisation.is_some(),
        gpu.temperature.is_some(),
        gpu.power.is_some(),
    ];
    let usable = !gpu.errors.iter().any(NvmlError::is_fatal);
    (gpu, usable.then_some(HeldGpu { device, gave }))
}
