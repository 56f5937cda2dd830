//! Whether a CSV file may be cut at any line end.
//!
//! A line end inside a quoted field is data. Quotes come in pairs (a doubled quote is two of them), so a line end is
//! data exactly when an odd number of quotes stands before it.

use std::io::Read;

const CHUNK_BYTES: usize = 1 << 20;

/// Reads everything and tells whether every line end stands outside of quotes. Text that cannot be read cannot be cut.
pub(crate) fn never_hold_line_ends(mut text: impl Read, quote: u8) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut inside = false;
    loop {
        match text.read(&mut chunk) {
            Ok(0) => return !inside,
            Ok(length) => match scan(&chunk[..length], quote, inside) {
                Some(state) => inside = state,
                None => return false,
            },
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Whether a quoted field is open after `bytes`, or `None` once a line end stands inside one.
fn scan(mut bytes: &[u8], quote: u8, mut inside: bool) -> Option<bool> {
    while let Some(open) = next_quote(bytes, quote, inside)? {
        inside = !inside;
        bytes = &bytes[open + 1..];
    }
    Some(inside)
}

fn next_quote(bytes: &[u8], quote: u8, inside: bool) -> Option<Option<usize>> {
    if !inside {
        return Some(memchr::memchr(quote, bytes));
    }
    match memchr::memchr3(quote, b'\n', b'\r', bytes) {
        Some(index) if bytes[index] == quote => Some(Some(index)),
        Some(_) => None,
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_ends_inside_quotes_forbid_cutting() {
        let splittable = |text: &str| never_hold_line_ends(text.as_bytes(), b'"');
        assert!(splittable("a,b\n1,2\n"));
        assert!(splittable("a,b\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n"));
        assert!(!splittable("a,b\n\"x\ny\",2\n"));
        assert!(!splittable("a,b\n\"never closed,2\n"));
        assert!(!splittable("a\n\"x\"\"\n\"\"y\"\n"));
    }

    #[test]
    fn a_quoted_field_may_span_two_chunks() {
        let text = format!("{}\"{}\n\"", "x".repeat(CHUNK_BYTES - 3), "y".repeat(10));
        assert!(!never_hold_line_ends(text.as_bytes(), b'"'));
        let text = format!("{}\"{}\"\n", "x".repeat(CHUNK_BYTES - 3), "y".repeat(10));
        assert!(never_hold_line_ends(text.as_bytes(), b'"'));
    }
}
