//! Ends a process that has a thread which hangs.

use napi_derive::napi;

/// Ends the process at once with the exit status `code`. Nothing more is run or flushed, and no thread is waited for.
/// `process.exit` waits for the threads on which Node reads files, so a file system that hangs would keep the process for
/// ever.
#[napi(catch_unwind, ts_return_type = "never")]
pub fn exit_now(code: i32) {
    // SAFETY: _exit has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}
