//! The fields of an address or of a form.

use url::form_urlencoded;

/// The fields of `text`, as browsers write them; the first of a name counts.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(text: &[u8]) -> Self {
        let field = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (name.into_owned(), value.into_owned())
        };
        Self(form_urlencoded::parse(text).map(field).collect())
    }

    /// The value of `name`, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// The number that `name` says; what is no number says nothing.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }
}

/// The address `path` with the fields that have a value.
pub(super) fn address(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let mut written = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            written.append_pair(name, value);
        }
    }
    match written.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// `text` as a part of a path.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

/// The text that a part of a path says.
pub(super) fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            result.push(u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()?);
            at += 3;
        } else {
            result.push(byte);
            at += 1;
        }
    }
    String::from_utf8(result).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        let text = address("/", &[("q", Some("a b&c=ü+%")), ("status", None), ("tag", Some("")), ("n", Some("7"))]);
        let fields = Fields::parse(text.strip_prefix("/?").unwrap().as_bytes());
        assert_eq!((fields.text("q"), fields.text("status"), fields.text("tag")), (Some("a b&c=ü+%"), None, None));
        assert_eq!((fields.number("n"), fields.number("q"), fields.number("missing")), (Some(7), None, None));
        assert_eq!(address("/sql", &[]), "/sql");
    }

    #[test]
    fn a_part_of_a_path_reads_back() {
        for text in ["", "artifact_0", "a/b?c#d e%41", "ü\u{202e}"] {
            let part = encoded(text);
            assert!(part.is_ascii() && !part.contains(['/', '?', '#', ' ', '"', '<']), "{part}");
            assert_eq!(decoded(&part).as_deref(), Some(text));
        }
        for text in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
