//! What every request has to show before anything is looked up for it.
//!
//! - The name by which it calls the server: a page elsewhere whose name was pointed at this machine calls it by that name.
//! - The page that it comes from: other pages, also those of other servers of this machine, may not send anything.
//! - The cookie, which only a browser that has shown the token has.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use super::Site;

/// Why a request is sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It calls the server by another name.
    Host,
    /// It comes from another page.
    Origin,
    /// It has neither the cookie nor the token.
    Stranger,
}

/// What a request is let in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The token of its address; the cookie is handed out.
    Token,
    /// The cookie.
    Cookie,
}

/// The name of the cookie: browsers do not tell the ports of one machine apart.
pub(super) fn cookie_name(port: u16) -> String {
    format!("velaria_{port}")
}

/// Lets the request in, or says why not. `token` is what its address shows.
pub(super) fn admit(site: &Site, request: &Parts, token: Option<&str>) -> Result<Entry, Refusal> {
    let host = named(site.port, request).ok_or(Refusal::Host)?;
    if !is_from_here(&request.method, &request.headers, &host) {
        return Err(Refusal::Origin);
    }
    if token.is_some_and(|token| request.method == Method::GET && site.secrets.admits(token)) {
        return Ok(Entry::Token);
    }
    let name = cookie_name(site.port);
    let known = cookies(&request.headers).any(|(key, value)| key == name && site.secrets.is_cookie(value));
    if known { Ok(Entry::Cookie) } else { Err(Refusal::Stranger) }
}

/// The name that the request calls the server by, where that is one of its own.
fn named(port: u16, request: &Parts) -> Option<String> {
    let host = single(&request.headers, HOST.as_str())?.to_ascii_lowercase();
    let own = |name: &str| {
        ["127.0.0.1", "localhost"].iter().any(|own| name == format!("{own}:{port}") || (port == 80 && name == *own))
    };
    let target = request.uri.authority().map(|authority| authority.as_str().to_ascii_lowercase());
    (own(&host) && target.is_none_or(|target| target == host)).then_some(host)
}

/// Whether a page of this server sent the request, or a user did who typed an address.
fn is_from_here(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    let own = format!("http://{host}");
    let origin = match headers.get_all(ORIGIN).iter().count() {
        0 => safe,
        _ => single(headers, ORIGIN.as_str()).is_some_and(|origin| origin.eq_ignore_ascii_case(&own)),
    };
    // A link elsewhere may lead here: it brings no cookie, and all that it can do is to show the token.
    let navigation = safe && single(headers, "sec-fetch-mode") == Some("navigate");
    let site = match single(headers, "sec-fetch-site") {
        None => !headers.contains_key("sec-fetch-site"),
        Some("same-origin") => true,
        Some("none") => safe,
        Some(_) => navigation,
    };
    origin && site
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::ui::tests::site;

    /// The answer to a request with these lines, in which `COOKIE` and `TOKEN` stand for the secrets.
    fn answer(method: &str, target: &str, lines: &[(&str, &str)]) -> Result<Entry, Refusal> {
        let site = site(8017);
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in lines {
            request = request.header(*name, value.replace("COOKIE", site.secrets.cookie()));
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let token = target
            .strip_prefix("/?token=")
            .map(|token| token.replace("TOKEN", site.secrets.token()).replace("COOKIE", site.secrets.cookie()));
        admit(&site, &parts, token.as_deref())
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:8017");
    const KNOWN: (&str, &str) = ("cookie", "a=b; velaria_8017=COOKIE; c");

    #[test]
    fn the_token_or_the_cookie_lets_in() {
        assert_eq!(answer("GET", "/?token=TOKEN", &[HOST]), Ok(Entry::Token));
        assert_eq!(answer("GET", "/", &[HOST, KNOWN]), Ok(Entry::Cookie));
        assert_eq!(answer("GET", "/", &[("host", "LocalHost:8017"), KNOWN]), Ok(Entry::Cookie));
        assert_eq!(answer("GET", "/", &[HOST]), Err(Refusal::Stranger));
        assert_eq!(answer("GET", "/?token=", &[HOST]), Err(Refusal::Stranger));
        assert_eq!(answer("GET", "/?token=COOKIE", &[HOST]), Err(Refusal::Stranger));
        assert_eq!(
            answer("POST", "/?token=TOKEN", &[HOST, ("origin", "http://127.0.0.1:8017")]),
            Err(Refusal::Stranger)
        );
        for cookie in ["velaria_8017=", "velaria_8018=COOKIE", "velaria_8017=COOKIE0", "velaria_8017"] {
            assert_eq!(answer("GET", "/", &[HOST, ("cookie", cookie)]), Err(Refusal::Stranger), "{cookie}");
        }
    }

    #[test]
    fn another_name_of_the_machine_is_refused() {
        for host in
            ["evil.example", "evil.example:8017", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8017", ""]
        {
            assert_eq!(answer("GET", "/?token=TOKEN", &[("host", host), KNOWN]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(answer("GET", "/", &[KNOWN]), Err(Refusal::Host));
        assert_eq!(answer("GET", "/", &[HOST, HOST, KNOWN]), Err(Refusal::Host));
        assert_eq!(answer("GET", "http://evil.example/", &[HOST, KNOWN]), Err(Refusal::Host));
        assert_eq!(answer("GET", "http://127.0.0.1:8017/", &[HOST, KNOWN]), Ok(Entry::Cookie));
    }

    #[test]
    fn other_pages_send_nothing() {
        let own = ("origin", "http://127.0.0.1:8017");
        assert_eq!(answer("POST", "/sql", &[HOST, KNOWN, own]), Ok(Entry::Cookie));
        assert_eq!(answer("POST", "/sql", &[HOST, KNOWN]), Err(Refusal::Origin));
        for origin in [
            "null",
            "http://evil.example",
            "http://127.0.0.1:8018",
            "https://127.0.0.1:8017",
            "http://localhost:8017",
            "",
        ] {
            assert_eq!(answer("POST", "/sql", &[HOST, KNOWN, ("origin", origin)]), Err(Refusal::Origin), "{origin}");
            assert_eq!(answer("GET", "/", &[HOST, KNOWN, ("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
        let from = |site| ("sec-fetch-site", site);
        assert_eq!(answer("GET", "/", &[HOST, KNOWN, from("same-site")]), Err(Refusal::Origin));
        assert_eq!(answer("GET", "/", &[HOST, KNOWN, from("none")]), Ok(Entry::Cookie));
        assert_eq!(answer("POST", "/sql", &[HOST, KNOWN, own, from("same-site")]), Err(Refusal::Origin));
        assert_eq!(answer("POST", "/sql", &[HOST, KNOWN, own, from("none")]), Err(Refusal::Origin));
        let link = [HOST, from("cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(answer("GET", "/?token=TOKEN", &link), Ok(Entry::Token));
        assert_eq!(answer("GET", "/", &link), Err(Refusal::Stranger));
    }
}
