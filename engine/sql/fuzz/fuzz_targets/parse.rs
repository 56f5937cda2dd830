//! Any text is a statement or an error: reading it never panics, hangs or exhausts the stack.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = velaria_sql::parse(text);
});
