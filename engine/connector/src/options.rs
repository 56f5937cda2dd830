//! The options of readers, as text: the same words in SQL `OPTIONS`, in Python keywords and on the command line.
//!
//! Every format takes the values that it knows out of this list and refuses the rest by name, so that a misspelt option is
//! never ignored.

use velaria_contract::{Error, ErrorCode, Result};

/// Names and values, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    entries: Vec<(String, String)>,
}

impl ReadOptions {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These options with one more; a name that was there gets the new value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        let key = key.to_lowercase();
        self.entries.retain(|(own, _)| *own != key);
        self.entries.push((key, value.into()));
        self
    }

    /// The value of an option.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// The value of an option that is on or off.
    ///
    /// # Errors
    /// `VEL-7001` for another value than `true` or `false`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.parsed(key, "true or false", |text| match text.to_lowercase().as_str() {
            "true" | "on" | "1" | "yes" => Some(true),
            "false" | "off" | "0" | "no" => Some(false),
            _ => None,
        })
    }

    /// The value of an option that is a count.
    ///
    /// # Errors
    /// `VEL-7001` for anything but a whole number from 0 on.
    pub fn count(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, "a whole number from 0 on", |text| text.trim().parse().ok())
    }

    /// The value of an option that is a list: a JSON array of texts, or one text alone.
    ///
    /// # Errors
    /// `VEL-7001` for an array of other things.
    pub fn list(&self, key: &str) -> Result<Option<Vec<String>>> {
        self.parsed(key, "a text or a JSON array of texts", |text| {
            if !text.trim_start().starts_with('[') {
                return Some(vec![text.to_owned()]);
            }
            serde_json::from_str(text).ok()
        })
    }

    /// The value of an option that has a text for each of some names: a JSON object, in its order.
    ///
    /// # Errors
    /// `VEL-7001` for anything else.
    pub fn map(&self, key: &str) -> Result<Option<Vec<(String, String)>>> {
        self.parsed(key, "a JSON object of texts", |text| {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
            object.into_iter().map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
        })
    }

    /// The value of an option, read by `parse`; `expected` says what it may be.
    ///
    /// # Errors
    /// `VEL-7001` for a value that `parse` does not know.
    pub fn parsed<T>(&self, key: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::new(ErrorCode::InvalidArgument, format!("option {key} is not {expected}: {text:?}"))),
        }
    }

    /// Checks that every option is one of `known`, those of `reader`.
    ///
    /// # Errors
    /// `VEL-7001` for any other, with the name that was meant.
    pub fn check(&self, reader: &str, known: &[&str]) -> Result<()> {
        let Some((key, _)) = self.entries.iter().find(|(key, _)| !known.contains(&key.as_str())) else { return Ok(()) };
        let error = Error::new(ErrorCode::InvalidArgument, format!("unknown option of {reader}: {key}"));
        let closest = known.iter().map(|name| (strsim::damerau_levenshtein(key, name), *name)).min();
        Err(match closest.filter(|(distance, _)| *distance <= 3) {
            Some((_, meant)) => error.with_hint(format!("did you mean {meant}?")),
            None => error.with_hint(format!("there are: {}", known.join(", "))),
        })
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// These options without the ones in `keys`, which another reader takes.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        self.entries.retain(|(key, _)| !keys.contains(&key.as_str()));
        self
    }
}

/// The names in `texts`: a text alone may hold several, with commas between them.
pub(crate) fn split_names(texts: Vec<String>) -> Vec<String> {
    match texts.as_slice() {
        [only] => only.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        _ => texts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_or_refused_by_name() {
        let options = ReadOptions::new().with("Header", "true").with("nulls", r#"["NA", "-"]"#).with("rows", "x");
        assert_eq!(options.flag("header").unwrap(), Some(true));
        assert_eq!(options.list("nulls").unwrap().unwrap(), ["NA", "-"]);
        assert_eq!(options.flag("quote").unwrap(), None);
        let error = options.count("rows").unwrap_err();
        assert_eq!(error.message(), r#"option rows is not a whole number from 0 on: "x""#);
    }

    #[test]
    fn a_misspelt_option_is_not_ignored() {
        let error = ReadOptions::new().with("delimitor", ";").check("csv", &["delimiter", "quote"]).unwrap_err();
        assert_eq!(error.message(), "unknown option of csv: delimitor");
        assert_eq!(error.hint(), Some("did you mean delimiter?"));
    }
}
