//! An addon whose only function panics as it is told, built as the probe is: `tests/panics.rs` shows what becomes of it.

use napi_derive::napi;

#[napi(catch_unwind)]
pub fn panic(text: String) {
    panic!("{text}");
}
