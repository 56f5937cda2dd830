//! The page around what is shown: its style, and what a browser may do with it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::{beginning, plain};

/// The style of every page, in both colour schemes.
pub(crate) const STYLE: &str = include_str!("style.css");

/// What tells a report from every other file.
pub(crate) const GENERATOR: &str = "velaria run report";

/// The most bytes of a title.
const TITLE_BYTES_MAX: usize = 400;

/// No script and nothing from elsewhere: what a hostile cell could ask for is refused a second time, by the browser.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page that stands alone: one file, without a network and without a script.
pub(crate) fn page(title: &str, body: &Markup) -> Markup {
    let head = html! {
        meta http-equiv="Content-Security-Policy" content=(POLICY);
        meta name="generator" content=(GENERATOR);
    };
    document(title, &head, body)
}

/// A page with `head` in its head after what all pages have.
pub(crate) fn document(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                (head)
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (plain(beginning(title, TITLE_BYTES_MAX))) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    }
}
