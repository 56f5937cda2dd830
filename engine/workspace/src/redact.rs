//! Secrets are not written down: neither what stands under the name of a secret nor the values of known ones.

mod statement;

use std::env;

use serde_json::Value;

use crate::Object;

/// What stands in the place of a secret.
pub const REDACTED: &str = "***";

/// Shorter values are found by chance in other text.
const VALUE_BYTES_MIN: usize = 8;

/// Replaces secrets by [`REDACTED`].
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    values: Values,
}

/// Known secrets, the longest first. They are never printed.
#[derive(Clone, Default)]
struct Values(Vec<String>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values", self.0.len())
    }
}

impl Redactor {
    /// A redactor that knows the values of the environment's secrets, such as `FEISHU_BITABLE_APP_SECRET`.
    #[must_use]
    pub fn from_env() -> Self {
        let named =
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::default().with_values(named.filter(|(name, value)| holds_secret(name, value)).map(|(_, value)| value))
    }

    /// The same redactor with more known secrets; text of less than eight bytes is not one.
    #[must_use]
    pub fn with_values(mut self, values: impl IntoIterator<Item = String>) -> Self {
        let known = &mut self.values.0;
        known.extend(values.into_iter().filter(|value| value.len() >= VALUE_BYTES_MIN));
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
        self
    }

    /// `object` without secrets.
    #[must_use]
    pub fn object(&self, object: &Object) -> Object {
        object.iter().map(|(key, value)| (key.clone(), self.field(key, value))).collect()
    }

    /// `text` without known secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.values.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED))
    }

    fn field(&self, key: &str, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::String(text) if is_structure(key, text) => value.clone(),
            // `max_tokens` is a number of tokens.
            Value::Number(_) if words(key).any(|word| word == "tokens") => value.clone(),
            _ if names_secret(key) => Value::String(REDACTED.to_owned()),
            _ => self.value(value),
        }
    }

    /// An element of a list without secrets, such as `api_key=...`: lists of parameters and options have names in them.
    fn item(&self, value: &Value) -> Value {
        match value.as_str().and_then(|text| text.split_once('=')) {
            Some((name, _)) if is_name(name) && names_secret(name) => Value::String(format!("{name}={REDACTED}")),
            _ => self.value(value),
        }
    }

    /// `value` without secrets.
    pub(crate) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.item(item)).collect()),
            Value::Object(object) => Value::Object(self.object(object)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

/// Whether `name` can be the name of a parameter or an option: text with more in it, such as a statement, is not one.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

/// Whether `text` at `key` says which run it is, how it stands or where things are: others rely on it as it is, also where
/// a secret of the environment, which may be a usual word, has the same text.
fn is_structure(key: &str, text: &str) -> bool {
    match key {
        "status" | "created_at" | "finished_at" | "action" | "velaria_version" | "format" | "uri" | "run_dir" => true,
        _ if names_secret(key) => false,
        // An address of another system has its credentials before an `@` or behind a `?`.
        _ if key.ends_with("_uri") => !text.contains(['@', '?']),
        _ => key.ends_with("_id"),
    }
}

/// Whether the environment variable `name` holds a secret, and not the place of one.
fn holds_secret(name: &str, value: &str) -> bool {
    let place = |word: String| matches!(word.as_str(), "file" | "path" | "dir" | "url" | "uri" | "name" | "id");
    names_secret(name) && !words(name).last().is_some_and(place) && !value.starts_with('/')
}

/// Whether `key` is the name of a secret in any usual spelling: `app_secret`, `appSecret`, `API-KEY`.
fn names_secret(key: &str) -> bool {
    let words: Vec<String> = words(key).collect();
    let secret = |word: &String| {
        matches!(
            word.as_str(),
            "secret"
                | "secrets"
                | "token"
                | "tokens"
                | "password"
                | "passwords"
                | "passwd"
                | "pwd"
                | "passphrase"
                | "authorization"
                | "credential"
                | "credentials"
                | "apikey"
                | "bearer"
                | "cookie"
        )
    };
    let key_of = |pair: &[String]| {
        matches!((pair[0].as_str(), pair[1].as_str()), ("api" | "access" | "private", "key" | "keys"))
    };
    words.iter().any(secret) || words.windows(2).any(key_of)
}

/// The words of a name, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut before_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && before_lower {
            spaced.push(' ');
        }
        before_lower = letter.is_lowercase();
        spaced.push(if letter.is_alphanumeric() { letter } else { ' ' });
    }
    spaced.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_any_spelling() {
        for name in [
            "app_secret",
            "appSecret",
            "APP-SECRET",
            "token",
            "page token",
            "API_KEY",
            "apiKey",
            "Authorization",
            "db.password",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in
            ["query", "tokenizer", "keyboard", "key", "secretary", "passenger", "monkey", "group_keys", "author"]
        {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_replaced_at_any_depth_and_the_rest_stays() {
        let args = json!({
            "csv": "a.csv", "app_secret": "s", "max_tokens": 5, "token": null, "run_dir": "/x/canary-12345",
            "nested": [{"password": ["a", "b"]}, "https://h/?k=canary-12345"],
            "params": ["api_key=k=1", "name=x", "SELECT 1 AS token=1"],
        });
        let redactor = Redactor::default().with_values(["canary-12345".to_owned(), "short".to_owned()]);
        assert_eq!(
            Value::Object(redactor.object(args.as_object().unwrap())),
            json!({
                "csv": "a.csv", "app_secret": "***", "max_tokens": 5, "token": null, "run_dir": "/x/canary-12345",
                "nested": [{"password": "***"}, "https://h/?k=***"],
                "params": ["api_key=***", "name=x", "SELECT 1 AS token=1"],
            })
        );
        assert_eq!(format!("{redactor:?}"), "Redactor { values: 1 values }");
    }

    #[test]
    fn structure_stays_also_where_a_secret_has_its_text() {
        let redactor = Redactor::default().with_values(["succeeded".to_owned(), "20261121".to_owned()]);
        let record = json!({
            "run_id": "20261121T073807Z_0", "status": "succeeded", "created_at": "20261121", "finished_at": "20261121",
            "action": "succeeded", "velaria_version": "20261121", "format": "succeeded", "uri": "file:///20261121",
            "run_dir": "/20261121", "source_uri": "file:///20261121", "details": {"explain_artifact_id": "20261121"},
        });
        assert_eq!(Value::Object(redactor.object(record.as_object().unwrap())), record);
        let secrets = json!({
            "token_id": "abc", "database_uri": "pg://me:succeeded@h/d", "user_id": {"name": "succeeded"}, "error": "succeeded",
        });
        assert_eq!(
            Value::Object(redactor.object(secrets.as_object().unwrap())),
            json!({"token_id": "***", "database_uri": "pg://me:***@h/d", "user_id": {"name": "***"}, "error": "***"})
        );
    }

    #[test]
    fn a_variable_with_the_place_of_a_secret_is_not_a_secret() {
        assert!(holds_secret("FEISHU_BITABLE_APP_SECRET", "abcdefgh"));
        assert!(!holds_secret("TOKEN_FILE", "abcdefgh"));
        assert!(!holds_secret("GIT_CREDENTIALS", "/root/.netrc"));
        assert!(!holds_secret("HOME", "abcdefgh"));
    }
}
