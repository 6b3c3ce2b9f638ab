//! Opening and closing libraries while the process may want to end.
//!
//! A library that hangs in either holds the dynamic linker's lock, and exit(3) waits for that lock, last of all, to run the
//! libraries' finalisers. So an exit that finds it held ends the process there and then, with the status it was given.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static HELD: AtomicBool = AtomicBool::new(false);

/// Opens or closes libraries in `work`.
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
        /// on_exit(3): as atexit(3), and tells the status.
        fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }

    extern "C" fn leave(status: c_int, _: *mut c_void) {
        if HELD.load(Ordering::SeqCst) {
            // SAFETY: _exit(2) has no preconditions.
            unsafe { libc::_exit(status) };
        }
    }

    // SAFETY: `leave` takes what on_exit gives. It is there at the exit: this addon stays loaded for as long as the guard's
    // thread runs, which is until then. When there is no room for it, exits are as they were.
    unsafe { on_exit(leave, std::ptr::null_mut()) };
}

/// Elsewhere nothing tells the status, and to end with another would be worse.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn register() {}
