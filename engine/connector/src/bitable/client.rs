//! The way to the service over HTTP, as an application or a person.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use url::Url;
use velaria_contract::{Error, ErrorCode, Result};

use super::address::Origin;
use super::exchange::{Exchange, Reach};
use super::fault::{refused, unexpected};
use super::pace::Pace;
use super::paging::text_of_code;
use super::reply::{Outcome, Verdict, judge};
use super::retry::Attempts;
use super::secret::Secret;
use super::token::{Credentials, Tokens, token_of, token_request, token_url};
use super::transport::Transport;
use crate::network;

/// Where records are searched: the one POST that changes nothing.
const SEARCH: &str = "/records/search";

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct BitableSettings {
    /// How long one answer may take.
    pub request_timeout: Duration,
    /// How long a request that the service puts off is repeated.
    pub retry_patience: Duration,
    /// How many requests go out in a second.
    pub requests_per_second: f64,
    /// Where the service is, when it is not where addresses lead.
    pub base_url: Option<Origin>,
}

impl Default for BitableSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            retry_patience: Duration::from_secs(120),
            requests_per_second: 15.0,
            base_url: None,
        }
    }
}

impl BitableSettings {
    fn check(&self) -> Result<()> {
        let invalid = |message: &str| Err(Error::new(ErrorCode::InvalidArgument, message));
        if self.request_timeout.is_zero() {
            return invalid("request_timeout_seconds is to be more than 0");
        }
        if !(self.requests_per_second >= 0.01 && self.requests_per_second <= 10_000.0) {
            return invalid("requests_per_second is to be between 0.01 and 10000");
        }
        Ok(())
    }
}

/// A client of the service. All clones share tokens, pace and connections, and any number of threads may use them.
#[derive(Clone)]
pub struct BitableClient {
    shared: Arc<Shared>,
}

struct Shared {
    credentials: Credentials,
    settings: BitableSettings,
    pace: Pace,
    tokens: Mutex<Tokens>,
    /// By whether they are for plain text.
    exchanges: StdMutex<HashMap<bool, Exchange>>,
    /// What answers may repeat and errors must not.
    secrets: StdMutex<Vec<Secret>>,
}

impl BitableClient {
    /// A client for an application.
    ///
    /// # Errors
    /// `VEL-7001` for settings that cannot be. An empty id or secret is refused when a token is asked for: a program that brings
    /// its own way to the service needs none.
    pub fn of_app(app_id: &str, app_secret: Secret, settings: BitableSettings) -> Result<Self> {
        let secrets = vec![app_secret.clone()];
        Self::new(Credentials::App { app_id: app_id.to_owned(), app_secret }, secrets, settings)
    }

    /// A client for a person who has an access token.
    ///
    /// # Errors
    /// `VEL-7001` for an empty token, and for settings that cannot be.
    pub fn of_user(token: Secret, settings: BitableSettings) -> Result<Self> {
        if token.reveal().is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "user_access_token must not be empty"));
        }
        Self::new(Credentials::User(token.clone()), vec![token], settings)
    }

    fn new(credentials: Credentials, secrets: Vec<Secret>, settings: BitableSettings) -> Result<Self> {
        settings.check()?;
        let shared = Shared {
            pace: Pace::new(settings.requests_per_second),
            credentials,
            settings,
            tokens: Mutex::default(),
            exchanges: StdMutex::default(),
            secrets: StdMutex::new(secrets),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where the service is: where it was said to be, and otherwise `of_address`.
    #[must_use]
    pub fn origin(&self, of_address: Origin) -> Origin {
        self.shared.settings.base_url.clone().unwrap_or(of_address)
    }

    /// The JSON document that answers a request, as text. `body` is a JSON document too.
    ///
    /// # Errors
    /// Those of [`Transport::request`], and `VEL-7001` for a body that is no JSON.
    pub async fn request_text(&self, method: &str, url: &str, body: Option<&str>) -> Result<String> {
        let body = body.map(|text| {
            serde_json::from_str(text)
                .map_err(|error| Error::new(ErrorCode::InvalidArgument, format!("the body is no JSON: {error}")))
        });
        Ok(self.request(method, url, body.transpose()?).await?.to_string())
    }

    /// The id of the application, if one asks.
    #[must_use]
    pub fn app_id(&self) -> Option<&str> {
        match &self.shared.credentials {
            Credentials::App { app_id, .. } => Some(app_id),
            Credentials::User(_) => None,
        }
    }
}

impl fmt::Debug for BitableClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BitableClient").field("credentials", &self.shared.credentials).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for BitableClient {
    async fn request(&self, method: &str, url: &str, body: Option<Value>) -> Result<Value> {
        let (shared, request) = (Arc::clone(&self.shared), self.shared.prepare(method, url, body)?);
        network::spawn(async move { shared.authorized(&request).await })?.await
    }
}

/// A request that may be sent, and sent again.
#[derive(Debug)]
struct Request {
    method: String,
    url: Url,
    origin: Origin,
    body: Option<String>,
    /// Whether sending it twice does what sending it once does.
    repeatable: bool,
}

impl Shared {
    fn prepare(&self, method: &str, url: &str, body: Option<Value>) -> Result<Request> {
        let invalid = || Error::new(ErrorCode::InvalidArgument, format!("not an address of the service: {url}"));
        let mut url = Url::parse(url).map_err(|_| invalid())?;
        let origin = Origin::of(&url);
        self.check_origin(&origin)?;
        let is_search = url.path().ends_with(SEARCH);
        let body = if is_search { body.map(|body| places_into_query(&mut url, body)) } else { body };
        let method = method.to_ascii_uppercase();
        let repeatable = method == "GET" || (method == "POST" && is_search);
        Ok(Request { method, url, origin, body: body.map(|body| body.to_string()), repeatable })
    }

    /// Credentials go to the service, and to the host that the caller named.
    fn check_origin(&self, origin: &Origin) -> Result<()> {
        if origin.is_official() || self.settings.base_url.as_ref() == Some(origin) {
            return Ok(());
        }
        let message = format!("credentials are not sent to {}", origin.as_str());
        Err(Error::new(ErrorCode::InvalidArgument, message)
            .with_hint("base_url says where the service is when it is not open.feishu.cn or open.larksuite.com"))
    }

    /// The reply to `request`, with a token that counts.
    async fn authorized(&self, request: &Request) -> Result<Value> {
        let mut renewed = false;
        loop {
            let token = self.token(&request.origin).await?;
            match self.patiently(request, Some(&token)).await? {
                Verdict::Token(_) if !renewed && self.can_renew() => {
                    log::debug!("the access token no longer counts; a new one is asked for");
                    self.tokens.lock().await.forget(&request.origin, &token);
                    renewed = true;
                }
                Verdict::Done(reply)
                | Verdict::Token(Outcome::Reply(reply))
                | Verdict::Later(Outcome::Reply(reply), _) => {
                    return Ok(self.hidden_in(reply));
                }
                Verdict::Failed(error)
                | Verdict::Token(Outcome::Error(error))
                | Verdict::Later(Outcome::Error(error), _) => {
                    return Err(self.hidden(error));
                }
            }
        }
    }

    fn can_renew(&self) -> bool {
        matches!(self.credentials, Credentials::App { .. })
    }

    /// Sends `request` until the service does not put it off any more, or for as long as the patience lasts.
    async fn patiently(&self, request: &Request, token: Option<&Secret>) -> Result<Verdict> {
        let exchange = self.exchange(&request.origin)?;
        let mut attempts = Attempts::new(self.settings.retry_patience);
        loop {
            self.pace.wait().await;
            let sent = exchange.send(&request.method, &request.url, token, request.body.as_deref()).await;
            let verdict = match sent {
                Ok(answer) => judge(answer, request.repeatable),
                Err(error) if error.code() == ErrorCode::ServiceUnreachable && request.repeatable => {
                    Verdict::Later(Outcome::Error(error), None)
                }
                Err(error) => Verdict::Failed(error),
            };
            let Verdict::Later(outcome, asked) = verdict else { return Ok(verdict) };
            let Some(pause) = attempts.pause(asked, dice()) else {
                return Ok(Verdict::Later(gave_up(outcome, attempts.made, asked), asked));
            };
            log::debug!("{} {} is put off; attempt {} in {pause:?}", request.method, request.url.path(), attempts.made);
            sleep(pause).await;
        }
    }

    /// A token for `origin`: those who need one at the same time wait for the same.
    async fn token(&self, origin: &Origin) -> Result<Secret> {
        let (app_id, app_secret) = match &self.credentials {
            Credentials::User(token) => return Ok(token.clone()),
            Credentials::App { app_id, app_secret } => (app_id, app_secret),
        };
        if app_id.is_empty() || app_secret.reveal().is_empty() {
            return Err(Error::new(ErrorCode::InvalidArgument, "app_id and app_secret must not be empty"));
        }
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.find(origin, Instant::now()) {
            return Ok(token);
        }
        let url = Url::parse(&token_url(origin)).map_err(|_| unexpected("no address for tokens"))?;
        let body = Some(token_request(app_id, app_secret));
        let request = Request { method: "POST".to_owned(), url, origin: origin.clone(), body, repeatable: true };
        let reply = match self.patiently(&request, None).await? {
            Verdict::Done(reply) | Verdict::Later(Outcome::Reply(reply), _) | Verdict::Token(Outcome::Reply(reply)) => {
                reply
            }
            Verdict::Failed(error)
            | Verdict::Later(Outcome::Error(error), _)
            | Verdict::Token(Outcome::Error(error)) => {
                return Err(self.hidden(error));
            }
        };
        let (token, lifetime) = self.made_token(&reply)?;
        self.remember(&token);
        tokens.keep(origin.clone(), token.clone(), lifetime, Instant::now());
        Ok(token)
    }

    fn made_token(&self, reply: &Value) -> Result<(Secret, Duration)> {
        if reply.get("code").and_then(Value::as_i64) != Some(0) {
            let message = reply.get("msg").and_then(Value::as_str).unwrap_or("None");
            let log_id = reply.get("log_id").and_then(Value::as_str);
            return Err(self.hidden(refused("token request", &text_of_code(reply.get("code")), message, log_id)));
        }
        token_of(reply).ok_or_else(|| unexpected("the service made no tenant_access_token"))
    }

    fn exchange(&self, origin: &Origin) -> Result<Exchange> {
        let is_plain = origin.is_plain();
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = exchanges.get(&is_plain) {
            return Ok(exchange.clone());
        }
        let reach = if is_plain { Reach::ThisMachine } else { Reach::World };
        let exchange = Exchange::new(reach, self.settings.request_timeout)?;
        exchanges.insert(is_plain, exchange.clone());
        Ok(exchange)
    }

    fn remember(&self, token: &Secret) {
        /// Older tokens have ended.
        const KEPT_MAX: usize = 16;
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if secrets.len() >= KEPT_MAX {
            secrets.remove(1);
        }
        secrets.push(token.clone());
    }

    fn hide(&self, text: String) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text, |text, secret| secret.hide(text))
    }

    /// The same error, in which no secret stands.
    fn hidden(&self, error: Error) -> Error {
        let hidden = Error::new(error.code(), self.hide(error.message().to_owned()));
        match error.hint() {
            Some(hint) => hidden.with_hint(self.hide(hint.to_owned())),
            None => hidden,
        }
    }

    /// A refusal whose words hold no secret; records are left alone.
    fn hidden_in(&self, mut reply: Value) -> Value {
        let is_refusal = reply.get("code").and_then(Value::as_i64) != Some(0);
        if let (true, Some(object)) = (is_refusal, reply.as_object_mut()) {
            for value in object.values_mut() {
                hide_in(value, &|text| self.hide(text));
            }
        }
        reply
    }
}

fn hide_in(value: &mut Value, hide: &dyn Fn(String) -> String) {
    match value {
        Value::String(text) => *text = hide(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_in(item, hide)),
        Value::Object(members) => members.values_mut().for_each(|item| hide_in(item, hide)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The service reads the place of a page from the query alone. Programs may put it into the body, where it would be ignored and
/// every page would be the first.
fn places_into_query(url: &mut Url, mut body: Value) -> Value {
    let Some(members) = body.as_object_mut() else { return body };
    for name in ["page_token", "page_size"] {
        let Some(value) = members.remove(name) else { continue };
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        if !text.is_empty() && !url.query_pairs().any(|(key, _)| key == name) {
            url.query_pairs_mut().append_pair(name, &text);
        }
    }
    body
}

fn gave_up(outcome: Outcome, attempts: u32, asked: Option<Duration>) -> Outcome {
    let Outcome::Error(error) = outcome else { return outcome };
    let mut hint = if attempts == 1 { "sent once".to_owned() } else { format!("sent {attempts} times") };
    if let Some(asked) = asked {
        hint.push_str(&format!("; the service asks to wait {} s", asked.as_secs()));
    }
    hint.push_str("; retry_seconds says for how long to go on");
    if let Some(own) = error.hint() {
        hint = format!("{own}; {hint}");
    }
    Outcome::Error(error.with_hint(hint))
}

/// A number between 0 and 1. Without a source of randomness, all pauses are alike.
fn dice() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(base_url: Option<&str>) -> BitableClient {
        let base_url = base_url.map(|text| Origin::parse(text).unwrap());
        let settings = BitableSettings { base_url, ..BitableSettings::default() };
        BitableClient::of_app("cli_a", Secret::new("hunter22"), settings).unwrap()
    }

    #[test]
    fn the_place_of_a_page_goes_into_the_query() {
        let client = client(None);
        let url = "https://open.feishu.cn/open-apis/bitable/v1/apps/a/tables/t/records/search";
        let body = json!({"page_token": "p 2", "page_size": 5, "view_id": "v"});
        let request = client.shared.prepare("post", url, Some(body.clone())).unwrap();
        assert_eq!(request.url.query(), Some("page_token=p+2&page_size=5"));
        assert_eq!(request.body.as_deref(), Some(r#"{"view_id":"v"}"#));
        let request = client.shared.prepare("POST", &format!("{url}?page_token=q&page_size=1"), Some(body)).unwrap();
        assert_eq!(request.url.query(), Some("page_token=q&page_size=1"));
        assert!(request.repeatable);
        assert!(!client.shared.prepare("POST", "https://open.feishu.cn/x", None).unwrap().repeatable);
    }

    #[test]
    fn credentials_stay_with_the_service() {
        let to = |client: &BitableClient, url: &str| client.shared.prepare("GET", url, None).map(drop);
        let own = client(Some("http://127.0.0.1:9"));
        assert!(to(&own, "http://127.0.0.1:9/x").is_ok() && to(&own, "https://open.larksuite.com/x").is_ok());
        for url in ["http://127.0.0.1:10/x", "https://open.feishu.cn.evil.com/", "http://open.feishu.cn/", "x"] {
            assert_eq!(to(&own, url).unwrap_err().code(), ErrorCode::InvalidArgument, "{url}");
        }
        assert!(to(&client(None), "http://127.0.0.1:9/x").is_err());
    }

    #[tokio::test]
    async fn without_an_id_and_a_secret_nothing_is_sent() {
        for (id, secret) in [("", "x"), ("x", "")] {
            let client = BitableClient::of_app(id, Secret::new(secret), BitableSettings::default()).unwrap();
            let error = client.request("GET", "https://open.feishu.cn/x", None).await.unwrap_err();
            assert_eq!(error.message(), "app_id and app_secret must not be empty");
        }
        assert!(BitableClient::of_user(Secret::new(""), BitableSettings::default()).is_err());
    }

    #[test]
    fn what_prints_a_client_prints_no_secret() {
        let client = client(None);
        assert_eq!(format!("{client:?}").matches("hunter22").count(), 0);
        let reply = client.shared.hidden_in(json!({"code": 1, "msg": "no hunter22", "error": {"a": ["hunter22"]}}));
        assert!(!reply.to_string().contains("hunter22"));
        let error = Error::new(ErrorCode::ServiceRefused, "no hunter22").with_hint("hunter22");
        assert_eq!(format!("{:?}", client.shared.hidden(error)).matches("hunter22").count(), 0);
    }
}
