//! Samples the state of the machine in one call that starts nothing, opens no file and allocates almost nothing.

#[cfg_attr(target_os = "macos", path = "sample/macos.rs")]
#[cfg_attr(not(target_os = "macos"), path = "sample/linux.rs")]
mod machine;
pub mod report;

use std::sync::{LazyLock, Mutex, PoisonError};

use napi_derive::napi;

use report::Sample;

static MACHINE: LazyLock<Mutex<machine::Machine>> = LazyLock::new(Mutex::default);

/// Reads everything now. Never throws: what a missing source would give is absent, or 0 for swap.
#[napi(catch_unwind)]
pub fn sample() -> Sample {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner).sample()
}
