//! Defines an addon with one function that panics. `tests/panics.rs` tests that the panic becomes a JavaScript error.

use napi_derive::napi;

#[napi(catch_unwind)]
pub fn panic(text: String) {
    panic!("{text}");
}
