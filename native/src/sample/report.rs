//! What a sample reports to JavaScript.

use napi_derive::napi;

/// The state of the machine at one moment. Memory is in bytes.
#[napi(object, object_from_js = false)]
pub struct Sample {
    pub memory_total: f64,
    /// Memory that can be had without swapping, memory that caches hold included. Absent where the system does not say.
    pub memory_available: Option<f64>,
    pub swap_total: f64,
    pub swap_free: f64,
    /// Absent where the system does not say.
    pub cpu: Option<CpuTimes>,
    pub load1: f64,
    pub load5: f64,
    pub load15: f64,
    /// Seconds since boot, with fractions. Time during which the machine slept counts.
    pub uptime: f64,
    /// The system's id of this boot. Absent where the system gives none.
    pub boot_id: Option<&'static str>,
}

/// Milliseconds since boot, summed over all CPUs. The system counts in ticks of 10 ms.
#[napi(object, object_from_js = false)]
#[derive(Debug, PartialEq)]
pub struct CpuTimes {
    /// How many CPUs the times cover.
    pub cpus: u32,
    /// Includes the time of guests.
    pub user: f64,
    /// Includes the time of guests.
    pub nice: f64,
    pub system: f64,
    pub idle: f64,
    /// Time in which a CPU was idle and a task waited for a disk. 0 on macOS, like the three below.
    pub iowait: f64,
    pub irq: f64,
    pub softirq: f64,
    /// Time that the hypervisor gave to other machines.
    pub steal: f64,
}
