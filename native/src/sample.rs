//! What a machine is doing now, in one call that starts nothing, opens nothing and allocates next to nothing.

#[cfg_attr(target_os = "macos", path = "sample/macos.rs")]
#[cfg_attr(not(target_os = "macos"), path = "sample/linux.rs")]
mod machine;

use std::sync::{LazyLock, Mutex, PoisonError};

use napi_derive::napi;

/// What is now. Memory in bytes.
#[napi(object, object_from_js = false)]
pub struct Sample {
    pub memory_total: f64,
    /// What could be had without swapping, memory that caches hold included; absent where the system does not say.
    pub memory_available: Option<f64>,
    pub swap_total: f64,
    pub swap_free: f64,
    /// Absent where the system does not say.
    pub cpu: Option<CpuTimes>,
    pub load1: f64,
    pub load5: f64,
    pub load15: f64,
    /// Seconds since boot, with fractions; time asleep counts.
    pub uptime: f64,
    /// The system's own name for this boot; absent where it gives none.
    pub boot_id: Option<&'static str>,
}

/// Milliseconds since boot, over all CPUs, as the system counts them: in steps of a tick, 10 ms.
#[napi(object, object_from_js = false)]
#[derive(Debug, PartialEq)]
pub struct CpuTimes {
    /// How many CPUs the times cover.
    pub cpus: u32,
    /// Guests included.
    pub user: f64,
    /// Guests included.
    pub nice: f64,
    pub system: f64,
    pub idle: f64,
    /// Idle, with a disk awaited. 0 on macOS, as are the three below.
    pub iowait: f64,
    pub irq: f64,
    pub softirq: f64,
    /// Given to others by the hypervisor.
    pub steal: f64,
}

static MACHINE: LazyLock<Mutex<machine::Machine>> = LazyLock::new(Mutex::default);

/// Reads everything now. Never throws for want of a source: what it would give is absent, or 0 for swap.
#[napi(catch_unwind)]
pub fn sample() -> Sample {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner).sample()
}
