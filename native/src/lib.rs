//! muster's N-API probe: what only native code can ask the machine, cheaply and without ever holding up the event loop.
//!
//! Each file is one question. Every exported function catches panics (`catch_unwind`): they become JavaScript errors.
//! What may block for ever (a file system, a vendor's library) runs on a thread of its own, see `lanes`.
//! Units: bytes, milliseconds where the name ends in `Ms`, else as the field says. All input is bounded here, and none of
//! it is escaped: a string of the hardware is the hardware's, and whoever shows it must make it harmless.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("the probe knows Linux and macOS; elsewhere muster runs without it");

pub mod cgroup;
pub mod disk;
pub mod exit;
mod fault;
mod guard;
mod lanes;
pub mod notify;
pub mod nvml;
pub mod sample;
mod workers;
