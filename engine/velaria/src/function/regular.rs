//! Regular expressions in the syntax of the regex crate: no back references, and time linear in the text.

use std::cell::RefCell;

use datafusion::error::Result;
use regex::{Regex, RegexBuilder};

use super::kernel::{Kind, Row, Spec, Value, invalid};

use Kind::{Bool, Int, Text, Texts};

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("regexp_matches", &[Text, Text, Text], Bool, |row| {
        with_regex(row.text(1), row.text(2), |regex| Ok(Value::Bool(regex.is_match(row.text(0)))))
    })
    .optional(1),
    Spec::new("regexp_full_match", &[Text, Text, Text], Bool, |row| {
        let pattern = format!(r"\A(?:{})\z", row.text(1));
        with_regex(&pattern, row.text(2), |regex| Ok(Value::Bool(regex.is_match(row.text(0)))))
    })
    .optional(1),
    Spec::new("regexp_extract", &[Text, Text, Int, Text], Text, extract).optional(2).or(&["regexp_substr"]),
    Spec::new("regexp_extract_all", &[Text, Text, Int, Text], Texts, extract_all).optional(2),
    Spec::new("regexp_split_to_array", &[Text, Text, Text], Texts, |row| {
        with_regex(row.text(1), row.text(2), |regex| {
            Ok(Value::Texts(regex.split(row.text(0)).map(|part| Some(part.to_owned())).collect()))
        })
    })
    .optional(1)
    .or(&["string_split_regex", "str_split_regex"]),
    Spec::new("regexp_escape", &[Text], Text, |row| Ok(Value::Text(regex::escape(row.text(0))))),
];

/// The first match, or one of its groups; empty where there is none.
fn extract(row: &Row<'_>) -> Result<Value> {
    with_regex(row.text(1), row.text(3), |regex| {
        let group = group(row, regex)?;
        let found = regex.captures(row.text(0)).and_then(|captures| captures.get(group));
        Ok(Value::Text(found.map(|found| found.as_str().to_owned()).unwrap_or_default()))
    })
}

fn extract_all(row: &Row<'_>) -> Result<Value> {
    with_regex(row.text(1), row.text(3), |regex| {
        let group = group(row, regex)?;
        let matches = regex.captures_iter(row.text(0));
        Ok(Value::Texts(matches.map(|captures| captures.get(group).map(|found| found.as_str().to_owned())).collect()))
    })
}

fn group(row: &Row<'_>, regex: &Regex) -> Result<usize> {
    let wanted = row.int(2);
    match usize::try_from(wanted) {
        Ok(group) if group < regex.captures_len() => Ok(group),
        _ => Err(invalid(format!("the regular expression has no group {wanted}"))),
    }
}

thread_local! {
    /// The last expression: it is nearly always the same for all rows.
    static LAST: RefCell<Option<(String, String, Regex)>> = const { RefCell::new(None) };
}

fn with_regex<T>(pattern: &str, options: &str, run: impl FnOnce(&Regex) -> Result<T>) -> Result<T> {
    let cached = LAST.with_borrow(|last| match last {
        Some((known, known_options, regex)) if known == pattern && known_options == options => Some(regex.clone()),
        _ => None,
    });
    if let Some(regex) = cached {
        return run(&regex);
    }
    let regex = compile(pattern, options)?;
    LAST.set(Some((pattern.to_owned(), options.to_owned(), regex.clone())));
    run(&regex)
}

fn compile(pattern: &str, options: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    for option in options.chars() {
        match option {
            'i' => builder.case_insensitive(true),
            'c' => builder.case_insensitive(false),
            's' => builder.dot_matches_new_line(true),
            'm' | 'n' | 'p' => builder.multi_line(true),
            'x' => builder.ignore_whitespace(true),
            // Every function says by its name whether it looks for one match or all.
            'g' => &mut builder,
            other => return Err(invalid(format!("unknown option of a regular expression: '{other}'"))),
        };
    }
    builder.build().map_err(|_| invalid("invalid regular expression"))
}
