//! What is around every page.

use maud::{DOCTYPE, Markup, html};
use velaria::Error;

use super::Site;
use super::cell::text;

/// A page with the way to the others.
pub(super) fn whole(site: &Site, title: &str, body: &Markup) -> Markup {
    let head = html! { script src="/ui.js" defer {} };
    let body = html! {
        header class="site" {
            nav {
                a class="brand" href="/" { "Velaria" }
                a href="/" { "Runs" }
                a href="/artifacts" { "Artifacts" }
                @if site.options.sql { a href="/sql" { "SQL" } }
            }
            span class="faint" title="The home of these runs" { (text(&site.home.root().display().to_string())) }
        }
        main { (body) }
    };
    bare(title, &head, &body)
}

/// A page alone.
pub(super) fn bare(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (text(title)) " · Velaria" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/ui.css";
                (head)
            }
            body { (body) }
        }
    }
}

/// An error, with the place that it is about.
pub(super) fn error(error: &Error) -> Markup {
    let report = error.report();
    html! {
        div class="error" role="alert" {
            p { strong { (report.code) } " " (text(&report.message)) }
            @if let Some(position) = &report.position {
                pre { (text(&position.text)) "\n" (caret(position.column, position.length)) }
            }
            @if let Some(hint) = &report.hint { p class="hint" { (text(hint)) } }
        }
    }
}

/// Marks `length` characters from the one with the number `column`, which starts at 1.
fn caret(column: usize, length: usize) -> String {
    format!("{}{}", " ".repeat(column.saturating_sub(1)), "^".repeat(length.max(1)))
}
