//! Access tokens: one for each host, asked for when it is needed and again before it ends.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::address::Origin;
use super::secret::Secret;

/// A token is not used in its last minutes: a request on its way could outlive it.
const MARGIN: Duration = Duration::from_secs(600);
/// What the service says unless it says otherwise.
const LIFETIME: Duration = Duration::from_secs(7200);

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    /// An application, for which tokens are made.
    App { app_id: String, app_secret: Secret },
    /// A person, by a token that the caller has.
    User(Secret),
}

/// Where tokens are made.
pub(super) fn token_url(origin: &Origin) -> String {
    format!("{}/open-apis/auth/v3/tenant_access_token/internal", origin.as_str())
}

/// What is sent there.
pub(super) fn token_request(app_id: &str, app_secret: &Secret) -> String {
    json!({"app_id": app_id, "app_secret": app_secret.reveal()}).to_string()
}

/// The token in a reply, and how long it counts.
pub(super) fn token_of(reply: &Value) -> Option<(Secret, Duration)> {
    let token = reply.get("tenant_access_token")?.as_str().filter(|token| !token.is_empty())?;
    let expire = reply.get("expire").and_then(Value::as_u64).map_or(LIFETIME, Duration::from_secs);
    Some((Secret::new(token), expire.min(LIFETIME * 12)))
}

/// The tokens that are there.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    kept: HashMap<Origin, (Secret, Instant)>,
}

impl Tokens {
    pub(super) fn find(&self, origin: &Origin, now: Instant) -> Option<Secret> {
        self.kept.get(origin).filter(|(_, until)| *until > now).map(|(token, _)| token.clone())
    }

    pub(super) fn keep(&mut self, origin: Origin, token: Secret, lifetime: Duration, now: Instant) {
        // Of a short life, half is used.
        let used = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        self.kept.insert(origin, (token, now + used));
    }

    /// `token` was refused. Another that somebody has asked for since stays.
    pub(super) fn forget(&mut self, origin: &Origin, token: &Secret) {
        if self.kept.get(origin).is_some_and(|(kept, _)| kept == token) {
            self.kept.remove(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_again_before_it_ends() {
        let mut tokens = Tokens::default();
        let (origin, now) = (Origin::feishu(), Instant::now());
        tokens.keep(origin.clone(), Secret::new("t-1"), Duration::from_secs(7200), now);
        assert!(tokens.find(&origin, now + Duration::from_secs(6599)).is_some());
        assert!(tokens.find(&origin, now + Duration::from_secs(6601)).is_none());
        assert!(tokens.find(&Origin::lark(), now).is_none());
        tokens.forget(&origin, &Secret::new("t-0"));
        assert!(tokens.find(&origin, now).is_some());
        tokens.forget(&origin, &Secret::new("t-1"));
        assert!(tokens.find(&origin, now).is_none());
    }

    #[test]
    fn a_reply_without_a_token_has_none() {
        assert!(token_of(&json!({"code": 0, "app_access_token": "a-1"})).is_none());
        assert!(token_of(&json!({"tenant_access_token": ""})).is_none());
        let (token, lifetime) = token_of(&json!({"tenant_access_token": "t-1", "expire": 60})).unwrap();
        assert_eq!((token.reveal(), lifetime.as_secs()), ("t-1", 60));
    }
}
