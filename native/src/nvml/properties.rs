//! Reads single properties from NVML. A call that fails costs one property, and the rest is read.

use super::library::{
    Device, ECC_AGGREGATE, ECC_VOLATILE, MemoryV2, Nvml, PciInfo, TEMPERATURE_GPU, Temperature, UNCORRECTED,
    Utilisation, text,
};
use super::report::{NvmlError, NvmlGpu, NvmlMigInstance};

pub type Answer<T> = Result<T, NvmlError>;

/// The largest number of GPUs, and of parts of one GPU, that are read. A larger count is not believed.
const MAX_COUNT: u32 = 256;

pub fn driver_version(nvml: &Nvml) -> Answer<String> {
    text(|buffer, length| nvml.driver_version(buffer, length))
}

pub fn cuda_version(nvml: &Nvml) -> Answer<String> {
    value(|out| nvml.cuda_version_v2(out))
        .or_other(|| value(|out| nvml.cuda_version(out)))
        .map(|version| format!("{}.{}", version / 1000, version % 1000 / 10))
}

pub fn gpu_count(nvml: &Nvml, errors: &mut Vec<NvmlError>) -> u32 {
    let count = value(|out| nvml.count_v2(out)).or_other(|| value(|out| nvml.count(out)));
    bounded(count, "nvmlDeviceGetCount_v2", errors)
}

pub fn device(nvml: &Nvml, index: u32) -> Answer<Device> {
    value(|out| nvml.handle_v2(index, out)).or_other(|| value(|out| nvml.handle(index, out)))
}

/// Reads everything about a GPU.
pub fn read_into(nvml: &Nvml, device: Device, gpu: &mut NvmlGpu) {
    let errors = &mut gpu.errors;
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
}

/// Returns total memory and memory in use, in bytes.
pub fn memory(nvml: &Nvml, device: Device) -> Answer<(f64, f64)> {
    value(|out| nvml.memory_v2(device, out))
        .map(|memory: MemoryV2| (memory.total as f64, memory.used as f64))
        .or_other(|| {
            let memory = value(|out| nvml.memory(device, out))?;
            Ok((memory.total as f64, memory.used as f64))
        })
}

/// Returns the utilisation, in percent.
pub fn utilisation(nvml: &Nvml, device: Device) -> Answer<u32> {
    value(|out| nvml.utilisation(device, out)).map(|rates: Utilisation| rates.gpu)
}

/// Returns the temperature, in degrees Celsius. NVML replaces the first function by the second one, which only new drivers
/// have.
pub fn temperature(nvml: &Nvml, device: Device) -> Answer<i32> {
    value(|out| nvml.temperature(device, TEMPERATURE_GPU, out))
        .map(|degrees| i32::try_from(degrees).unwrap_or(i32::MAX))
        .or_other(|| {
            value(|out| nvml.temperature_v(device, out)).map(|answer: Temperature| answer.temperature)
        })
}

/// Returns the power, in watts.
pub fn power(nvml: &Nvml, device: Device) -> Answer<f64> {
    value(|out| nvml.power(device, out)).map(|milliwatts| f64::from(milliwatts) / 1000.0)
}

fn uuid(nvml: &Nvml, device: Device) -> Answer<String> {
    text(|buffer, length| nvml.uuid(device, buffer, length))
}

fn name(nvml: &Nvml, device: Device) -> Answer<String> {
    text(|buffer, length| nvml.name(device, buffer, length))
}

/// Returns the PCI address. It is made from the numbers, because NVML's text has eight digits for the domain and sysfs has
/// four.
fn pci_address(nvml: &Nvml, device: Device) -> Answer<String> {
    let pci: PciInfo = value(|out| nvml.pci_v3(device, out))
        .or_other(|| value(|out| nvml.pci_v2(device, out)))
        .or_other(|| value(|out| nvml.pci(device, out)))?;
    Ok(format!("{:04x}:{:02x}:{:02x}.0", pci.domain, pci.bus, pci.device))
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
    for index in 0..bounded(count, "nvmlDeviceGetMaxMigDeviceCount", errors) {
        let part = value(|out| nvml.mig_handle(device, index, out));
        // The count is the number of possible parts, and not every part exists.
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

/// Returns what `call` writes to its argument.
fn value<T: Default>(call: impl FnOnce(&mut T) -> Answer<()>) -> Answer<T> {
    let mut value = T::default();
    call(&mut value)?;
    Ok(value)
}

fn bounded(count: Answer<u32>, call: &'static str, errors: &mut Vec<NvmlError>) -> u32 {
    let count = count.or_note(errors).unwrap_or(0);
    if count > MAX_COUNT {
        let error = format!("{count} is more than the {MAX_COUNT} that are believed");
        errors.push(NvmlError { call, error });
    }
    count.min(MAX_COUNT)
}

pub trait AnswerExt<T> {
    /// Tries another function if the first one is unknown. If the library has neither, the error names the first one.
    fn or_other(self, other: impl FnOnce() -> Answer<T>) -> Answer<T>;
    /// Returns the value, or puts the failure into `errors`, once.
    fn or_note(self, errors: &mut Vec<NvmlError>) -> Option<T>;
}

impl<T> AnswerExt<T> for Answer<T> {
    fn or_other(self, other: impl FnOnce() -> Answer<T>) -> Answer<T> {
        self.or_else(|unknown| {
            if !unknown.is_unknown_function() {
                return Err(unknown);
            }
            other().map_err(|failure| if failure.is_missing_symbol() { unknown } else { failure })
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
