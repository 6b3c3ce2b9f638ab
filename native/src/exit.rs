//! The way out of a process that has a thread which never comes back.

use napi_derive::napi;

/// Ends the process at once, with `code` as its status. Nothing more is run or flushed, and no thread is waited for, as
/// `process.exit` waits for those that Node reads files with: one that a file system holds keeps it for ever.
#[napi(catch_unwind, ts_return_type = "never")]
pub fn exit_now(code: i32) {
    // SAFETY: _exit has no preconditions and does not return, so no state of ours is seen again.
    unsafe { libc::_exit(code) }
}
