//! Gives back memory that a program needed only for a while, and changes nothing of what it does.

use napi_derive::napi;

/// Gives back what was freed. The allocator of glibc keeps it otherwise, for each thread that ever compiled something.
/// With other C libraries it does nothing. Never throws.
#[napi(catch_unwind)]
pub fn give_back_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim has no preconditions; it takes the locks of the allocator.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back the pages of the program's own file. Those that are needed again come back from the system's cache of files.
/// Linux only; elsewhere it does nothing. Never throws.
#[napi(catch_unwind)]
pub fn give_back_program() {
    #[cfg(target_os = "linux")]
    program_file::give_back();
}

/// Lets V8 look for all garbage, and drop compiled code that did not run lately: it is compiled again when it is called. It takes
/// as long as the look itself, 20 milliseconds for 10 MB. Never throws.
#[napi(catch_unwind)]
pub fn give_back_garbage() {
    garbage::give_back();
}

mod garbage;
#[cfg(target_os = "linux")]
mod program_file;
