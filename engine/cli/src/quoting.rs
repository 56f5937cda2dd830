//! Names and text as they stand in a statement.

/// `text` between two `quote`s; one in it is doubled.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let doubled: String = [quote, quote].iter().collect();
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}
