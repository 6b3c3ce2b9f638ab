//! Samples macOS with Mach's host statistics and sysctl.

use std::ffi::CStr;
use std::mem::{MaybeUninit, size_of};
use std::sync::LazyLock;

use super::report::{CpuTimes, Sample};

pub struct Machine {
    host: libc::host_t,
    memory_total: f64,
    cpus: u32,
    page_size: f64,
    ms_per_tick: f64,
}

impl Default for Machine {
    fn default() -> Self {
        // SAFETY: none of the calls has preconditions. The port is requested once, because each request takes a reference
        // that is never released. The function is deprecated in favour of another crate, which is not worth it for one
        // function.
        #[allow(deprecated)]
        let (host, ticks, page) = unsafe {
            (libc::mach_host_self(), libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE))
        };
        Self {
            host,
            memory_total: sysctl::<u64>(c"hw.memsize").unwrap_or(0) as f64,
            cpus: sysctl::<u32>(c"hw.logicalcpu").unwrap_or(1),
            page_size: page as f64,
            ms_per_tick: 1000.0 / if ticks > 0 { ticks as f64 } else { 100.0 },
        }
    }
}

impl Machine {
    pub fn sample(&mut self) -> Sample {
        let swap = sysctl::<libc::xsw_usage>(c"vm.swapusage");
        let [load1, load5, load15] = load();
        Sample {
            memory_total: self.memory_total,
            memory_available: self.memory_available(),
            swap_total: swap.map_or(0.0, |swap| swap.xsu_total as f64),
            swap_free: swap.map_or(0.0, |swap| swap.xsu_avail as f64),
            cpu: self.cpu_times(),
            load1,
            load5,
            load15,
            uptime: uptime(),
            boot_id: BOOT_ID.as_deref(),
        }
    }

    /// Returns the size of free pages, which include pages that were read ahead, and of inactive pages.
    fn memory_available(&self) -> Option<f64> {
        let mut pages = MaybeUninit::<libc::vm_statistics64>::zeroed();
        let mut count = libc::HOST_VM_INFO64_COUNT;
        // SAFETY: `pages` has room for `count` integers, by the constant's own definition; the kernel writes no more.
        let status = unsafe {
            libc::host_statistics64(self.host, libc::HOST_VM_INFO64, pages.as_mut_ptr().cast(), &mut count)
        };
        if status != libc::KERN_SUCCESS {
            return None;
        }
        // SAFETY: the struct has only integers, for which zero bits are a valid value.
        let pages = unsafe { pages.assume_init() };
        Some((f64::from(pages.free_count) + f64::from(pages.inactive_count)) * self.page_size)
    }

    fn cpu_times(&self) -> Option<CpuTimes> {
        let mut load = MaybeUninit::<libc::host_cpu_load_info>::zeroed();
        let mut count = libc::HOST_CPU_LOAD_INFO_COUNT;
        // SAFETY: `load` has room for `count` integers, by the constant's own definition; the kernel writes no more.
        let status = unsafe {
            libc::host_statistics64(self.host, libc::HOST_CPU_LOAD_INFO, load.as_mut_ptr().cast(), &mut count)
        };
        if status != libc::KERN_SUCCESS {
            return None;
        }
        // SAFETY: the struct has only integers, for which zero bits are a valid value.
        let ticks = unsafe { load.assume_init() }.cpu_ticks;
        let ms = |state: libc::c_int| f64::from(ticks[state as usize]) * self.ms_per_tick;
        Some(CpuTimes {
            cpus: self.cpus,
            user: ms(libc::CPU_STATE_USER),
            nice: ms(libc::CPU_STATE_NICE),
            system: ms(libc::CPU_STATE_SYSTEM),
            idle: ms(libc::CPU_STATE_IDLE),
            iowait: 0.0,
            irq: 0.0,
            softirq: 0.0,
            steal: 0.0,
        })
    }
}

/// Read once, because it cannot change while this process runs.
static BOOT_ID: LazyLock<Option<String>> = LazyLock::new(|| {
    let bytes = sysctl::<[u8; 64]>(c"kern.bootsessionuuid")?;
    let id = CStr::from_bytes_until_nul(&bytes).ok()?.to_str().ok()?;
    (!id.is_empty() && id.is_ascii()).then(|| id.to_lowercase())
});

/// Returns what sysctlbyname(3) writes to a `T`, which may be less than its size. Only for plain integers and arrays of
/// them.
fn sysctl<T: Copy>(name: &CStr) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut size = size_of::<T>();
    // SAFETY: `name` ends in NUL, `value` has room for `size` bytes, and the call sets nothing.
    let status = unsafe {
        libc::sysctlbyname(name.as_ptr(), value.as_mut_ptr().cast(), &mut size, std::ptr::null_mut(), 0)
    };
    // SAFETY: every `T` here has only integers, for which zero bits and the bits of the kernel are valid values.
    (status == 0).then(|| unsafe { value.assume_init() })
}

fn load() -> [f64; 3] {
    let mut load = [0.0; 3];
    // SAFETY: `load` has room for three values. It stays zero if there are none.
    unsafe { libc::getloadavg(load.as_mut_ptr(), 3) };
    load
}

/// Returns the seconds since boot. On macOS, CLOCK_MONOTONIC includes the time during which the machine slept.
fn uptime() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a `struct timespec` that the call writes to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
