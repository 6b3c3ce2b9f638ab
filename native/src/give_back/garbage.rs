//! Lets V8 look for all garbage. Node-API has no function for that, and V8's own one for scripts needs a flag with which the code that
//! was compiled for the program does not fit.

use std::ffi::c_void;

use libloading::os::unix::Library;

/// `v8::Isolate::TryGetCurrent()`, see v8-isolate.h: the V8 of the calling thread, or null.
type TryGetCurrent = unsafe extern "C" fn() -> *mut c_void;
const TRY_GET_CURRENT: &[u8] = b"_ZN2v87Isolate13TryGetCurrentEv\0";

/// `v8::Isolate::LowMemoryNotification()`: the system has little memory left.
type LowMemoryNotification = unsafe extern "C" fn(*mut c_void);
const LOW_MEMORY_NOTIFICATION: &[u8] = b"_ZN2v87Isolate21LowMemoryNotificationEv\0";

/// Does nothing where Node does not offer these functions to addons.
pub fn give_back() {
    let node = Library::this();
    // SAFETY: V8 declares the functions so. On every system that muster runs on, a method takes its object as its first argument.
    let (current, notify) = unsafe {
        (
            node.get::<TryGetCurrent>(TRY_GET_CURRENT),
            node.get::<LowMemoryNotification>(LOW_MEMORY_NOTIFICATION),
        )
    };
    let (Ok(current), Ok(notify)) = (current, notify) else { return };
    // SAFETY: a script on this thread calls us, and V8 may look for garbage during any such call.
    unsafe {
        let isolate = current();
        if !isolate.is_null() {
            notify(isolate);
        }
    }
}
