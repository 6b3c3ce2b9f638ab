//! Calls the functions of NVML that muster needs, found in the library by name, with their structures (nvml.h).

use std::ffi::{CStr, c_int, c_uint, c_ulonglong, c_void};

use super::report::NvmlError;
use crate::lanes::Step;

/// Number of bytes that the library may write as a string. NVML's own strings have at most 96.
const MAX_TEXT_BYTES: usize = 10 * 1024;

/// One byte more than the library may write, so that a string without a NUL ends here.
type Text = [u8; MAX_TEXT_BYTES + 1];

/// nvmlReturn_t. Not an enum, because a library may return any number.
type Code = c_int;

/// nvmlDevice_t, a GPU or a part of one. It is a pointer of the library, and is only given back to the library.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Device(*mut c_void);

// SAFETY: NVML may be called from any thread, and its devices are valid on all threads.
unsafe impl Send for Device {}

impl Default for Device {
    fn default() -> Self {
        Self(std::ptr::null_mut())
    }
}

/// nvmlPciInfo_t. Its older versions are the first part of this one.
#[repr(C)]
#[derive(Default)]
pub struct PciInfo {
    pub bus_id_legacy: [u8; 16],
    pub domain: c_uint,
    pub bus: c_uint,
    pub device: c_uint,
    pub device_id: c_uint,
    pub subsystem_id: c_uint,
    pub bus_id: [u8; 32],
}

/// nvmlMemory_t.
#[repr(C)]
#[derive(Default)]
pub struct Memory {
    pub total: c_ulonglong,
    pub free: c_ulonglong,
    pub used: c_ulonglong,
}

/// nvmlMemory_v2_t, whose memory in use no longer includes what the driver reserves for itself.
#[repr(C)]
pub struct MemoryV2 {
    pub version: c_uint,
    pub total: c_ulonglong,
    pub reserved: c_ulonglong,
    pub free: c_ulonglong,
    pub used: c_ulonglong,
}

impl Default for MemoryV2 {
    fn default() -> Self {
        Self { version: version::<Self>(2), total: 0, reserved: 0, free: 0, used: 0 }
    }
}

/// nvmlUtilization_t.
#[repr(C)]
#[derive(Default)]
pub struct Utilisation {
    pub gpu: c_uint,
    pub memory: c_uint,
}

/// nvmlTemperature_v1_t.
#[repr(C)]
pub struct Temperature {
    pub version: c_uint,
    pub sensor: c_uint,
    pub temperature: c_int,
}

impl Default for Temperature {
    fn default() -> Self {
        Self { version: version::<Self>(1), sensor: TEMPERATURE_GPU, temperature: 0 }
    }
}

pub const TEMPERATURE_GPU: c_uint = 0;
pub const UNCORRECTED: c_uint = 1;
pub const ECC_VOLATILE: c_uint = 0;
pub const ECC_AGGREGATE: c_uint = 1;

/// Returns the version field of a structure: the number of the version in the upper byte, and the size.
const fn version<T>(number: c_uint) -> c_uint {
    size_of::<T>() as c_uint | (number << 24)
}

macro_rules! functions {
    ($($function:ident = $name:literal ($($argument:ident: $type:ty),*);)*) => {
        /// The library, which stays open until this is dropped.
        pub struct Library {
            $($function: Option<unsafe extern "C" fn($($type),*) -> Code>,)*
            /// The pointers above are valid while it is open.
            _opened: libloading::Library,
        }

        impl Library {
            fn find(opened: libloading::Library) -> Self {
                Self {
                    $(
                        // SAFETY: nvml.h declares the function with this type. The pointer is called only while this value
                        // exists, and the library is open for that time.
                        $function: unsafe { opened.get(concat!($name, "\0").as_bytes()) }.ok().map(|symbol| *symbol),
                    )*
                    _opened: opened,
                }
            }
        }

        /// One method for each function. A function that the library does not have fails.
        impl Nvml<'_> {
            $(
                pub fn $function(&self $(, $argument: $type)*) -> Result<(), NvmlError> {
                    let failed = |error| Err(NvmlError { call: $name, error });
                    let Some(function) = self.library.$function else { return failed(SYMBOL_NOT_FOUND.to_owned()) };
                    self.step.set($name);
                    // SAFETY: the library is open while it is borrowed, the arguments are as nvml.h declares them, each
                    // reference is valid for its type during the call, and a device is one that this library returned.
                    match unsafe { function($($argument),*) } {
                        0 => Ok(()),
                        code => failed(error_name(code)),
                    }
                }
            )*
        }
    };
}

// The newest name of each function, and older names where drivers that are still in use do not have the newest one.
functions! {
    init_v2 = "nvmlInit_v2" ();
    init = "nvmlInit" ();
    shutdown = "nvmlShutdown" ();
    driver_version = "nvmlSystemGetDriverVersion" (text: &mut Text, length: c_uint);
    cuda_version_v2 = "nvmlSystemGetCudaDriverVersion_v2" (version: &mut c_int);
    cuda_version = "nvmlSystemGetCudaDriverVersion" (version: &mut c_int);
    count_v2 = "nvmlDeviceGetCount_v2" (count: &mut c_uint);
    count = "nvmlDeviceGetCount" (count: &mut c_uint);
    handle_v2 = "nvmlDeviceGetHandleByIndex_v2" (index: c_uint, device: &mut Device);
    handle = "nvmlDeviceGetHandleByIndex" (index: c_uint, device: &mut Device);
    uuid = "nvmlDeviceGetUUID" (device: Device, text: &mut Text, length: c_uint);
    name = "nvmlDeviceGetName" (device: Device, text: &mut Text, length: c_uint);
    pci_v3 = "nvmlDeviceGetPciInfo_v3" (device: Device, pci: &mut PciInfo);
    pci_v2 = "nvmlDeviceGetPciInfo_v2" (device: Device, pci: &mut PciInfo);
    pci = "nvmlDeviceGetPciInfo" (device: Device, pci: &mut PciInfo);
    memory_v2 = "nvmlDeviceGetMemoryInfo_v2" (device: Device, memory: &mut MemoryV2);
    memory = "nvmlDeviceGetMemoryInfo" (device: Device, memory: &mut Memory);
    utilisation = "nvmlDeviceGetUtilizationRates" (device: Device, rates: &mut Utilisation);
    temperature_v = "nvmlDeviceGetTemperatureV" (device: Device, temperature: &mut Temperature);
    temperature = "nvmlDeviceGetTemperature" (device: Device, sensor: c_uint, degrees: &mut c_uint);
    power = "nvmlDeviceGetPowerUsage" (device: Device, milliwatts: &mut c_uint);
    ecc = "nvmlDeviceGetTotalEccErrors" (device: Device, kind: c_uint, counter: c_uint, count: &mut c_ulonglong);
    mig_mode = "nvmlDeviceGetMigMode" (device: Device, current: &mut c_uint, pending: &mut c_uint);
    mig_count = "nvmlDeviceGetMaxMigDeviceCount" (device: Device, count: &mut c_uint);
    mig_handle = "nvmlDeviceGetMigDeviceHandleByIndex" (device: Device, index: c_uint, part: &mut Device);
}

impl Library {
    /// Opens the library. This runs its initialisers, which may hang or crash the process like any of its functions.
    pub fn open(path: &str) -> Result<Self, libloading::Error> {
        // SAFETY: nothing can prove that a foreign library is sound. Whoever configures the path is responsible for it, and
        // the default is the driver's own library, which every user of the GPU loads.
        unsafe { libloading::Library::new(path) }.map(Self::find)
    }
}

/// The library while it is used. `step` gets the name of each function that is called.
pub struct Nvml<'a> {
    pub library: &'a Library,
    pub step: &'a Step,
}

/// Returns the string that `call` writes to its buffer. Bytes that are not UTF-8 are replaced.
pub fn text(call: impl FnOnce(&mut Text, c_uint) -> Result<(), NvmlError>) -> Result<String, NvmlError> {
    let mut buffer: Box<Text> = Box::new([0; MAX_TEXT_BYTES + 1]);
    call(&mut buffer, MAX_TEXT_BYTES as c_uint)?;
    let text = CStr::from_bytes_until_nul(&buffer[..]).map_or(&buffer[..MAX_TEXT_BYTES], CStr::to_bytes);
    Ok(String::from_utf8_lossy(text).into_owned())
}

impl NvmlError {
    /// Returns whether the library does not have the function, or has it and the driver does not.
    pub fn is_unknown_function(&self) -> bool {
        self.is_missing_symbol() || self.error == error_name(13)
    }

    pub fn is_missing_symbol(&self) -> bool {
        self.error == SYMBOL_NOT_FOUND
    }

    /// Returns whether nothing can run on the GPU before a reset or a reboot.
    pub fn is_fatal(&self) -> bool {
        [11, 15, 16].iter().any(|code| self.error == error_name(*code))
    }

    pub fn is_not_found(&self) -> bool {
        self.error == error_name(6)
    }
}

const SYMBOL_NOT_FOUND: &str = "symbol not found";

/// Returns the name of an error in nvml.h.
fn error_name(code: Code) -> String {
    let name = match code {
        1 => "UNINITIALIZED",
        2 => "INVALID_ARGUMENT",
        3 => "NOT_SUPPORTED",
        4 => "NO_PERMISSION",
        5 => "ALREADY_INITIALIZED",
        6 => "NOT_FOUND",
        7 => "INSUFFICIENT_SIZE",
        8 => "INSUFFICIENT_POWER",
        9 => "DRIVER_NOT_LOADED",
        10 => "TIMEOUT",
        11 => "IRQ_ISSUE",
        12 => "LIBRARY_NOT_FOUND",
        13 => "FUNCTION_NOT_FOUND",
        14 => "CORRUPTED_INFOROM",
        15 => "GPU_IS_LOST",
        16 => "RESET_REQUIRED",
        17 => "OPERATING_SYSTEM",
        18 => "LIB_RM_VERSION_MISMATCH",
        19 => "IN_USE",
        20 => "MEMORY",
        21 => "NO_DATA",
        22 => "VGPU_ECC_NOT_SUPPORTED",
        23 => "INSUFFICIENT_RESOURCES",
        24 => "FREQ_NOT_SUPPORTED",
        25 => "ARGUMENT_VERSION_MISMATCH",
        26 => "DEPRECATED",
        27 => "NOT_READY",
        28 => "GPU_NOT_FOUND",
        29 => "INVALID_STATE",
        30 => "RESET_TYPE_NOT_SUPPORTED",
        999 => "UNKNOWN",
        _ => return format!("NVML_ERROR_{code}"),
    };
    format!("NVML_ERROR_{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_of_nvml_h() {
        assert_eq!(size_of::<PciInfo>(), 68);
        assert_eq!(size_of::<Memory>(), 24);
        assert_eq!(MemoryV2::default().version, 0x0200_0028);
        assert_eq!(Temperature::default().version, 0x0100_000c);
    }

    #[test]
    fn an_unknown_error_is_named_by_its_number() {
        assert_eq!(error_name(15), "NVML_ERROR_GPU_IS_LOST");
        assert_eq!(error_name(-7), "NVML_ERROR_-7");
    }

    #[test]
    fn a_string_without_nul_ends_with_the_buffer_and_bytes_that_are_not_text_are_replaced() {
        let endless = text(|buffer, length| {
            buffer[..length as usize].fill(b'x');
            Ok(())
        });
        assert_eq!(endless.map(|text| text.len()), Ok(MAX_TEXT_BYTES));
        let broken = text(|buffer, _| {
            buffer[..4].copy_from_slice(b"a\xff\0b");
            Ok(())
        });
        assert_eq!(broken, Ok("a\u{fffd}".to_owned()));
    }
}
