//! The page of the functions is what the engine answers now, and so is what the engine says of them.

use velaria_conformance::functions::{HELP, PAGE, help, page};

use crate::repository::{root, text};

#[test]
fn the_page_of_the_functions_is_fresh() {
    let page = page(&root()).unwrap_or_else(|error| panic!("{error}"));
    let stale = "write it with `cargo run --release -p velaria-conformance -- functions --write`";
    assert!(page == text(&root().join(PAGE)), "{PAGE} is stale: {stale}");
}

#[test]
fn the_help_of_the_functions_is_fresh() {
    let help = help(&root()).unwrap_or_else(|error| panic!("{error}"));
    let stale = "write it with `cargo run --release -p velaria-conformance -- functions --write`";
    assert!(help == text(&root().join(HELP)), "{HELP} is stale: {stale}");
}
