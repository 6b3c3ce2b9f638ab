//! Defines the sample that JavaScript gets.

use napi_derive::napi;

/// The state of the machine at one moment. Memory is in bytes.
#[napi(object, object_from_js = false)]
pub struct Sample {
    pub memory_total: f64,
    /// Memory that programs can get without swapping, including memory that caches hold. Absent where the system does not
    /// give it.
    pub memory_available: Option<f64>,
    pub swap_total: f64,
    pub swap_free: f64,
    /// CPU times since boot. Absent where the system does not give them.
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
    /// Number of CPUs that the times cover.
    pub cpus: u32,
    /// Time of programs, including guests.
    pub user: f64,
    /// Time of programs with lowered priority, including guests.
    pub nice: f64,
    pub system: f64,
    pub idle: f64,
    /// Time in which a CPU was idle and a task waited for a disk. This and the three times below are 0 on macOS.
    pub iowait: f64,
    pub irq: f64,
    pub softirq: f64,
    /// Time that the hypervisor gave to other machines.
    pub steal: f64,
}
