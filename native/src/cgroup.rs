//! What control groups and CPU affinity let this process have: the tightest limit from its own group up to the root counts.
//! cgroups(7); version 1 with a hierarchy for each controller, version 2 with one for all, and mixtures of the two.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use napi_derive::napi;

/// Where to look; a test or a recorded machine brings its own.
#[napi(object)]
#[derive(Default)]
pub struct CgroupOptions {
    /// `/sys/fs/cgroup` unless told.
    pub root: Option<String>,
    /// `/proc/self/cgroup` unless told.
    pub self_cgroup: Option<String>,
}

/// Limits. What is absent is not limited, or cannot be read.
#[napi(object, object_from_js = false)]
#[derive(Debug, Default, PartialEq)]
pub struct Cgroup {
    /// Of the hierarchy that the memory controller is in, else the CPU controller; absent where neither is found.
    #[napi(ts_type = "1 | 2")]
    pub version: Option<u32>,
    /// Bytes.
    pub memory_limit: Option<f64>,
    /// Bytes in use where that limit stands; file cache that is next to be dropped does not count.
    pub memory_used: Option<f64>,
    /// The file that the limit was read from.
    pub memory_source: Option<String>,
    /// CPUs, as a fraction: quota divided by period.
    pub cpu_limit: Option<f64>,
    /// The file that the limit was read from.
    pub cpu_source: Option<String>,
    /// How many CPUs the group may run on.
    pub cpuset: Option<u32>,
    /// The file that the set was read from.
    pub cpuset_source: Option<String>,
    /// How many CPUs the calling thread may run on, by sched_getaffinity(2); cpusets are in it already.
    pub affinity: Option<u32>,
}

/// Reads the limits. Never throws: what cannot be read is absent.
#[napi(catch_unwind)]
pub fn cgroup(options: Option<CgroupOptions>) -> Cgroup {
    let CgroupOptions { root, self_cgroup } = options.unwrap_or_default();
    let root = PathBuf::from(root.as_deref().unwrap_or("/sys/fs/cgroup"));
    let own = read(Path::new(self_cgroup.as_deref().unwrap_or("/proc/self/cgroup"))).unwrap_or_default();
    let mut found = limits(&root, &own);
    found.affinity = affinity();
    found
}

fn limits(root: &Path, own: &str) -> Cgroup {
    let memory = Hierarchy::of("memory", root, own);
    let cpu = Hierarchy::of("cpu", root, own);
    let cpuset = Hierarchy::of("cpuset", root, own);
    let mut found =
        Cgroup { version: memory.as_ref().or(cpu.as_ref()).map(|at| at.version), ..Cgroup::default() };
    if let Some((limit, file)) = memory.as_ref().and_then(|at| at.tightest(memory_limit)) {
        found.memory_limit = Some(limit);
        found.memory_used = file.parent().and_then(memory_used);
        found.memory_source = Some(shown(&file));
    }
    if let Some((limit, file)) = cpu.as_ref().and_then(|at| at.tightest(cpu_limit)) {
        found.cpu_limit = Some(limit);
        found.cpu_source = Some(shown(&file));
    }
    // A set is within its parent's, so the nearest one that can be read decides.
    if let Some((count, file)) = cpuset.as_ref().and_then(|at| at.levels().find_map(cpus)) {
        found.cpuset = Some(count);
        found.cpuset_source = Some(shown(&file));
    }
    found
}

/// Where a controller's groups are, and which of them is ours.
struct Hierarchy {
    version: u32,
    top: PathBuf,
    own: PathBuf,
}

impl Hierarchy {
    /// From lines such as `4:cpu,cpuacct:/a/b` (version 1) and `0::/a/b` (version 2).
    fn of(controller: &str, root: &Path, own: &str) -> Option<Self> {
        let mut unified = None;
        for line in own.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if controllers.split(',').any(|name| name == controller) {
                // Mounted under the list's name, which is linked to under each controller's own, or under that alone.
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
        // Beside version 1, version 2 is mounted one folder down.
        let beside = root.join("unified");
        let top = if beside.is_dir() { beside } else { root.to_owned() };
        unified.map(|group| Self { version: 2, own: place(&top, group), top })
    }

    /// Our own group, then its parents up to the root.
    fn levels(&self) -> impl Iterator<Item = &Path> {
        self.own.ancestors().take_while(|level| level.starts_with(&self.top))
    }

    fn tightest(&self, limit: impl Fn(&Path) -> Option<(f64, PathBuf)>) -> Option<(f64, PathBuf)> {
        self.levels().filter_map(limit).min_by(|one, other| one.0.total_cmp(&other.0))
    }
}

/// The folder of `group` below `top`. A container sees only its own part mounted, while the group may be named from the host's
/// root: the longest end of the name that is there is ours.
fn place(top: &Path, group: &str) -> PathBuf {
    let names: Vec<_> = Path::new(group).components().filter(|name| *name != Component::RootDir).collect();
    // A group outside of our cgroup namespace starts with `..`: of its limits we see none.
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
        let limit = number(read(&file)?.trim()).filter(|limit| *limit < UNLIMITED)?;
        Some((limit, file))
    })
}

fn memory_used(level: &Path) -> Option<f64> {
    let value = |name: &str| read(&level.join(name)).as_deref().map(str::trim).and_then(number);
    let used = value("memory.current").or_else(|| value("memory.usage_in_bytes"))?;
    let stat = read(&level.join("memory.stat")).unwrap_or_default();
    let cache = |name: &str| stat.lines().find_map(|line| number(line.strip_prefix(name)?.trim()));
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
        let (quota, period) = text.trim().split_once(' ')?;
        return Some((ratio(quota, period)?, file));
    }
    let file = level.join("cpu.cfs_quota_us");
    let limit = ratio(read(&file)?.trim(), read(&level.join("cpu.cfs_period_us"))?.trim())?;
    Some((limit, file))
}

fn cpus(level: &Path) -> Option<(u32, PathBuf)> {
    ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"].into_iter().find_map(|name| {
        let file = level.join(name);
        let count = count_list(read(&file)?.trim())?;
        Some((count, file))
    })
}

/// How many CPUs a list such as `0-3,8` names; none for an empty or a broken one.
fn count_list(list: &str) -> Option<u32> {
    let mut count: u32 = 0;
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// `max`, `-1` and all else that is no whole number give none.
fn number(text: &str) -> Option<f64> {
    text.parse::<u64>().ok().map(|value| value as f64)
}

/// Control files are short; the longest, memory.stat, has a few kilobytes.
fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
    Some(text)
}

fn shown(file: &Path) -> String {
    file.to_string_lossy().into_owned()
}

#[cfg(target_os = "linux")]
fn affinity() -> Option<u32> {
    // The call fails while the set is smaller than the kernel's own; none has more than 2^16 CPUs.
    for words in [16, 128, 1024] {
        let mut set = vec![0_u64; words];
        // SAFETY: `set` has room for the bytes that the call is told of, and a thread may ask for its own set (0).
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
    fn lists_of_cpus_are_counted_and_broken_ones_are_not() {
        assert_eq!(count_list("0"), Some(1));
        assert_eq!(count_list("0-3,8,10-11"), Some(7));
        for broken in ["", ",", "3-1", "a", "0-", "-1", "0-4294967295", "0--1", "1 2"] {
            assert_eq!(count_list(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_group_that_is_named_from_elsewhere_lands_inside_the_mount() {
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
    fn this_thread_may_run_somewhere() {
        assert!(affinity().is_some_and(|cpus| cpus > 0));
    }
}
