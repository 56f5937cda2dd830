//! The errors of this source.

use velaria_contract::{Error, ErrorCode};

/// More of an answer is not shown.
const SHOWN_CHARS: usize = 500;

/// The beginning of `text`, on one line.
pub(super) fn shown(text: &str) -> String {
    let line: String = text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() { format!("{line}…") } else { line }
}

/// The service answered `code` to `what`.
pub(super) fn refused(what: &str, code: &str, message: &str, log_id: Option<&str>) -> Error {
    let error =
        Error::new(ErrorCode::ServiceRefused, format!("{what} failed: code={} msg={}", shown(code), shown(message)));
    let hints: Vec<String> = advice(code).map(str::to_owned).into_iter().chain(log_id.map(log_hint)).collect();
    if hints.is_empty() { error } else { error.with_hint(hints.join("; ")) }
}

/// What support of the service asks for.
pub(super) fn log_hint(log_id: &str) -> String {
    format!("log id of the service: {}", shown(log_id))
}

/// The answer is not what was promised.
pub(super) fn unexpected(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::ServiceAnswer, message)
}

/// What a person does about a code that the service documents.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "1254040" | "1254003" => "there is no Base of this app token; the token stands behind /base/ in the address",
        "1254041" | "1254004" => "there is no table of this id; the id stands behind table= in the address",
        "1254042" | "1254005" => "there is no view of this id; the id stands behind view= in the address",
        "1254045" => "there is no field of this name; names count upper and lower case",
        "1254302" | "91403" | "99991672" | "99991679" => {
            "the application may not read this Base: give it the right bitable:app:readonly, and add it to the document"
        }
        "10003" | "10014" | "10012" => "look at the app id and the app secret",
        "99991661" | "99991663" | "99991664" | "99991668" | "99991671" | "99991677" => {
            "the service does not accept the access token"
        }
        "99991400" | "1254290" => "too many requests; ask for fewer in a second with requests_per_second",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_code_message_advice_and_log_id() {
        let error = refused("list records", "1254041", "TableIdNotFound", Some("2026ABC"));
        assert_eq!(error.message(), "list records failed: code=1254041 msg=TableIdNotFound");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("there is no table") && hint.ends_with("log id of the service: 2026ABC"), "{hint}");
        assert_eq!(refused("x", "7", "m", None).hint(), None);
    }

    #[test]
    fn a_flood_is_cut() {
        assert_eq!(shown("a\nb"), "a b");
        assert!(shown(&"é".repeat(10_000)).len() < 1100);
    }
}
