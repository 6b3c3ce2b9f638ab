//! How much room a file system has, asked so that one that hangs costs one thread and never the event loop.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use crate::fault::Fault;
use crate::lanes::{Lanes, Verdict};

/// More paths than an agent watches; beyond it, what has not come back must come back first.
static DISKS: Lanes = Lanes::new(16);

/// Room on a file system. Sizes in bytes.
#[napi(object, object_from_js = false)]
pub struct DiskSpace {
    pub total: f64,
    /// Not in use, what is kept back for root included.
    pub free: f64,
    /// What an ordinary user may fill.
    pub available: f64,
    /// 0 on file systems that make inodes as they need them.
    pub inodes: f64,
    pub inodes_free: f64,
    /// As `available`, counted in inodes.
    pub inodes_available: f64,
}

/// The file system that `path` is on, answered within `deadlineMs` (1000 unless told).
///
/// Rejects with a `code`: the system's (`ENOENT`, `EACCES`, …); `ETIMEDOUT` at the deadline, and at once for as long as an
/// earlier question about this path hangs; `EBUSY` while one is within its deadline; `EAGAIN` when 16 paths hang, or the
/// system gives no thread.
#[napi(catch_unwind, ts_return_type = "Promise<DiskSpace>")]
pub fn disk(env: &Env, path: String, deadline_ms: Option<u32>) -> Result<Object<'_>> {
    let deadline = Duration::from_millis(deadline_ms.unwrap_or(1000).into());
    let asked = path.clone();
    DISKS.promise(env, path.clone(), deadline, move |_| space(&asked), move |verdict| answer(&path, verdict))
}

fn answer(path: &str, verdict: Verdict<io::Result<DiskSpace>>) -> std::result::Result<DiskSpace, Fault> {
    Err(match verdict {
        Verdict::Answered(Ok(space)) => return Ok(space),
        Verdict::Answered(Err(error)) => Fault::os(&format!("statvfs {path}"), &error),
        Verdict::Hung { elapsed, .. } => Fault::new(
            "ETIMEDOUT",
            format!("the file system of {path} has not answered for {} ms", elapsed.as_millis()),
        ),
        Verdict::Busy => Fault::new("EBUSY", format!("the file system of {path} is being asked already")),
        Verdict::Full => Fault::new("EAGAIN", format!("too many file systems hang to ask about {path}")),
        Verdict::Panicked(text) => Fault::new("EIO", format!("statvfs {path}: {text}")),
        Verdict::NoThread(text) => Fault::new("EAGAIN", format!("no thread to ask about {path}: {text}")),
    })
}

/// macOS counts blocks in 32 bits in statvfs, so that one is asked by statfs.
#[cfg(target_os = "macos")]
fn space(path: &str) -> io::Result<DiskSpace> {
    let path = CString::new(path)?;
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` ends in NUL and outlives the call; `answer` is one `struct statfs` to be written to.
    if unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the struct is plain integers and arrays of them, for which all bits zero is a value, and the call filled it.
    let answer = unsafe { answer.assume_init() };
    let size = f64::from(answer.f_bsize);
    Ok(DiskSpace {
        total: size * answer.f_blocks as f64,
        free: size * answer.f_bfree as f64,
        available: size * answer.f_bavail as f64,
        inodes: answer.f_files as f64,
        inodes_free: answer.f_ffree as f64,
        inodes_available: answer.f_ffree as f64,
    })
}

#[cfg(not(target_os = "macos"))]
fn space(path: &str) -> io::Result<DiskSpace> {
    let path = CString::new(path)?;
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: `path` ends in NUL and outlives the call; `answer` is one `struct statvfs` to be written to.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the struct is plain integers, for which all bits zero is a value, and the call filled it.
    let answer = unsafe { answer.assume_init() };
    let size = answer.f_frsize as f64;
    Ok(DiskSpace {
        total: size * answer.f_blocks as f64,
        free: size * answer.f_bfree as f64,
        available: size * answer.f_bavail as f64,
        inodes: answer.f_files as f64,
        inodes_free: answer.f_ffree as f64,
        inodes_available: answer.f_favail as f64,
    })
}
