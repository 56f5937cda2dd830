//! Text of unknown origin: escaped, and what would hide or reorder it made visible.

use std::borrow::Cow;
use std::fmt::Write;

use maud::{Markup, PreEscaped, Render};

/// `text`, with a mark in the place of each character that would hide or reorder what stands around it.
pub(crate) fn visible(text: &str) -> Markup {
    let mut buffer = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        let (before, from) = rest.split_at(at);
        before.render_to(&mut buffer);
        let mut letters = from.chars();
        if let Some(letter) = letters.next() {
            // Writing into a string works.
            let _ = write!(buffer, "<span class=\"odd\">{}</span>", name(letter));
        }
        rest = letters.as_str();
    }
    rest.render_to(&mut buffer);
    PreEscaped(buffer)
}

/// `text` for a place that holds no elements, such as an attribute or a title; maud escapes it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let shown = |letter| if is_odd(letter) { format!("<{}>", name(letter)) } else { String::from(letter) };
    Cow::Owned(text.chars().map(shown).collect())
}

/// The beginning of `text` whose [`visible`] form takes at most `bytes_max`.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut left = bytes_max;
    let fits = |letter: &char| spend(&mut left, *letter);
    let bytes = text.chars().take_while(fits).map(char::len_utf8).sum();
    text.get(..bytes).unwrap_or_default()
}

/// The end of `text` whose [`visible`] form takes at most `bytes_max`.
pub(crate) fn ending(text: &str, bytes_max: usize) -> &str {
    let mut left = bytes_max;
    let fits = |letter: &char| spend(&mut left, *letter);
    let bytes: usize = text.chars().rev().take_while(fits).map(char::len_utf8).sum();
    text.get(text.len() - bytes..).unwrap_or_default()
}

/// [`visible`] of as much of `text` as fits into `bytes_max`, with dots in the place of the rest.
pub(crate) fn clipped(text: &str, bytes_max: usize) -> Markup {
    let shown = beginning(text, bytes_max);
    let dots = if shown.len() < text.len() { "…" } else { "" };
    PreEscaped(visible(shown).into_string() + dots)
}

fn spend(left: &mut usize, letter: char) -> bool {
    match left.checked_sub(cost(letter)) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

/// The bytes of `letter` in the [`visible`] form.
fn cost(letter: char) -> usize {
    match letter {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        '"' => "&quot;".len(),
        _ if is_odd(letter) => "<span class=\"odd\"></span>".len() + name(letter).len(),
        _ => letter.len_utf8(),
    }
}

fn name(letter: char) -> String {
    format!("U+{:04X}", u32::from(letter))
}

/// Whether `letter` has no shape of its own but an effect: control characters, directions, what is as wide as nothing.
///
/// The two joiners stay: Persian, Indic scripts and emoji cannot be written without them.
fn is_odd(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(visible("<script>\"a\" & b</script>").0, "&lt;script&gt;&quot;a&quot; &amp; b&lt;/script&gt;");
    }

    #[test]
    fn what_hides_is_shown() {
        assert_eq!(visible("a\u{202e}b\0").0, "a<span class=\"odd\">U+202E</span>b<span class=\"odd\">U+0000</span>");
        assert_eq!(plain("a\u{202e}b"), "a<U+202E>b");
        let joined = "👩\u{200d}💻 می\u{200c}خواهم\n\tx";
        assert_eq!((visible(joined).0.as_str(), plain(joined).as_ref()), (joined, joined));
    }

    #[test]
    fn a_part_of_a_text_has_the_size_that_it_is_given() {
        let text = "a<b>&\"\u{202e}ü北\n".repeat(20);
        for bytes in 0..text.len() * 8 {
            for part in [beginning(&text, bytes), ending(&text, bytes)] {
                assert!(visible(part).0.len() <= bytes, "{bytes}");
            }
        }
        let whole = visible(&text).0.len();
        assert_eq!((beginning(&text, whole), ending(&text, whole)), (text.as_str(), text.as_str()));
        assert!(beginning(&text, whole - 1).len() < text.len());
        assert_eq!(clipped("abc", 2).0, "ab…");
    }
}
