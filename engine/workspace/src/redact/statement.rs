//! Secrets in the text of a statement: the value behind the name of one.

use super::{REDACTED, Redactor, names_secret};

impl Redactor {
    /// The text of a statement or command without secrets: known values, and text in quotes or a word behind the name of a
    /// secret, as in `OPTIONS (app_secret: 'x')`, `token => 'x'`, `"password" 'x'` and `password=x`.
    #[must_use]
    pub fn statement(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut is_secret = false;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, behind) = rest.split_at(length(rest, first));
            rest = behind;
            match first {
                // What is between a name and its value.
                _ if first.is_whitespace() || matches!(first, '=' | ':' | '>') => out.push_str(piece),
                '\'' if is_secret => {
                    out.extend(["'", REDACTED, "'"]);
                    is_secret = false;
                }
                _ if is_word(first) && is_secret && is_assigned(&out) => {
                    out.push_str(REDACTED);
                    is_secret = false;
                }
                _ => {
                    is_secret = (is_word(first) || matches!(first, '\'' | '"')) && names_secret(piece);
                    out.push_str(piece);
                }
            }
        }
        self.text(&out)
    }
}

/// Whether the text before a word makes it the value of what stands before that.
fn is_assigned(before: &str) -> bool {
    before.trim_end().ends_with(['=', ':', '>'])
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/' | '+')
}

/// The length of the piece that `text` begins with: a word, text in quotes, or one character.
fn length(text: &str, first: char) -> usize {
    let body = text.get(first.len_utf8()..).unwrap_or_default();
    match first {
        '\'' | '"' => 1 + quoted_length(body, first),
        _ if is_word(first) => text.find(|letter| !is_word(letter)).unwrap_or(text.len()),
        _ => first.len_utf8(),
    }
}

/// The length of `body` up to its last quote; two quotes are one in it.
fn quoted_length(body: &str, quote: char) -> usize {
    let mut letters = body.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return place + 1;
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_behind_the_names_of_secrets_are_not_kept() {
        for (text, kept) in [
            ("OPTIONS (app_secret: 's3', table_id: 't')", "OPTIONS (app_secret: '***', table_id: 't')"),
            ("WITH (token = 's3')", "WITH (token = '***')"),
            ("f(api_key => 's3', n => 1)", "f(api_key => '***', n => 1)"),
            ("OPTIONS ('password' 's3', \"appSecret\" 's4')", "OPTIONS ('password' '***', \"appSecret\" '***')"),
            (".open a.csv as a password=s3-+/x header=true", ".open a.csv as a password=*** header=true"),
            ("SELECT token FROM t WHERE name = 'x'", "SELECT token FROM t WHERE name = 'x'"),
            ("SELECT tokens, 'a' FROM t", "SELECT tokens, 'a' FROM t"),
            ("password = 's3''s4' AND a = 1", "password = '***' AND a = 1"),
            ("password = 's3 that has no end", "password = '***'"),
            ("SELECT 'größe' AS a", "SELECT 'größe' AS a"),
        ] {
            assert_eq!(Redactor::default().statement(text), kept);
        }
        let redactor = Redactor::default().with_values(["canary-12345".to_owned()]);
        assert_eq!(redactor.statement("SELECT 'a canary-12345'"), "SELECT 'a ***'");
    }
}
