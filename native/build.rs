//! Sets the linker arguments that an addon needs on some platforms.

fn main() {
    napi_build::setup();
}
