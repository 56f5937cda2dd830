//! What was read and rewritten prints as text that reads as the same statement.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(statement) = velaria_sql::parse(text) {
        let printed = statement.to_string();
        match velaria_sql::parse(&printed) {
            Ok(again) => assert_eq!(again.to_string(), printed, "{text:?}"),
            Err(error) => panic!("{text:?} printed as {printed:?}: {error}"),
        }
    }
});
