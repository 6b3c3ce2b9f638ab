//! The native probe of muster asks the machine what only native code can ask, cheaply and without blocking the event loop.
//!
//! Each file answers one question. Every exported function catches panics (`catch_unwind`), which become JavaScript errors.
//! Calls that may block for ever, to a file system or a vendor's library, run on a thread of their own, see `lanes`. Sizes
//! are in bytes, times are in milliseconds where the name ends in `Ms`, and other units are given at the field. The size of
//! all input is limited here, but strings are not escaped: whoever shows a string of the hardware must make it harmless.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("the native probe supports Linux and macOS; on other systems muster runs without it");

pub mod cgroup;
pub mod disk;
pub mod exit;
mod fault;
pub mod give_back;
mod guard;
mod lanes;
pub mod notify;
pub mod nvml;
pub mod sample;
mod workers;
