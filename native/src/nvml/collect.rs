//! Asks NVML for everything, call by call: what one call does not give is absent, and the rest goes on.

use std::sync::{Mutex, PoisonError};

use super::library::{
    Device, ECC_AGGREGATE, ECC_VOLATILE, Library, MemoryV2, Nvml, PciInfo, TEMPERATURE_GPU, Temperature,
    UNCORRECTED, Utilisation, text,
};
use super::{NvmlError, NvmlGpu, NvmlMigInstance, NvmlReport, linker, tick};
use crate::lanes::Step;

/// GPUs, and parts of one GPU, beyond which a count is not believed.
const MOST: u32 = 256;

/// The library, kept open between questions: to open one is the only thing that can hold up the whole process, as the dynamic
/// linker lets nobody else in meanwhile.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

struct Kept {
    path: String,
    library: Library,
    /// While there are any, NVML is initialised and its devices are held.
    watched: Vec<Watched>,
}

/// A GPU that is held, and whether it gave each of its figures when it was looked at.
struct Watched {
    device: Device,
    gave: [bool; FIGURES],
}

/// Memory used, utilisation, temperature and power.
pub const FIGURES: usize = 4;

/// Initialises the library, reads all it has and shuts it down again, so that no device is held; or, with `hold`, leaves it
/// initialised for `figures` when every GPU is well. What an earlier call left so is shut down first: a driver that was replaced
/// and a GPU that was reset are seen by a look, and by no less. `step` follows the calls.
pub fn collect(path: &str, hold: bool, step: &Step) -> NvmlReport {
    let mut kept = KEPT.try_lock().unwrap_or_else(|_| {
        // Figures are being read: should that hang, so does this, in the same call.
        step.set(tick::STEP.get());
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
        // It is closed, so that the next question opens what is there by then: the driver's replacement.
        linker::holding(|| drop(library));
        return unanswered("failed", format!("{}: {}", failure.call, failure.error));
    }
    let (mut report, watched) = report(&nvml);
    // A GPU that must be reset is held by nobody: while it is, it cannot be.
    let watched = watched.filter(|_| hold).unwrap_or_default();
    if watched.is_empty() {
        nvml.shutdown().or_note(&mut report.errors);
    }
    *kept = Some(Kept { path: path.to_owned(), library, watched });
    report
}

/// The figures of each GPU that is held, by index, NaN for those that it never gave. None when nothing is held, or a GPU does not
/// answer as it did: then all are let go, and only `collect` tells what there is.
pub fn figures(step: &Step) -> Option<Vec<f64>> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.as_mut().filter(|kept| !kept.watched.is_empty())?;
    let nvml = Nvml { library: &kept.library, step };
    let mut all = Vec::with_capacity(kept.watched.len() * FIGURES);
    let well = kept.watched.iter().all(|gpu| gpu.figures(&nvml).map(|figures| all.extend(figures)).is_some());
    if !well {
        kept.release(step);
    }
    well.then_some(all)
}

impl Kept {
    fn release(&mut self, step: &Step) {
        if self.watched.is_empty() {
            return;
        }
        self.watched.clear();
        // Whether it fails says nothing of what is there now.
        let _ = Nvml { library: &self.library, step }.shutdown();
    }
}

impl Watched {
    fn figures(&self, nvml: &Nvml) -> Option<[f64; FIGURES]> {
        let answers = [
            memory(nvml, self.device).map(|(_, used)| used),
            utilisation(nvml, self.device).map(f64::from),
            temperature(nvml, self.device).map(f64::from),
            power(nvml, self.device),
        ];
        let mut figures = [f64::NAN; FIGURES];
        for ((figure, answer), gave) in figures.iter_mut().zip(answers).zip(self.gave) {
            match answer {
                Ok(value) if gave => *figure = value,
                // What it gives now a look reads with all that belongs to it.
                Ok(_) => return None,
                Err(failure) if gave || failure.is_fatal() => return None,
                Err(_) => {}
            }
        }
        Some(figures)
    }
}

/// Another library is closed before this one is opened.
fn kept_or_opened(kept: Option<Kept>, path: &str) -> Result<Library, libloading::Error> {
    match kept.filter(|kept| kept.path == path) {
        Some(kept) => Ok(kept.library),
        None => Library::open(path),
    }
}

fn not_opened(path: &str, error: &libloading::Error) -> NvmlReport {
    let reason = linkers_words(error);
    let absent = reason.contains(path) && reason.contains("No such file");
    unanswered(if absent { "absent" } else { "failed" }, reason)
}

fn unanswered(state: &'static str, reason: String) -> NvmlReport {
    NvmlReport { state, reason: Some(reason), ..NvmlReport::default() }
}

/// What the dynamic linker said, without libloading's own words.
fn linkers_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// What there is, and the GPUs to watch, when all are well.
fn report(nvml: &Nvml) -> (NvmlReport, Option<Vec<Watched>>) {
    let mut errors = Vec::new();
    let driver_version = text(|room, length| nvml.driver_version(room, length)).or_note(&mut errors);
    let cuda_version = value(|out| nvml.cuda_version_v2(out))
        .or_other(|| value(|out| nvml.cuda_version(out)))
        .map(|version| format!("{}.{}", version / 1000, version % 1000 / 10))
        .or_note(&mut errors);
    let count = value(|out| nvml.count_v2(out)).or_other(|| value(|out| nvml.count(out)));
    let (gpus, watched): (Vec<_>, Vec<_>) =
        (0..believed(count, "nvmlDeviceGetCount_v2", &mut errors)).map(|index| gpu(nvml, index)).unzip();
    let report =
        NvmlReport { state: "answered", driver_version, cuda_version, gpus, errors, ..NvmlReport::default() };
    (report, watched.into_iter().collect())
}

/// A GPU, and how to watch it when it is well.
fn gpu(nvml: &Nvml, index: u32) -> (NvmlGpu, Option<Watched>) {
    let mut gpu = NvmlGpu { index, ..NvmlGpu::default() };
    let errors = &mut gpu.errors;
    let device = value(|out| nvml.handle_v2(index, out)).or_other(|| value(|out| nvml.handle(index, out)));
    let Some(device) = device.or_note(errors) else {
        return (gpu, None);
    };
    gpu.uuid = uuid(nvml, device).or_note(errors);
    gpu.name = name(nvml, device).or_note(errors);
    gpu.pci_address = pci_address(nvml, device).or_note(errors);
    (gpu.memory_total, gpu.memory_used) = memory(nvml, device).or_note(errors).unzip();
    gpu.utilisation = utilisation(nvml, device).or_note(errors);
    gpu.temperature = temperature(nvml, device).or_note(errors);
    gpu.power = power(nvml, device).or_note(errors);
    gpu.ecc_volatile = ecc(nvml, device, ECC_VOLATILE).or_note(errors);
    gpu.ecc_aggregate = ecc(nvml, device, ECC_AGGREGATE).or_note(errors);
    gpu.mig = mig_mode(nvml, device).or_note(errors);
    if gpu.mig == Some(true) {
        gpu.mig_instances = mig_instances(nvml, device, errors);
    }
    let gave = [
        gpu.memory_used.is_some(),
        gpu.utilisation.is_some(),
        gpu.temperature.is_some(),
        gpu.power.is_some(),
    ];
    let well = !gpu.errors.iter().any(NvmlError::is_fatal);
    (gpu, well.then_some(Watched { device, gave }))
}

fn uuid(nvml: &Nvml, device: Device) -> Answer<String> {
    text(|room, length| nvml.uuid(device, room, length))
}

fn name(nvml: &Nvml, device: Device) -> Answer<String> {
    text(|room, length| nvml.name(device, room, length))
}

/// From the numbers, not the text: NVML writes the domain with eight digits, sysfs with four.
fn pci_address(nvml: &Nvml, device: Device) -> Answer<String> {
    let pci: PciInfo = value(|out| nvml.pci_v3(device, out))
        .or_other(|| value(|out| nvml.pci_v2(device, out)))
        .or_other(|| value(|out| nvml.pci(device, out)))?;
    Ok(format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device))
}

/// Total and used.
fn memory(nvml: &Nvml, device: Device) -> Answer<(f64, f64)> {
    value(|out| nvml.memory_v2(device, out))
        .map(|memory: MemoryV2| (memory.total as f64, memory.used as f64))
        .or_other(|| {
            let memory = value(|out| nvml.memory(device, out))?;
            Ok((memory.total as f64, memory.used as f64))
        })
}

fn utilisation(nvml: &Nvml, device: Device) -> Answer<u32> {
    value(|out| nvml.utilisation(device, out)).map(|rates: Utilisation| rates.gpu)
}

/// The first function is on its way out, and the second is young.
fn temperature(nvml: &Nvml, device: Device) -> Answer<i32> {
    value(|out| nvml.temperature(device, TEMPERATURE_GPU, out))
        .map(|degrees| i32::try_from(degrees).unwrap_or(i32::MAX))
        .or_other(|| {
            value(|out| nvml.temperature_v(device, out)).map(|answer: Temperature| answer.temperature)
        })
}

fn power(nvml: &Nvml, device: Device) -> Answer<f64> {
    value(|out| nvml.power(device, out)).map(|milliwatts| f64::from(milliwatts) / 1000.0)
}

fn ecc(nvml: &Nvml, device: Device, counter: u32) -> Answer<f64> {
    value(|out| nvml.ecc(device, UNCORRECTED, counter, out)).map(|count| count as f64)
}

fn mig_mode(nvml: &Nvml, device: Device) -> Answer<bool> {
    let mut pending = 0;
    value(|out| nvml.mig_mode(device, out, &mut pending)).map(|current| current == 1)
}

fn mig_instances(nvml: &Nvml, device: Device, errors: &mut Vec<NvmlError>) -> Vec<NvmlMigInstance> {
    let count = value(|out| nvml.mig_count(device, out));
    let mut instances = Vec::new();
    for index in 0..believed(count, "nvmlDeviceGetMaxMigDeviceCount", errors) {
        let part = value(|out| nvml.mig_handle(device, index, out));
        // The count is of places, and some are empty.
        if part.as_ref().is_err_and(NvmlError::is_not_found) {
            continue;
        }
        let Some(part) = part.or_note(errors) else {
            continue;
        };
        let (memory_total, memory_used) = memory(nvml, part).or_note(errors).unzip();
        let uuid = uuid(nvml, part).or_note(errors);
        let name = name(nvml, part).or_note(errors);
        instances.push(NvmlMigInstance { index, uuid, name, memory_total, memory_used });
    }
    instances
}

type Answer<T> = Result<T, NvmlError>;

/// What `call` writes into the room it is given.
fn value<T: Default>(call: impl FnOnce(&mut T) -> Answer<()>) -> Answer<T> {
    let mut value = T::default();
    call(&mut value)?;
    Ok(value)
}

fn believed(count: Answer<u32>, call: &'static str, errors: &mut Vec<NvmlError>) -> u32 {
    let count = count.or_note(errors).unwrap_or(0);
    if count > MOST {
        errors.push(NvmlError { call, error: format!("{count} is more than the {MOST} that are believed") });
    }
    count.min(MOST)
}

trait AnswerExt<T> {
    /// Tries another function where the first is unknown. When the library has neither, the first is missed.
    fn or_other(self, other: impl FnOnce() -> Answer<T>) -> Answer<T>;
    /// The value; a failure goes to `errors`, once.
    fn or_note(self, errors: &mut Vec<NvmlError>) -> Option<T>;
}

impl<T> AnswerExt<T> for Answer<T> {
    fn or_other(self, other: impl FnOnce() -> Answer<T>) -> Answer<T> {
        self.or_else(|missed| {
            if !missed.is_unknown_function() {
                return Err(missed);
            }
            other().map_err(|failure| if failure.is_missing_symbol() { missed } else { failure })
        })
    }

    fn or_note(self, errors: &mut Vec<NvmlError>) -> Option<T> {
        match self {
            Ok(value) => Some(value),
            Err(failure) => {
                if !errors.contains(&failure) {
                    errors.push(failure);
                }
                None
            }
        }
    }
}
