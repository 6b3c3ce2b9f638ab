//! Sends the state of the process to the service manager, as sd_notify(3) does. A manager that does not read causes an
//! error, and never a wait.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use napi::Error;
use napi_derive::napi;

use crate::fault::Fault;

/// A service manager ignores a message that is longer.
const MAX_STATE_BYTES: usize = 4096;

/// Sends `state`, which has lines such as `READY=1` and `STATUS=…`, to `socket`. That is the value of NOTIFY_SOCKET: a
/// path, or `@` and a name in the abstract namespace. Returns true when the state was sent, and false without a socket,
/// which means that no service manager wants it.
///
/// Throws with a `code`: `EINVAL` for a bad address, `EMSGSIZE` for a state of more than 4096 bytes, which no service
/// manager reads, `EAGAIN` when the manager does not read fast enough, and else the system's code (`ENOENT`,
/// `ECONNREFUSED`, `EACCES`).
#[napi(catch_unwind)]
pub fn notify(socket: Option<String>, state: String) -> Result<bool, Error<&'static str>> {
    let Some(socket) = socket.filter(|socket| !socket.is_empty()) else {
        return Ok(false);
    };
    send(&socket, &state).map_err(Fault::thrown)?;
    Ok(true)
}

fn send(socket: &str, state: &str) -> Result<(), Fault> {
    if state.len() > MAX_STATE_BYTES {
        let text = format!(
            "a state of {} bytes is more than the {MAX_STATE_BYTES} that a service manager reads",
            state.len()
        );
        return Err(Fault::new("EMSGSIZE", text));
    }
    deliver(socket, state.as_bytes()).map_err(|error| Fault::os(&format!("notify {socket}"), &error))
}

fn deliver(socket: &str, state: &[u8]) -> io::Result<()> {
    let address = address(socket)?;
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    // A datagram is sent whole or not at all.
    sender.send_to_addr(state, &address).map(|_| ())
}

fn address(socket: &str) -> io::Result<SocketAddr> {
    match socket.strip_prefix('@') {
        Some(name) => abstract_address(name),
        None if socket.starts_with('/') => SocketAddr::from_pathname(socket),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the address is neither a path nor an abstract name",
        )),
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &str) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, "there are no abstract sockets here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a path, or an abstract name, that no other test uses.
    fn name(of: &str) -> String {
        format!("{}/muster-notify-{}-{of}", std::env::temp_dir().display(), std::process::id())
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 8192];
        let length = socket.recv(&mut buffer).expect("something was sent");
        String::from_utf8(buffer[..length].to_vec()).expect("it is text")
    }

    #[test]
    fn a_state_arrives_by_path_and_by_abstract_name() {
        let path = name("path");
        let by_path = UnixDatagram::bind(&path).expect("a socket");
        send(&path, "READY=1\nSTATUS=fine").expect("sent");
        assert_eq!(received(&by_path), "READY=1\nSTATUS=fine");
        std::fs::remove_file(&path).expect("removed");

        if cfg!(target_os = "linux") {
            let name = name("abstract");
            let by_name = UnixDatagram::bind_addr(&address(&format!("@{name}")).expect("an address"))
                .expect("a socket");
            send(&format!("@{name}"), "WATCHDOG=1").expect("sent");
            assert_eq!(received(&by_name), "WATCHDOG=1");
        }
    }

    #[test]
    fn the_longest_state_arrives_whole_and_a_longer_one_is_refused() {
        let path = name("long");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let longest = "é".repeat(MAX_STATE_BYTES / 2);
        send(&path, &longest).expect("sent");
        assert_eq!(received(&socket), longest);
        assert_eq!(send(&path, &format!("{longest}x")).map_err(|fault| fault.code), Err("EMSGSIZE"));
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_manager_that_does_not_read_causes_an_error_and_no_wait() {
        let path = name("full");
        let _unread = UnixDatagram::bind(&path).expect("a socket");
        let fault = (0..100_000).find_map(|_| send(&path, "WATCHDOG=1").err());
        assert!(matches!(fault.map(|fault| fault.code), Some("EAGAIN" | "ENOBUFS")));
        std::fs::remove_file(&path).expect("removed");
    }
}
