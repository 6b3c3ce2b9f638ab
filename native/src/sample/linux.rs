//! Samples Linux with files of /proc that stay open, and with sysinfo(2).

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use super::report::{CpuTimes, Sample};

pub struct Machine {
    meminfo: OpenFile,
    stat: OpenFile,
    /// Both files are read into it. It grows to the size of the larger one.
    buffer: Vec<u8>,
    ms_per_tick: f64,
}

impl Default for Machine {
    fn default() -> Self {
        // SAFETY: sysconf has no preconditions.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        Self {
            meminfo: OpenFile::new("/proc/meminfo"),
            stat: OpenFile::new("/proc/stat"),
            buffer: vec![0; 16 * 1024],
            ms_per_tick: 1000.0 / if ticks > 0 { ticks as f64 } else { 100.0 },
        }
    }
}

impl Machine {
    pub fn sample(&mut self) -> Sample {
        // Where /proc is hidden, sysinfo gives memory and swap.
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

/// Read only once, because it cannot change while this process runs.
static BOOT_ID: LazyLock<Option<String>> = LazyLock::new(|| {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (!id.is_empty() && id.len() <= 64 && id.is_ascii()).then(|| id.to_owned())
});

/// A file that stays open and is read from its start each time. It is opened again when reading fails: a file of /proc in a
/// container is gone when the daemon that serves it ends.
struct OpenFile {
    path: &'static str,
    file: Option<File>,
}

impl OpenFile {
    /// No file of the kernel is larger.
    const MAX_BYTES: usize = 8 * 1024 * 1024;

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

    /// Reads the file into the buffer. One read returns the whole file if the buffer is larger than the file.
    fn fill(&self, buffer: &mut Vec<u8>) -> Option<usize> {
        let file = self.file.as_ref()?;
        loop {
            match file.read_at(buffer, 0) {
                Ok(0) => return None,
                Ok(length) if length < buffer.len() || length >= Self::MAX_BYTES => return Some(length),
                Ok(length) => buffer.resize(length * 2, 0),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// Memory and swap, in bytes.
#[derive(Debug, Default, PartialEq)]
struct Memory {
    total: Option<f64>,
    available: Option<f64>,
    swap_total: Option<f64>,
    swap_free: Option<f64>,
}

/// Parses lines such as `MemTotal:       16384 kB`, see proc_meminfo(5).
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

/// Parses the first line, with the sum over all CPUs, and counts the lines of single CPUs after it, see proc_stat(5).
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

/// Parses a whole number, which is exact up to 2^53 like all numbers of JavaScript.
fn number(digits: &[u8]) -> Option<f64> {
    let mut value: u64 = 0;
    for digit in digits {
        value = value.checked_mul(10)?.checked_add(char::from(*digit).to_digit(10)?.into())?;
    }
    (!digits.is_empty()).then_some(value as f64)
}

fn sysinfo() -> libc::sysinfo {
    let mut info = MaybeUninit::<libc::sysinfo>::zeroed();
    // SAFETY: `info` is a `struct sysinfo` that the call writes to. It fails only for a bad pointer, and then zeros stay.
    unsafe { libc::sysinfo(info.as_mut_ptr()) };
    // SAFETY: the struct has only integers, for which zero bits are a valid value.
    unsafe { info.assume_init() }
}

fn uptime() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a `struct timespec` that the call writes to. It stays zero if the clock is unknown.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_meminfo_are_found_by_name_in_any_order() {
        let text = b"MemTotal:       2000 kB\nMemFree: 1 kB\nMemAvailable:    512 kB\nSwapCached: 9 kB\nSwapTotal: 8 kB\nSwapFree: 4 kB\n";
        let memory = parse_meminfo(text);
        assert_eq!(memory.total, Some(2_048_000.0));
        assert_eq!(memory.available, Some(524_288.0));
        assert_eq!(memory.swap_total, Some(8192.0));
        assert_eq!(memory.swap_free, Some(4096.0));
    }

    #[test]
    fn a_missing_or_broken_line_of_meminfo_gives_nothing() {
        assert_eq!(parse_meminfo(b"MemTotal: 1 kB\n").available, None);
        assert_eq!(parse_meminfo(b"MemTotal:\nMemAvailable: x kB\nSwapFree: -1 kB"), Memory::default());
        assert_eq!(parse_meminfo(b"\xff\xfe\0:::\n"), Memory::default());
        assert_eq!(parse_meminfo(b"MemTotal: 99999999999999999999 kB"), Memory::default());
    }

    #[test]
    fn stat_gives_the_sum_over_all_cpus_in_milliseconds_and_their_number() {
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
    fn stat_may_have_fewer_fields_but_a_broken_one_gives_nothing() {
        assert_eq!(parse_stat(b"cpu 1 2 3 4\ncpu0 1 2 3 4\n", 1.0).map(|times| times.idle), Some(4.0));
        for text in
            [&b""[..], b"cpu", b"cpu0 1 2 3 4\n", b"cpu 1 2 x 4\ncpu0 1\n", b"cpu 1 2 3 4\n", b"intr 1\n"]
        {
            assert_eq!(parse_stat(text, 1.0), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_larger_than_the_buffer_is_read_whole() {
        let mut buffer = vec![0; 2];
        let mut status = OpenFile::new("/proc/self/status");
        let text = status.read(&mut buffer).expect("this process has a status").to_vec();
        assert!(text.starts_with(b"Name:") && text.ends_with(b"\n"), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn a_file_that_fails_is_opened_again_and_a_missing_file_gives_nothing() {
        let mut buffer = vec![0; 4096];
        let mut stale = OpenFile { path: "/proc/stat", file: None };
        assert!(stale.read(&mut buffer).is_some());
        // A folder can be opened but not read.
        let mut folder = OpenFile { path: "/proc/stat", file: File::open("/proc").ok() };
        assert!(folder.read(&mut buffer).is_some());
        assert!(OpenFile::new("/proc/no-such-file").read(&mut buffer).is_none());
    }

    #[test]
    fn without_proc_the_sample_has_what_sysinfo_knows() {
        let mut machine =
            Machine { meminfo: OpenFile::new("/none"), stat: OpenFile::new("/none"), ..Machine::default() };
        let sample = machine.sample();
        assert!(sample.memory_total > 0.0 && sample.uptime > 0.0);
        assert_eq!(sample.memory_available, None);
        assert_eq!(sample.cpu, None);
    }
}
