//! Answers, and what every one of them tells the browser.

use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use velaria::{Error, ErrorCode, ErrorKind};

use super::guard::{Refusal, cookie_name};
use super::{Site, page, route};

/// Nothing comes from elsewhere, nothing goes elsewhere, and nothing in a page is a program.
const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
    img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer says.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Forms say where they come from under this one, and other servers hear nothing.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// `response` with what every answer says, unless it says so itself.
pub(super) fn secured(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A page.
pub(super) fn html(status: StatusCode, markup: Markup) -> Response {
    let mut response = text(markup.into_string(), "text/html; charset=utf-8");
    *response.status_mut() = status;
    response
}

/// A text of the type `kind`.
pub(super) fn text(text: impl Into<Body>, kind: &'static str) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Hands out the cookie, and goes on to the page `next`, or to the runs where that is none. A browser that was sent here by another page would not show the cookie
/// where an answer sends it; where this page sends it, it does.
pub(super) fn welcome(site: &Site, next: &str) -> Response {
    let next = if route::is_page(next) { next } else { "/" };
    let refresh = html! { meta http-equiv="refresh" content={ "0;url=" (next) }; };
    let body = html! { main { p { a href=(next) { "Go on" } } } };
    let mut response = html(StatusCode::OK, page::bare("Welcome", &refresh, &body));
    let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", cookie_name(site.port), site.secrets.cookie());
    // Letters, digits and signs: always a header.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Goes on to the page at `path`, after something was sent.
pub(super) fn go_to(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// Tells a request that was not let in as little as it needs.
pub(super) fn refused(refusal: Refusal) -> Response {
    let (status, message) = match refusal {
        Refusal::Host => (StatusCode::MISDIRECTED_REQUEST, "this server has another name: it is 127.0.0.1"),
        Refusal::Origin => (StatusCode::FORBIDDEN, "other pages may not ask this server"),
        Refusal::Stranger => (StatusCode::UNAUTHORIZED, "open the address that velaria-cli ui has printed"),
    };
    plain(status, message)
}

pub(super) fn missing() -> Response {
    plain(StatusCode::NOT_FOUND, "there is no such page")
}

pub(super) fn wrong_method() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "this page does not take that")
}

pub(super) fn no_form() -> Response {
    plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this page takes a form")
}

pub(super) fn too_large() -> Response {
    plain(StatusCode::PAYLOAD_TOO_LARGE, "this is longer than a form may be")
}

pub(super) fn busy() -> Response {
    plain(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open")
}

fn plain(status: StatusCode, message: &'static str) -> Response {
    let mut response = text(format!("{message}\n"), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

/// The page of an error.
pub(super) fn failed(site: &Site, error: &Error) -> Response {
    let body = html! { main { h1 { "This did not work" } (page::error(error)) } };
    html(status_of(error), page::whole(site, "Error", &body))
}

/// The status that says the same as the code of `error`.
pub(super) fn status_of(error: &Error) -> StatusCode {
    match error.code() {
        ErrorCode::RunNotFound | ErrorCode::ArtifactNotFound => StatusCode::NOT_FOUND,
        ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
        ErrorCode::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        _ => match error.report().kind {
            ErrorKind::FileNotFound => StatusCode::NOT_FOUND,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
    }
}
