//! What is around every page.

use maud::{DOCTYPE, Markup, html};
use velaria::{Error, Position};

use super::Site;
use super::cell::line;
use crate::report::text::{plain, visible};

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
            span class="home soft" title="The home of these runs" { (line(&site.home.root().display().to_string())) }
        }
        (body)
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
                title { (plain(title)) " · Velaria" }
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
        div class="failure" role="alert" {
            p { strong { (report.code) } " " (visible(&report.message)) }
            @if let Some(position) = &report.position { (place(position)) }
            @if let Some(hint) = &report.hint { p class="hint" { (visible(hint)) } }
        }
    }
}

/// The line of the error, with its place marked.
fn place(position: &Position) -> Markup {
    let letters: Vec<char> = position.text.chars().collect();
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let from = number(position.column.saturating_sub(1)).min(letters.len());
    let to = from.saturating_add(number(position.length)).min(letters.len());
    let part = |range: &[char]| visible(&range.iter().collect::<String>());
    html! {
        pre {
            (part(&letters[..from]))
            mark { @if from == to { " " } (part(&letters[from..to])) }
            (part(&letters[to..]))
        }
    }
}
