//! An exact reader of JSON: numbers keep their text, objects keep their order.
//!
//! A general reader turns `0.1` into a binary number by its own algorithm, which may be off by one unit in the last
//! place; a conformance run must compare what the surface printed, so numbers stay text until [`crate::render`].

/// A JSON value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The digits as they were written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// The members in their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads exactly one value.
    ///
    /// # Errors
    /// Says at which byte the text stops being JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value()?;
        reader.skip_space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.unexpected()) }
    }

    /// The member `name` of an object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Array(_) => None,
        }
    }

    /// The items of an array.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Json, String> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) | None => self.word(),
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut members = Vec::new();
        self.list(b'{', b'}', |reader| {
            reader.skip_space();
            let key = reader.string()?;
            reader.skip_space();
            reader.expect(b':')?;
            members.push((key, reader.value()?));
            Ok(())
        })?;
        Ok(Json::Object(members))
    }

    fn array(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        self.list(b'[', b']', |reader| {
            items.push(reader.value()?);
            Ok(())
        })?;
        Ok(Json::Array(items))
    }

    fn list(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(open)?;
        self.skip_space();
        if self.take(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_space();
            if self.take(close) {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.unexpected()),
            }
        }
        self.at += 1;
        // The escapes are the library's business; only numbers have to be read here.
        serde_json::from_str(self.slice(start)?).map_err(|error| error.to_string())
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.slice(start)?;
        text.parse::<f64>().map_err(|_| self.unexpected())?;
        Ok(Json::Number(text.to_owned()))
    }

    fn word(&mut self) -> Result<Json, String> {
        let words = [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        for (word, value) in words {
            if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.unexpected())
    }

    fn slice(&self, start: usize) -> Result<&'a str, String> {
        self.text.get(start..self.at).ok_or_else(|| self.unexpected())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> String {
        format!("not JSON at byte {} of: {}", self.at, self.text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text_and_objects_their_order() {
        let json = Json::parse(r#" {"b": [1.0, 1e300, -0.0, 18446744073709551615], "a": {"": null}} "#).unwrap();
        let numbers: Vec<&str> = json
            .get("b")
            .and_then(Json::items)
            .unwrap()
            .iter()
            .map(|item| match item {
                Json::Number(text) => text.as_str(),
                other => panic!("not a number: {other:?}"),
            })
            .collect();
        assert_eq!(numbers, ["1.0", "1e300", "-0.0", "18446744073709551615"]);
        assert!(matches!(&json, Json::Object(members) if members[0].0 == "b" && members[1].0 == "a"));
    }

    #[test]
    fn strings_are_unescaped() {
        let json = Json::parse(r#"["a\"b\\", "é\u00e9\ud83d\ude00", ""]"#).unwrap();
        let texts: Vec<&str> = json.items().unwrap().iter().filter_map(Json::text).collect();
        assert_eq!(texts, ["a\"b\\", "éé😀", ""]);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "[1,]", "{\"a\"}", "\"a", "1 2", "nul", "[1 2]", "-", "\"\\", "{\"a\":1,}"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
