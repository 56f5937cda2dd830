//! Whether a CSV file may be cut at any line end.
//!
//! A line end inside a quoted field is data. Quotes come in pairs (a doubled quote is two of them), so a line end is
//! data exactly when an odd number of quotes stands before it.

use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::LocalFile;

const CHUNK_BYTES: usize = 1 << 20;

/// Whether every line end of the file stands outside of quotes; a file that cannot be read cannot be cut either.
///
/// Most files hold no quote at all, which `threads` parts find out at the same time; only the others are read in order.
pub(crate) fn splittable(file: &LocalFile, quote: u8, threads: usize) -> bool {
    holds_no_quote(file, quote, threads) || file.reader().is_ok_and(|content| never_hold_line_ends(content, quote))
}

fn holds_no_quote(file: &LocalFile, quote: u8, threads: usize) -> bool {
    let Ok(bytes) = file.path().metadata().map(|metadata| metadata.len()) else { return false };
    let part_bytes = bytes.div_ceil(threads.max(1) as u64).max(1);
    let found = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for start in (0..bytes).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX)) {
            let found = &found;
            scope.spawn(move || {
                if !part_holds_no_quote(file, quote, start, part_bytes, found) {
                    found.store(true, Ordering::Relaxed);
                }
            });
        }
    });
    !found.load(Ordering::Relaxed)
}

fn part_holds_no_quote(file: &LocalFile, quote: u8, start: u64, bytes: u64, stop: &AtomicBool) -> bool {
    let Ok(mut content) = file.reader() else { return false };
    if content.seek(SeekFrom::Start(start)).is_err() {
        return false;
    }
    let mut part = content.take(bytes);
    let mut chunk = vec![0; CHUNK_BYTES];
    while !stop.load(Ordering::Relaxed) {
        match part.read(&mut chunk) {
            Ok(0) => return true,
            Ok(length) if memchr::memchr(quote, &chunk[..length]).is_none() => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

/// Reads everything and tells whether every line end stands outside of quotes. Text that cannot be read cannot be cut.
fn never_hold_line_ends(mut text: impl Read, quote: u8) -> bool {
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
    fn parts_agree_with_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        for (text, expected) in [("a,b\n1,2\n", true), ("a\n\"x\"\n", true), ("a\n\"x\ny\"\n", false)] {
            std::fs::write(&path, text).unwrap();
            let file = LocalFile::open(&crate::FileAccess::default(), path.to_str().unwrap()).unwrap();
            for threads in 1..5 {
                assert_eq!(splittable(&file, b'"', threads), expected, "{text:?} in {threads} parts");
            }
        }
        let file = LocalFile::open(&crate::FileAccess::default(), path.to_str().unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!splittable(&file, b'"', 2));
    }

    #[test]
    fn a_quoted_field_may_span_two_chunks() {
        let text = format!("{}\"{}\n\"", "x".repeat(CHUNK_BYTES - 3), "y".repeat(10));
        assert!(!never_hold_line_ends(text.as_bytes(), b'"'));
        let text = format!("{}\"{}\"\n", "x".repeat(CHUNK_BYTES - 3), "y".repeat(10));
        assert!(never_hold_line_ends(text.as_bytes(), b'"'));
    }
}
