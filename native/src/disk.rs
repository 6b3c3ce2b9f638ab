//! Asks how much room a file system has. A file system that hangs costs one thread, and never blocks the event loop.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use crate::fault::Fault;
use crate::lanes::{Lanes, Verdict};

/// An agent asks about fewer paths than 16. When 16 hang, no other path is asked until one of them returns.
static DISKS: Lanes = Lanes::new(16);

/// The room on a file system. Sizes are in bytes.
#[napi(object, object_from_js = false)]
pub struct DiskSpace {
    pub total: f64,
    /// Room that is not in use, including the part that is reserved for root.
    pub free: f64,
    /// Room that an ordinary user may fill.
    pub available: f64,
    /// Number of inodes. 0 on file systems that create inodes when they need them.
    pub inodes: f64,
    pub inodes_free: f64,
    /// Number of inodes that an ordinary user may use.
    pub inodes_available: f64,
}

/// Asks for the room on the file system of `path`, and answers within `deadlineMs`, 1000 by default.
///
/// Rejects with a `code`: that of the system (`ENOENT`, `EACCES`, …); `ETIMEDOUT` at the deadline, or at once while an
/// earlier question about the same path hangs; `EBUSY` while an earlier question is within its deadline; `EAGAIN` when 16
/// paths hang, or when the system gives no thread.
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

/// On macOS statvfs counts blocks in 32 bits, so statfs is used there.
#[cfg(target_os = "macos")]
fn space(path: &str) -> io::Result<DiskSpace> {
    let path = CString::new(path)?;
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` ends in NUL and outlives the call. `answer` is a `struct statfs` that the call writes to.
    if unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the struct has only integers and arrays of them, for which zero bits are a valid value. The call filled it.
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
    // SAFETY: `path` ends in NUL and outlives the call. `answer` is a `struct statvfs` that the call writes to.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the struct has only integers, for which zero bits are a valid value, and the call filled it.
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
