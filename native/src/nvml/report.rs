//! Defines the report about NVML that JavaScript gets.

use napi_derive::napi;

/// The answer of NVML. A fact that it does not give is absent, and `errors` says why.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlReport {
    /// `answered`: NVML was asked, and `gpus` has its GPUs, perhaps none. `absent`: there is no such library. `failed`: the
    /// library cannot be used. `hung`: there was no answer within the deadline, or an earlier call still hangs. `busy`: an
    /// earlier call is still within its deadline.
    #[napi(ts_type = "'answered' | 'absent' | 'failed' | 'hung' | 'busy'")]
    pub state: &'static str,
    /// The reason why NVML did not answer, in one sentence. Absent when it answered.
    pub reason: Option<String>,
    /// The function that hangs, or an empty string when opening the library hangs. Absent unless the state is `hung`.
    pub call: Option<&'static str>,
    /// Time that this took, in milliseconds. When the state is `hung`, the time for which the call has hung.
    pub took_ms: f64,
    pub driver_version: Option<String>,
    /// The newest CUDA version that the driver supports, such as `12.4`.
    pub cuda_version: Option<String>,
    /// The GPUs by index, at most 256.
    pub gpus: Vec<NvmlGpu>,
    /// The calls about NVML itself that failed. Each GPU has its own errors.
    pub errors: Vec<NvmlError>,
}

/// The facts of one GPU from NVML.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlGpu {
    /// NVML's index, in the order of PCI addresses.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    /// The PCI address as sysfs writes it: `0000:65:00.0`.
    pub pci_address: Option<String>,
    /// Total memory, in bytes.
    pub memory_total: Option<f64>,
    /// Memory in use, in bytes. Drivers before version 510 include the memory that they reserve for themselves.
    pub memory_used: Option<f64>,
    /// Share of the time of the last sample in which the GPU worked, in percent.
    pub utilisation: Option<u32>,
    /// Temperature, in degrees Celsius.
    pub temperature: Option<i32>,
    /// Power, in watts.
    pub power: Option<f64>,
    /// Uncorrected memory errors since the driver was loaded.
    pub ecc_volatile: Option<f64>,
    /// Uncorrected memory errors over the life of the GPU.
    pub ecc_aggregate: Option<f64>,
    /// Whether the GPU is split (multi-instance GPU). Absent for a GPU that cannot be split.
    pub mig: Option<bool>,
    /// The parts of a split GPU.
    pub mig_instances: Vec<NvmlMigInstance>,
    /// The calls about this GPU that failed.
    pub errors: Vec<NvmlError>,
}

/// One part of a split GPU.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NvmlMigInstance {
    /// NVML's index within the GPU.
    pub index: u32,
    pub uuid: Option<String>,
    pub name: Option<String>,
    /// Total memory, in bytes.
    pub memory_total: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_used: Option<f64>,
}

/// A call of NVML that failed.
#[napi(object, object_from_js = false)]
#[derive(Clone, Debug, PartialEq)]
pub struct NvmlError {
    /// The function, such as `nvmlDeviceGetPowerUsage`.
    pub call: &'static str,
    /// NVML's name of the error, such as `NVML_ERROR_NOT_SUPPORTED`, or `symbol not found` when the library is too old for
    /// the function.
    pub error: String,
}
