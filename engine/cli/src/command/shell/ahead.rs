//! Lines that were typed while a statement ran.
//!
//! The terminal keeps them, and the line editor would read all of them at once and run the first only.

/// The whole lines that wait to be read.
#[cfg(unix)]
pub(super) fn read() -> String {
    use std::io;

    let mut typed = Vec::new();
    let mut line = [0; 4096];
    // Between two prompts the terminal hands out lines, and only those that are whole.
    while rustix::io::ioctl_fionread(io::stdin()).is_ok_and(|waiting| waiting > 0) {
        match rustix::io::read(io::stdin(), &mut line) {
            Ok(length) if length > 0 => typed.extend_from_slice(line.get(..length).unwrap_or_default()),
            _ => break,
        }
    }
    String::from_utf8_lossy(&typed).into_owned()
}

#[cfg(not(unix))]
pub(super) fn read() -> String {
    String::new()
}
