//! The page of the functions is what the engine answers now.

use velaria_conformance::functions::{PAGE, page};

use crate::repository::{root, text};

#[test]
fn the_page_of_the_functions_is_fresh() {
    let page = page(&root()).unwrap_or_else(|error| panic!("{error}"));
    let stale = "write it with `cargo run --release -p velaria-conformance -- functions --write`";
    assert!(page == text(&root().join(PAGE)), "{PAGE} is stale: {stale}");
}
