//! Linux: files of /proc that stay open, and sysinfo(2).

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use super::{CpuTimes, Sample};

pub struct Machine {
    meminfo: Kept,
    stat: Kept,
    /// Both files are read into it; grows to the largest.
    buffer: Vec<u8>,
    ms_per_tick: f64,
}

impl Default for Machine {
    fn default() -> Self {
        // SAFETY: sysconf has no preconditions.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Self {
            meminfo: Kept::new("/proc/meminfo"),
            stat: Kept::new("/proc/stat"),
            buffer: vec![0; 16 * 1024],
            ms_per_tick: 1000.0 / if ticks > 0 { ticks as f64 } else { 100.0 },
        }
    }
}

impl Machine {
    pub fn sample(&mut self) -> Sample {
        // What sysinfo says of memory and swap stands in where /proc is hidden.
        let kernel = sysinfo();
        let unit = f64::from(kernel.mem_unit.max(1));
        let memory = self.meminfo.read(&mut self.buffer).map(parse_meminfo).unwrap_or_default();
        let cpu = self.stat.read(&mut self.buffer).and_then(|text| parse_stat(text, self.ms_per_tick));
        let [load1, load5, load15] = kernel.loads.map(|load| load as f64 / 65536.0);
        Sample {
            memory_total: memory.total.unwrap_or(kernel.totalram as f64 * unit),
            memory_available: memory.available,
            swap_total: memory.swap_total.unwrap_or(kernel.totalswap as f64 * unit),
            swap_free: memory.swap_free.unwrap_or(kernel.freeswap as f64 * unit),
            cpu,
            load1,
            load5,
            load15,
            uptime: uptime(),
            boot_id: BOOT_ID.as_deref(),
        }
    }
}

/// It cannot change while this process lives.
static BOOT_ID: LazyLock<Option<String>> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty() && id.len() <= 64 && id.is_ascii()).then(|| id.to_owned())
});

/// A file that is read again and again from its start, and opened again when that fails: a container's /proc file ends with
/// the daemon that serves it.
struct Kept {
    path: &'static str,
    file: Option<File>,
}

impl Kept {
    /// No kernel's file is longer.
    const LONGEST: usize = 8 * 1024 * 1024;

    fn new(path: &'static str) -> Self {
        Self { path, file: File::open(path).ok() }
    }

    fn read<'buffer>(&mut self, buffer: &'buffer mut Vec<u8>) -> Option<&'buffer [u8]> {
        let length = match self.fill(buffer) {
            Some(length) => length,
            None => {
                self.file = File::open(self.path).ok();
                self.fill(buffer)?
            }
        };
        Some(&buffer[..length])
    }

    /// One read gives such a file whole when the buffer is larger than it.
    fn fill(&self, buffer: &mut Vec<u8>) -> Option<usize> {
        let file = self.file.as_ref()?;
        loop {
            match file.read_at(buffer, 0) {
                Ok(0) => return None,
                Ok(length) if length < buffer.len() || length >= Self::LONGEST => return Some(length),
                Ok(length) => buffer.resize(length * 2, 0),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// Bytes.
#[derive(Debug, Default, PartialEq)]
struct Memory {
    total: Option<f64>,
    available: Option<f64>,
    swap_total: Option<f64>,
    swap_free: Option<f64>,
}

/// proc_meminfo(5): `MemTotal:       16384 kB`.
fn parse_meminfo(text: &[u8]) -> Memory {
    let mut memory = Memory::default();
    for line in text.split(|byte| *byte == b'\n') {
        let place = match line.split(|byte| *byte == b':').next() {
            Some(b"MemTotal") => &mut memory.total,
            Some(b"MemAvailable") => &mut memory.available,
            Some(b"SwapTotal") => &mut memory.swap_total,
            Some(b"SwapFree") => &mut memory.swap_free,
            _ => continue,
        };
        *place = words(line).nth(1).and_then(number).map(|kib| kib * 1024.0);
        if memory.swap_free.is_some() {
            break;
        }
    }
    memory
}

/// proc_stat(5): the sum over all CPUs comes first, then a line for each CPU.
fn parse_stat(text: &[u8], ms_per_tick: f64) -> Option<CpuTimes> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut fields = words(lines.next()?);
    if fields.next()? != b"cpu" {
        return None;
    }
    let mut times = [0.0; 8];
    for (place, field) in times.iter_mut().zip(fields) {
        *place = number(field)? * ms_per_tick;
    }
    let cpus = lines.take_while(|line| line.starts_with(b"cpu")).count();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = times;
    let cpus = u32::try_from(cpus).ok().filter(|cpus| *cpus > 0)?;
    Some(CpuTimes { cpus, user, nice, system, idle, iowait, irq, softirq, steal })
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A whole number, exact up to 2^53 as all of JavaScript's are.
fn number(digits: &[u8]) -> Option<f64> {
    let mut value: u64 = 0;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(char::from(*digit).to_digit(10)?.into())?;
    }
    (!digits.is_empty()).then_some(value as f64)
}

fn sysinfo() -> libc::sysinfo {
    let mut info = MaybeUninit::<libc::sysinfo>::zeroed();
    // SAFETY: `info` is one `struct sysinfo` to be written to. The call fails for a bad pointer only, and then zeros stay.
    unsafe { libc::sysinfo(info.as_mut_ptr()) };
    // SAFETY: the struct is plain integers, for which all bits zero is a value.
    unsafe { info.assume_init() }
}

fn uptime() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is one `struct timespec` to be written to; it stays zero should the clock be unknown.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_by_name_wherever_a_line_stands() {
        let text = b"MemTotal:       2000 kB\nMemFree: 1 kB\nMemAvailable:    512 kB\nSwapCached: 9 kB\nSwapTotal: 8 kB\nSwapFree: 4 kB\n";
        let memory = parse_meminfo(text);
        assert_eq!(memory.total, Some(2_048_000.0));
        assert_eq!(memory.available, Some(524_288.0));
        assert_eq!(memory.swap_total, Some(8192.0));
        assert_eq!(memory.swap_free, Some(4096.0));
    }

    #[test]
    fn meminfo_of_an_old_kernel_or_of_none_leaves_facts_out() {
        assert_eq!(parse_meminfo(b"MemTotal: 1 kB\n").available, None);
        assert_eq!(parse_meminfo(b"MemTotal:\nMemAvailable: x kB\nSwapFree: -1 kB"), Memory::default());
        assert_eq!(parse_meminfo(b"\xff\xfe\0:::\n"), Memory::default());
        assert_eq!(parse_meminfo(b"MemTotal: 99999999999999999999 kB"), Memory::default());
    }

    #[test]
    fn stat_gives_the_sum_over_all_cpus_in_milliseconds_and_how_many_they_are() {
        let text =
            b"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu2 0 0 0 0\nintr 5 4\ncpu7 none\n";
        let times = parse_stat(text, 10.0);
        let expected = CpuTimes {
            cpus: 2,
            user: 10.0,
            nice: 20.0,
            system: 30.0,
            idle: 40.0,
            iowait: 50.0,
            irq: 60.0,
            softirq: 70.0,
            steal: 80.0,
        };
        assert_eq!(times, Some(expected));
    }

    #[test]
    fn stat_of_an_old_kernel_has_fewer_fields_and_a_broken_one_gives_nothing() {
        assert_eq!(parse_stat(b"cpu 1 2 3 4\ncpu0 1 2 3 4\n", 1.0).map(|times| times.idle), Some(4.0));
        for text in
            [&b""[..], b"cpu", b"cpu0 1 2 3 4\n", b"cpu 1 2 x 4\ncpu0 1\n", b"cpu 1 2 3 4\n", b"intr 1\n"]
        {
            assert_eq!(parse_stat(text, 1.0), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_longer_than_the_buffer_is_read_whole() {
        let mut buffer = vec![0; 2];
        let mut status = Kept::new("/proc/self/status");
        let text = status.read(&mut buffer).expect("this process has a status").to_vec();
        assert!(text.starts_with(b"Name:") && text.ends_with(b"\n"), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn a_file_that_fails_is_opened_again_and_one_that_is_not_there_gives_nothing() {
        let mut buffer = vec![0; 4096];
        let mut stale = Kept { path: "/proc/stat", file: None };
        assert!(stale.read(&mut buffer).is_some());
        // A folder opens and cannot be read.
        let mut folder = Kept { path: "/proc/stat", file: File::open("/proc").ok() };
        assert!(folder.read(&mut buffer).is_some());
        assert!(Kept::new("/proc/no-such-file").read(&mut buffer).is_none());
    }

    #[test]
    fn without_proc_what_sysinfo_knows_is_left() {
        let mut machine =
            Machine { meminfo: Kept::new("/none"), stat: Kept::new("/none"), ..Machine::default() };
        let sample = machine.sample();
        assert!(sample.memory_total > 0.0 && sample.uptime > 0.0);
        assert_eq!(sample.memory_available, None);
        assert_eq!(sample.cpu, None);
    }
}
