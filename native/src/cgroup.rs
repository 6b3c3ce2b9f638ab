//! Reads the limits of this process by control groups and CPU affinity. The tightest limit from its own group up to the
//! root counts. See cgroups(7): version 1 has a hierarchy for each controller, version 2 has one for all, and a machine may
//! use both.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use napi_derive::napi;

/// Paths of the files. Tests use other files.
#[napi(object)]
#[derive(Default)]
pub struct CgroupOptions {
    /// Folder of the control groups; `/sys/fs/cgroup` by default.
    pub root: Option<String>,
    /// File with the groups of this process; `/proc/self/cgroup` by default.
    pub self_cgroup: Option<String>,
}

/// Limits. An absent limit does not exist or cannot be read.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default, PartialEq)]
pub struct Cgroup {
    /// Version of the hierarchy with the memory controller, or else with the CPU controller. Absent when neither exists.
    #[napi(ts_type = "1 | 2")]
    pub version: Option<u32>,
    /// Memory limit, in bytes.
    pub memory_limit: Option<f64>,
    /// Bytes in use in the group that has the limit, without the file cache that the kernel would drop first.
    pub memory_used: Option<f64>,
    /// The file that the limit was read from.
    pub memory_source: Option<String>,
    /// CPU quota divided by its period, in CPUs, which may be a fraction.
    pub cpu_limit: Option<f64>,
    /// The file that the limit was read from.
    pub cpu_source: Option<String>,
    /// Number of CPUs that the group may run on.
    pub cpuset: Option<u32>,
    /// The file that the CPU set was read from.
    pub cpuset_source: Option<String>,
    /// Number of CPUs that the calling thread may run on, by sched_getaffinity(2). The limits of cpusets are included.
    pub affinity: Option<u32>,
}

/// Reads the limits. Never throws: a limit that cannot be read is absent.
#[napi(catch_unwind)]
pub fn cgroup(options: Option<CgroupOptions>) -> Cgroup {
    let CgroupOptions { root, self_cgroup } = options.unwrap_or_default();
    let root = PathBuf::from(root.as_deref().unwrap_or("/sys/fs/cgroup"));
    let own = read(Path::new(self_cgroup.as_deref().unwrap_or("/proc/self/cgroup"))).unwrap_or_default();
    let mut limits = limits_of(&root, &own);
    limits.affinity = affinity();
    limits
}

fn limits_of(root: &Path, own: &str) -> Cgroup {
    let memory = Hierarchy::of("memory", root, own);
    let cpu = Hierarchy::of("cpu", root, own);
    let cpuset = Hierarchy::of("cpuset", root, own);
    let mut limits =
        Cgroup { version: memory.as_ref().or(cpu.as_ref()).map(|at| at.version), ..Cgroup::default() };
    if let Some((limit, file)) = memory.as_ref().and_then(|at| at.tightest(memory_limit)) {
        limits.memory_limit = Some(limit);
        limits.memory_used = file.parent().and_then(memory_used);
        limits.memory_source = Some(path_text(&file));
    }
    if let Some((limit, file)) = cpu.as_ref().and_then(|at| at.tightest(cpu_limit)) {
        limits.cpu_limit = Some(limit);
        limits.cpu_source = Some(path_text(&file));
    }
    // A CPU set is a part of its parent's set, so the nearest one that can be read counts.
    if let Some((count, file)) = cpuset.as_ref().and_then(|at| at.levels().find_map(cpus)) {
        limits.cpuset = Some(count);
        limits.cpuset_source = Some(path_text(&file));
    }
    limits
}

/// The groups of one controller.
struct Hierarchy {
    version: u32,
    /// The folder of the root group.
    top: PathBuf,
    /// The folder of this process's group.
    own: PathBuf,
}

impl Hierarchy {
    /// Parses lines such as `4:cpu,cpuacct:/a/b` (version 1) and `0::/a/b` (version 2).
    fn of(controller: &str, root: &Path, own: &str) -> Option<Self> {
        let mut unified = None;
        for line in own.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if controllers.split(',').any(|name| name == controller) {
                // The folder has the name of the list, with a link for each controller, or it has the name of the
                // controller.
                let top = [controllers, controller]
                    .map(|name| root.join(name))
                    .into_iter()
                    .find(|top| top.is_dir())?;
                return Some(Self { version: 1, own: place(&top, group), top });
            }
            if id == "0" && controllers.is_empty() {
                unified = Some(group);
            }
        }
        // When both versions are used, version 2 is in a folder of its own.
        let mixed = root.join("unified");
        let top = if mixed.is_dir() { mixed } else { root.to_owned() };
        unified.map(|group| Self { version: 2, own: place(&top, group), top })
    }

    /// Returns the folders of this process's group and of its parents up to the root.
    fn levels(&self) -> impl Iterator<Item = &Path> {
        self.own.ancestors().take_while(|level| level.starts_with(&self.top))
    }

    fn tightest(&self, limit: impl Fn(&Path) -> Option<(f64, PathBuf)>) -> Option<(f64, PathBuf)> {
        self.levels().filter_map(limit).min_by(|one, other| one.0.total_cmp(&other.0))
    }
}

/// Returns the folder of `group` below `top`. A container has only its own part mounted, but the name of the group may
/// start at the host's root. So the longest end of the name that exists is used.
fn place(top: &Path, group: &str) -> PathBuf {
    let names: Vec<_> = Path::new(group).components().filter(|name| *name != Component::RootDir).collect();
    // The name of a group outside this cgroup namespace starts with `..`, and its limits cannot be seen.
    if names.len() > 1024 || names.contains(&Component::ParentDir) {
        return top.to_owned();
    }
    let ends = (0..names.len()).map(|start| top.join(names[start..].iter().collect::<PathBuf>()));
    ends.into_iter().find(|end| end.is_dir()).unwrap_or_else(|| top.to_owned())
}

/// Version 1 writes "no limit" as the largest multiple of a page that fits into 63 bits.
const UNLIMITED: f64 = (1_u64 << 62) as f64;

fn memory_limit(level: &Path) -> Option<(f64, PathBuf)> {
    ["memory.max", "memory.limit_in_bytes"].into_iter().find_map(|name| {
        let file = level.join(name);
        let limit = number(read(&file)?.trim_ascii()).filter(|limit| *limit < UNLIMITED)?;
        Some((limit, file))
    })
}

fn memory_used(level: &Path) -> Option<f64> {
    let value = |name: &str| read(&level.join(name)).as_deref().map(str::trim_ascii).and_then(number);
    let used = value("memory.current").or_else(|| value("memory.usage_in_bytes"))?;
    let stat = read(&level.join("memory.stat")).unwrap_or_default();
    let cache = |name: &str| stat.lines().find_map(|line| number(line.strip_prefix(name)?.trim_ascii()));
    // Version 1 counts a group with its children under `total_`.
    let cache = cache("total_inactive_file ").or_else(|| cache("inactive_file ")).unwrap_or(0.0);
    Some((used - cache).max(0.0))
}

fn cpu_limit(level: &Path) -> Option<(f64, PathBuf)> {
    let ratio = |quota: &str, period: &str| {
        let (quota, period) = (number(quota)?, number(period)?);
        (quota > 0.0 && period > 0.0).then(|| quota / period)
    };
    let file = level.join("cpu.max");
    if let Some(text) = read(&file) {
        let (quota, period) = text.trim_ascii().split_once(' ')?;
        return Some((ratio(quota, period)?, file));
    }
    let file = level.join("cpu.cfs_quota_us");
    let limit = ratio(read(&file)?.trim_ascii(), read(&level.join("cpu.cfs_period_us"))?.trim_ascii())?;
    Some((limit, file))
}

fn cpus(level: &Path) -> Option<(u32, PathBuf)> {
    ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"].into_iter().find_map(|name| {
        let file = level.join(name);
        let count = count_list(read(&file)?.trim_ascii())?;
        Some((count, file))
    })
}

/// Returns how many CPUs a list such as `0-3,8` names. None for an empty or broken list.
fn count_list(list: &str) -> Option<u32> {
    let mut count: u32 = 0;
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// Parses a whole number of digits only. None for `max`, `-1`, `+1` and anything else.
fn number(text: &str) -> Option<f64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<u64>().ok().map(|value| value as f64)
}

/// Reads a control file. The longest one, memory.stat, has a few kilobytes.
fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
    Some(text)
}

fn path_text(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

#[cfg(target_os = "linux")]
fn affinity() -> Option<u32> {
    // The call fails if the set is smaller than the kernel's. No kernel supports more than 2^16 CPUs.
    for words in [16, 128, 1024] {
        let mut set = vec![0_u64; words];
        // SAFETY: the second argument is the size of `set` in bytes. 0 means the calling thread, which may ask for its own
        // set.
        let status = unsafe { libc::sched_getaffinity(0, words * size_of::<u64>(), set.as_mut_ptr().cast()) };
        if status == 0 {
            return Some(set.iter().map(|word| word.count_ones()).sum());
        }
    }
    None
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_of_a_list_are_counted_and_a_broken_list_gives_nothing() {
        assert_eq!(count_list("0"), Some(1));
        assert_eq!(count_list("0-3,8,10-11"), Some(7));
        for broken in ["", ",", "3-1", "a", "0-", "-1", "0-4294967295", "0--1", "1 2"] {
            assert_eq!(count_list(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_group_is_found_inside_the_mount_by_the_end_of_its_name() {
        let top = Path::new("/proc/self");
        assert_eq!(place(top, "/"), top);
        assert_eq!(place(top, "/task"), top.join("task"));
        assert_eq!(place(top, "/docker/abc/task"), top.join("task"));
        assert_eq!(place(top, "/docker/abc"), top);
        assert_eq!(place(top, "/../task"), top);
        assert_eq!(place(top, &"/a".repeat(5000)), top);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_thread_may_run_on_some_cpu() {
        assert!(affinity().is_some_and(|cpus| cpus > 0));
    }
}
