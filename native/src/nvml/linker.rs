//! Opens and closes libraries in a way that lets the process end.
//!
//! A library that hangs while it is opened or closed holds the lock of the dynamic linker. exit(3) waits for that lock to
//! run the finalisers of the libraries. So an exit during opening or closing ends the process at once, with its exit
//! status.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static HELD: AtomicBool = AtomicBool::new(false);

/// Runs `work`, which opens or closes libraries.
pub fn holding<T>(work: impl FnOnce() -> T) -> T {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    HELD.store(true, Ordering::SeqCst);
    let result = work();
    HELD.store(false, Ordering::SeqCst);
    result
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn register() {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        /// on_exit(3): like atexit(3), but the handler gets the exit status.
        fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }

    extern "C" fn end_now(status: c_int, _: *mut c_void) {
        if HELD.load(Ordering::SeqCst) {
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(status) };
        }
    }

    // SAFETY: `end_now` has the type that on_exit needs. It is still loaded at the exit, because the guard's thread runs
    // until then and keeps this addon loaded. If the handler cannot be registered, nothing changes.
    unsafe { on_exit(end_now, std::ptr::null_mut()) };
}

/// Other systems do not give a handler the exit status, and to end with a wrong status would be worse than to hang.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn register() {}
