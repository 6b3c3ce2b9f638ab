//! The functions of NVML that we call, found in the library by name, with the structures they fill (nvml.h).

use std::ffi::{CStr, c_int, c_uint, c_ulonglong, c_void};

use super::NvmlError;
use crate::lanes::Step;

/// Bytes that a string of the library may have. NVML's own have 96 at most.
const LONGEST: usize = 10 * 1024;

/// One byte more than the library is told of: what it writes ends in a NUL, or here.
type Text = [u8; LONGEST + 1];

/// nvmlReturn_t. Not an enum of ours: a library may answer anything.
type Code = c_int;

/// nvmlDevice_t, a GPU or a part of one: the library's own pointer, which we only hand back.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Device(*mut c_void);

// SAFETY: NVML may be called from any thread, and its devices are known to all of them.
unsafe impl Send for Device {}

impl Default for Device {
    fn default() -> Self {
        Self(std::ptr::null_mut())
    }
}

/// nvmlPciInfo_t. Its older versions are shorter and begin alike.
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

/// nvmlMemory_v2_t, where what the driver keeps for itself is no longer part of what is used.
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

/// How NVML marks a structure with its version: above its size.
const fn version<T>(number: c_uint) -> c_uint {
    size_of::<T>() as c_uint | (number << 24)
}

macro_rules! functions {
    ($($function:ident = $name:literal ($($argument:ident: $type:ty),*);)*) => {
        /// The library, open until this is dropped.
        pub struct Library {
            $($function: Option<unsafe extern "C" fn($($type),*) -> Code>,)*
            /// The pointers above lead into it.
            _opened: libloading::Library,
        }

        impl Library {
            fn find(opened: libloading::Library) -> Self {
                Self {
                    $(
                        // SAFETY: nvml.h declares the function so. The pointer is called only while this value lives, and
                        // the library is open as long.
                        $function: unsafe { opened.get(concat!($name, "\0").as_bytes()) }.ok().map(|symbol| *symbol),
                    )*
                    _opened: opened,
                }
            }
        }

        /// Every function that we know; one that the library is too old for, or too new, fails.
        impl Nvml<'_> {
            $(
                pub fn $function(&self $(, $argument: $type)*) -> Result<(), NvmlError> {
                    let failed = |error| Err(NvmlError { call: $name, error });
                    let Some(function) = self.library.$function else { return failed(SYMBOL_NOT_FOUND.to_owned()) };
                    self.step.set($name);
                    // SAFETY: the library is open for as long as it is borrowed, the function has the arguments that nvml.h
                    // gives it, each of them leads to room of its type for the length of the call, and a device is one that
                    // this library named.
                    match unsafe { function($($argument),*) } {
                        0 => Ok(()),
                        code => failed(error_name(code)),
                    }
                }
            )*
        }
    };
}

// Each by its newest name and, where drivers in use still lack that, by older ones.
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
    /// Opens the library; its initialisers run, and may hang or end the process as any of its functions may.
    pub fn open(path: &str) -> Result<Self, libloading::Error> {
        // SAFETY: nothing can prove a foreign library sound. Whoever configures the path vouches for it, and the default is
        // the driver's own, which every user of the GPU loads.
        unsafe { libloading::Library::new(path) }.map(Self::find)
    }
}

/// The library's functions, while it is used; `step` follows the calls.
pub struct Nvml<'a> {
    pub library: &'a Library,
    pub step: &'a Step,
}

/// The string that `call` writes into the room it is given; bytes that are no UTF-8 are replaced.
pub fn text(call: impl FnOnce(&mut Text, c_uint) -> Result<(), NvmlError>) -> Result<String, NvmlError> {
    let mut room: Box<Text> = Box::new([0; LONGEST + 1]);
    call(&mut room, LONGEST as c_uint)?;
    let text = CStr::from_bytes_until_nul(&room[..]).map_or(&room[..LONGEST], CStr::to_bytes);
    Ok(String::from_utf8_lossy(text).into_owned())
}

impl NvmlError {
    /// The function is not in this library, or in the library and not in the driver.
    pub fn is_unknown_function(&self) -> bool {
        self.is_missing_symbol() || self.error == error_name(13)
    }

    pub fn is_missing_symbol(&self) -> bool {
        self.error == SYMBOL_NOT_FOUND
    }

    /// Nothing runs on the GPU before a reset or a reboot.
    pub fn is_fatal(&self) -> bool {
        [11, 15, 16].iter().any(|code| self.error == error_name(*code))
    }

    pub fn is_not_found(&self) -> bool {
        self.error == error_name(6)
    }
}

const SYMBOL_NOT_FOUND: &str = "symbol not found";

/// The name that nvml.h gives an error.
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
    fn structures_are_as_long_as_in_nvml_h() {
        assert_eq!(size_of::<PciInfo>(), 68);
        assert_eq!(size_of::<Memory>(), 24);
        assert_eq!(MemoryV2::default().version, 0x0200_0028);
        assert_eq!(Temperature::default().version, 0x0100_000c);
    }

    #[test]
    fn an_error_without_a_name_keeps_its_number() {
        assert_eq!(error_name(15), "NVML_ERROR_GPU_IS_LOST");
        assert_eq!(error_name(-7), "NVML_ERROR_-7");
    }

    #[test]
    fn a_string_without_an_end_ends_with_its_room_and_bytes_that_are_no_text_are_replaced() {
        let endless = text(|room, length| {
            room[..length as usize].fill(b'x');
            Ok(())
        });
        assert_eq!(endless.map(|text| text.len()), Ok(LONGEST));
        let broken = text(|room, _| {
            room[..4].copy_from_slice(b"a\xff\0b");
            Ok(())
        });
        assert_eq!(broken, Ok("a\u{fffd}".to_owned()));
    }
}
