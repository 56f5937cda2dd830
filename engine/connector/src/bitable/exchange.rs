//! One request and its answer over HTTP: no redirect is followed, no answer is larger than memory allows, none takes for ever.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, redirect};
use url::Url;
use velaria_contract::{Error, ErrorCode, Result};

use super::secret::Secret;

/// More is no page of records.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The client of one kind of host.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    client: Client,
    timeout: Duration,
}

/// Whom a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Another machine, through the proxy that the environment names.
    World,
    /// This machine, in plain text and never through a proxy. Certificates are not looked for, as there may be none.
    ThisMachine,
}

/// An answer, whatever its status is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long the service wants to be left alone.
    pub(super) wait: Option<Duration>,
    pub(super) log_id: Option<String>,
    /// Where a redirect leads, without its path.
    pub(super) location: Option<String>,
    pub(super) body: String,
}

impl Exchange {
    pub(super) fn new(reach: Reach, timeout: Duration) -> Result<Self> {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(timeout)
            .user_agent(concat!("velaria/", env!("CARGO_PKG_VERSION")));
        if reach == Reach::ThisMachine {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorCode::ServiceUnreachable, "cannot prepare TLS")
                .with_hint(format!("{}; certificates are looked for where SSL_CERT_FILE says", cause(&error)))
        })?;
        Ok(Self { client, timeout })
    }

    /// The answer to one request.
    ///
    /// # Errors
    /// `VEL-6302` when there is none, `VEL-6303` when it is too large or no text.
    pub(super) async fn send(
        &self,
        method: &str,
        url: &Url,
        bearer: Option<&Secret>,
        body: Option<&str>,
    ) -> Result<Answer> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Error::new(ErrorCode::InvalidArgument, format!("not an HTTP method: {method}")))?;
        let mut request = self.client.request(method, url.clone()).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, authorization(token)?);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json; charset=utf-8").body(body.to_owned());
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(url, &error))?;
        let headers = response.headers();
        let mut answer = Answer {
            status: response.status().as_u16(),
            wait: wait(headers),
            log_id: text(headers, "x-tt-logid"),
            location: headers.get(LOCATION).map(|_| "elsewhere".to_owned()),
            body: String::new(),
        };
        if let Some(location) = text(headers, "location") {
            answer.location = url.join(&location).ok().map(|target| target.origin().ascii_serialization());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(url, &error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(too_large(url));
            }
            bytes.extend_from_slice(&chunk);
        }
        answer.body = String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorCode::ServiceAnswer, format!("the answer of {} is no text", host(url))))?;
        Ok(answer)
    }

    fn unreachable(&self, url: &Url, error: &reqwest::Error) -> Error {
        if error.is_timeout() {
            let message = format!("{} did not answer within {} s", host(url), self.timeout.as_secs_f64());
            return Error::new(ErrorCode::ServiceUnreachable, message)
                .with_hint("request_timeout_seconds says how long an answer may take");
        }
        Error::new(ErrorCode::ServiceUnreachable, format!("cannot reach {}: {}", host(url), cause(error)))
    }
}

fn authorization(token: &Secret) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "the access token has characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn too_large(url: &Url) -> Error {
    let message = format!("the answer of {} is larger than {} MiB", host(url), ANSWER_BYTES_MAX >> 20);
    Error::new(ErrorCode::ServiceAnswer, message).with_hint("ask for fewer records at once with page_size")
}

fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The innermost cause: the others repeat the address, or say nothing.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Seconds, as both headers say them; a date in `retry-after` is left aside.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = text(headers, "x-ogw-ratelimit-reset").or_else(|| text(headers, "retry-after"))?;
    Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_wait_is_what_the_headers_say() {
        let seconds = |pairs: &[(&'static str, &'static str)]| wait(&headers(pairs)).map(|wait| wait.as_secs_f64());
        assert_eq!(seconds(&[("retry-after", "3"), ("x-ogw-ratelimit-reset", "7")]), Some(7.0));
        assert_eq!(seconds(&[("retry-after", "0.5")]), Some(0.5));
        for text in ["-1", "Wed, 21 Oct 2026 07:28:00 GMT", "NaN", "1e300"] {
            assert_eq!(seconds(&[("retry-after", text)]), None, "{text}");
        }
    }
}
