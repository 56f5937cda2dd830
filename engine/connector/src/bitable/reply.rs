//! What an answer over HTTP means for the request.

use std::time::Duration;

use serde_json::Value;
use velaria_contract::{Error, ErrorCode};

use super::exchange::Answer;
use super::fault::{log_hint, shown, unexpected};
use super::retry;

/// The codes that mean that the access token no longer counts.
const TOKEN_CODES: [i64; 7] = [99_991_661, 99_991_663, 99_991_664, 99_991_665, 99_991_668, 99_991_671, 99_991_677];

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The service has decided: its code may still be a refusal, which whoever asked puts into words.
    Done(Value),
    /// Not now; what it is if it stays so, and how long the service wants to be left alone.
    Later(Outcome, Option<Duration>),
    /// The token does not count; what it is if a new one does not either.
    Token(Outcome),
    /// Asking again would not help.
    Failed(Error),
}

/// What is told when nothing better comes.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Value),
    Error(Error),
}

/// What `answer` means for a request that may be `repeatable`.
pub(super) fn judge(answer: Answer, repeatable: bool) -> Verdict {
    let reply = serde_json::from_str::<Value>(&answer.body).ok().filter(Value::is_object);
    let code = reply.as_ref().and_then(|reply| reply.get("code")).and_then(Value::as_i64);
    let is_success = (200..300).contains(&answer.status);
    let wait = answer.wait;
    if is_success && reply.is_none() {
        let error = unexpected(format!("the answer of the service is no JSON object: {}", shown(&answer.body)));
        return Verdict::Failed(with_log(error, &answer));
    }
    let status = answer.status;
    let outcome = match reply {
        Some(reply) if is_success => Outcome::Reply(with_log_id(reply, answer.log_id)),
        _ => Outcome::Error(http_error(&answer)),
    };
    match code {
        Some(code) if TOKEN_CODES.contains(&code) => return Verdict::Token(outcome),
        Some(code) if retry::is_for_now(code, repeatable) => return Verdict::Later(outcome, wait),
        _ => {}
    }
    match outcome {
        Outcome::Reply(reply) => Verdict::Done(reply),
        outcome if retry::is_for_now_status(status, repeatable) => Verdict::Later(outcome, wait),
        Outcome::Error(error) => Verdict::Failed(error),
    }
}

/// A refusal with the id that support asks for, where the message is made of it.
fn with_log_id(mut reply: Value, log_id: Option<String>) -> Value {
    let refused = reply.get("code").and_then(Value::as_i64) != Some(0);
    if let (true, Some(log_id), Some(object)) = (refused, log_id, reply.as_object_mut()) {
        object.entry("log_id").or_insert(Value::String(log_id));
    }
    reply
}

fn http_error(answer: &Answer) -> Error {
    let body = match &answer.location {
        Some(target) if (300..400).contains(&answer.status) => {
            format!("the service redirects to {target}, and credentials are not sent there")
        }
        _ => shown(&answer.body),
    };
    let error = Error::new(ErrorCode::ServiceRefused, format!("HTTP request failed ({}): {body}", answer.status));
    with_log(error, answer)
}

fn with_log(error: Error, answer: &Answer) -> Error {
    match &answer.log_id {
        Some(log_id) => error.with_hint(log_hint(log_id)),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let log_id = Some("log-1".to_owned());
        Answer { status, wait: None, log_id, location: Some("https://evil".to_owned()), body: body.to_owned() }
    }

    fn kind_of(status: u16, body: &str, repeatable: bool) -> &'static str {
        match judge(answer(status, body), repeatable) {
            Verdict::Done(_) => "done",
            Verdict::Later(..) => "later",
            Verdict::Token(_) => "token",
            Verdict::Failed(_) => "failed",
        }
    }

    fn kind(status: u16, body: &str) -> &'static str {
        kind_of(status, body, true)
    }

    #[test]
    fn status_and_code_decide() {
        assert_eq!(kind(200, r#"{"code":0}"#), "done");
        assert_eq!(kind(200, r#"{"code":1254041,"msg":"no"}"#), "done");
        assert_eq!(kind(200, r#"{"code":1254290}"#), "later");
        assert_eq!(kind(400, r#"{"code":99991400}"#), "later");
        assert_eq!(kind(429, "slow down"), "later");
        assert_eq!(kind(503, ""), "later");
        assert_eq!(kind(401, r#"{"code":99991663}"#), "token");
        assert_eq!(kind(200, r#"{"code":99991668}"#), "token");
        for (status, body) in [(200, "<html>"), (200, "[]"), (200, ""), (404, r#"{"code":5}"#), (302, ""), (403, "x")] {
            assert_eq!(kind(status, body), "failed", "{status} {body}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(kind(200, &deep), "failed");
    }

    #[test]
    fn what_may_have_been_done_is_not_done_again() {
        let kind = |status: u16, body: &str| kind_of(status, body, false);
        assert_eq!(kind(429, "slow down"), "later");
        assert_eq!(kind(400, r#"{"code":99991400}"#), "later");
        assert_eq!(kind(200, r#"{"code":1254290}"#), "later");
        for status in [500, 502, 503, 504] {
            assert_eq!(kind(status, ""), "failed", "{status}");
            assert_eq!(kind(status, r#"{"code":1255040}"#), "failed", "{status}");
        }
        for code in [1_255_040, 1_254_607, 1_254_291] {
            assert_eq!(kind(200, &format!(r#"{{"code":{code}}}"#)), "done", "{code}");
        }
        assert_eq!(kind(401, r#"{"code":99991663}"#), "token");
    }

    #[test]
    fn a_redirect_names_where_it_leads_and_a_refusal_its_log_id() {
        let Verdict::Failed(error) = judge(answer(302, ""), true) else { panic!() };
        let expected =
            "HTTP request failed (302): the service redirects to https://evil, and credentials are not sent there";
        assert_eq!((error.message(), error.hint()), (expected, Some("log id of the service: log-1")));
        let Verdict::Done(reply) = judge(answer(200, r#"{"code":5}"#), true) else { panic!() };
        assert_eq!(reply["log_id"], "log-1");
    }
}
