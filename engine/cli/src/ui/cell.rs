//! Values in pages: nothing in a text can hide, reorder or flood what is around it.

use maud::{Markup, html};
use serde_json::Value;
use velaria_workspace::{Object, RunStatus};

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 1000;

/// The text at `key`, or none.
pub(super) fn field<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A text of a page.
pub(super) fn text(text: &str) -> Markup {
    html! { (visible(text)) }
}

/// A value of a table, which is cut where it is long.
pub(super) fn cut(text: &str) -> Markup {
    match text.char_indices().nth(SHOWN_MAX) {
        None => self::text(text),
        Some((end, _)) => html! {
            (visible(&text[..end])) span class="faint" { "… (" (text.chars().count()) " characters)" }
        },
    }
}

/// The word for a status.
pub(super) fn status(word: &str) -> Markup {
    let known = RunStatus::parse(word).map_or("unknown", RunStatus::as_str);
    html! { span class={ "status " (known) } { (text(word)) } }
}

/// A number of milliseconds for people.
pub(super) fn duration(elapsed_ms: Option<f64>) -> String {
    match elapsed_ms {
        None => String::new(),
        Some(ms) if ms < 1_000.0 => format!("{ms:.0} ms"),
        Some(ms) if ms < 60_000.0 => format!("{:.1} s", ms / 1_000.0),
        Some(ms) if ms < 3_600_000.0 => format!("{:.1} min", ms / 60_000.0),
        Some(ms) => format!("{:.1} h", ms / 3_600_000.0),
    }
}

/// Labels.
pub(super) fn tags(value: Option<&Value>) -> Markup {
    let tags = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    html! { @for tag in tags { span class="tag" { (text(tag)) } " " } }
}
