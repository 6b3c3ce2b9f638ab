//! Makes errors for JavaScript. The `code` is the system's name of the error, such as `ENOENT`, and the message is one
//! sentence.

use std::io;

use napi::{Env, Error, JsError};

/// An error that the caller can handle.
#[derive(Debug)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
}

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Makes a fault of an error of the operating system. `doing` says what failed.
    pub fn os(doing: &str, error: &io::Error) -> Self {
        Self::new(errno_name(error), format!("{doing}: {error}"))
    }

    /// Returns an error to be thrown.
    pub fn thrown(self) -> Error<&'static str> {
        Error::new(self.code, self.message)
    }

    /// Returns an error to reject a promise with. It is made into a JavaScript error here, because the error type of
    /// promises cannot have these codes.
    pub fn rejection(self, env: Env) -> Error {
        Error::from(JsError::from(self.thrown()).into_unknown(env))
    }
}

/// Returns the name of the error, or `EIO` for an error that is not in the list.
fn errno_name(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => "EACCES",
        Some(libc::EAGAIN) => "EAGAIN",
        Some(libc::EBADF) => "EBADF",
        Some(libc::ECONNREFUSED) => "ECONNREFUSED",
        Some(libc::EINTR) => "EINTR",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::ELOOP) => "ELOOP",
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::EMSGSIZE) => "EMSGSIZE",
        Some(libc::ENAMETOOLONG) => "ENAMETOOLONG",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOBUFS) => "ENOBUFS",
        Some(libc::ENODEV) => "ENODEV",
        Some(libc::ENOENT) => "ENOENT",
        Some(libc::ENOMEM) => "ENOMEM",
        Some(libc::ENOSYS) => "ENOSYS",
        Some(libc::ENOTCONN) => "ENOTCONN",
        Some(libc::ENOTDIR) => "ENOTDIR",
        Some(libc::ENOTSOCK) => "ENOTSOCK",
        Some(libc::EOVERFLOW) => "EOVERFLOW",
        Some(libc::EPERM) => "EPERM",
        Some(libc::EPROTOTYPE) => "EPROTOTYPE",
        Some(libc::ESTALE) => "ESTALE",
        Some(libc::ETIMEDOUT) => "ETIMEDOUT",
        // Refused before the system was asked: a NUL in a path, or a path that is too long for a socket.
        None if error.kind() == io::ErrorKind::InvalidInput => "EINVAL",
        _ => "EIO",
    }
}
