//! Values of records in pages. All text of unknown origin passes [`crate::report::text`].

use maud::{Markup, html};
use serde_json::Value;
use velaria_workspace::Object;

use crate::report::number::Unit;
use crate::report::text::clipped;

/// Bytes of a name or a sentence that are shown.
const LINE_BYTES_MAX: usize = 600;

/// The text at `key`, or none.
pub(super) fn field<'a>(object: &'a Object, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A name or a sentence.
pub(super) fn line(text: &str) -> Markup {
    clipped(text, LINE_BYTES_MAX)
}

/// A time that passed, between two moments that are known to the second.
pub(super) fn duration(elapsed_ms: Option<&Value>) -> String {
    match elapsed_ms.and_then(Value::as_f64) {
        None => String::new(),
        Some(elapsed_ms) if elapsed_ms < 1_000.0 => "< 1 s".to_owned(),
        Some(elapsed_ms) => Unit::Milliseconds.text(elapsed_ms),
    }
}

/// Labels.
pub(super) fn tags(value: Option<&Value>) -> Markup {
    let tags = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    html! { @for tag in tags.take(20) { span class="tag" { (line(tag)) } " " } }
}
