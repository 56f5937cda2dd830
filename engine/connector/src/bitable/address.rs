//! Addresses: of tables as people copy them from a browser, and of the service.

use url::Url;
use velaria_contract::{Error, ErrorCode, Result};

/// The service for Feishu.
const FEISHU: &str = "https://open.feishu.cn";
/// The service for Lark.
const LARK: &str = "https://open.larksuite.com";
/// Where Lark's tables are.
const LARK_DOMAIN: &str = "larksuite.com";

/// What a pasted address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAddress {
    /// The token of the Base, or of the wiki page that shows it.
    pub app_token: String,
    /// Whether it is that of a wiki page.
    pub in_wiki: bool,
    /// The id of the table.
    pub table_id: String,
    /// The id of the view.
    pub view_id: Option<String>,
    /// Where the service for this address is, when nothing else was said.
    pub origin: Origin,
}

impl TableAddress {
    /// What `url` names: `/base/<app>?table=<table>&view=<view>`, `/base/<app>/tables/<table>` and the same with `/wiki/<node>`.
    ///
    /// # Errors
    /// `VEL-7001` for anything else.
    pub fn parse(url: &str) -> Result<Self> {
        Self::read(url).ok_or_else(|| {
            Error::new(ErrorCode::InvalidArgument, format!("Unsupported Bitable URL format: {url}"))
                .with_hint("open the table in a browser and copy the address: .../base/<app>?table=<table>&view=<view>")
        })
    }

    fn read(url: &str) -> Option<Self> {
        let url = url.trim();
        let url = if url.contains("://") { Url::parse(url) } else { Url::parse(&format!("https://{url}")) }.ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let segments: Vec<&str> = url.path_segments()?.filter(|segment| !segment.is_empty()).collect();
        let at = segments.iter().take(2).position(|segment| matches!(*segment, "base" | "wiki"))?;
        let query = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let table_id = match segments.get(at + 2..)? {
            [] => query("table")?,
            ["tables", table] => (*table).to_owned(),
            _ => return None,
        };
        let app_token = (*segments.get(at + 1)?).to_owned();
        let view_id = query("view").filter(|view| !view.is_empty());
        let ids = [Some(&app_token), Some(&table_id), view_id.as_ref()];
        if !ids.into_iter().flatten().all(|id| is_id(id)) {
            return None;
        }
        Some(Self { app_token, in_wiki: segments.get(at) == Some(&"wiki"), table_id, view_id, origin: origin_of(&url) })
    }

    /// The table of these ids.
    #[must_use]
    pub fn of_base(origin: Origin, app_token: &str, table_id: &str, view_id: Option<&str>) -> Self {
        Self {
            app_token: app_token.to_owned(),
            in_wiki: false,
            table_id: table_id.to_owned(),
            view_id: view_id.map(str::to_owned),
            origin,
        }
    }

    /// The same table as `origin` has it.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

fn origin_of(url: &Url) -> Origin {
    let host = url.host_str().unwrap_or_default();
    let is_lark = host.strip_suffix(LARK_DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if is_lark { Origin::lark() } else { Origin::feishu() }
}

/// Whether `text` can be an id, so that it cannot lead a request anywhere else.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Scheme, host and port of the service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// `https://open.feishu.cn`.
    #[must_use]
    pub fn feishu() -> Self {
        Self(FEISHU.to_owned())
    }

    /// `https://open.larksuite.com`.
    #[must_use]
    pub fn lark() -> Self {
        Self(LARK.to_owned())
    }

    /// The origin that a caller names.
    ///
    /// # Errors
    /// `VEL-7001` for what is no origin, and for one without TLS that is not this machine: credentials would travel in the open.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |hint: &str| {
            Err(Error::new(ErrorCode::InvalidArgument, format!("not a base url of the service: {text}"))
                .with_hint(hint))
        };
        let Ok(url) = Url::parse(text.trim()) else { return refuse("it is like https://open.feishu.cn") };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            return refuse("it is a scheme, a host and a port, and nothing behind them");
        }
        match url.scheme() {
            "https" => Ok(Self::of(&url)),
            "http" if is_this_machine(&url) => Ok(Self::of(&url)),
            _ => refuse("credentials are sent over https only, or to this machine"),
        }
    }

    /// The origin of a whole address.
    pub(super) fn of(url: &Url) -> Self {
        Self(url.origin().ascii_serialization())
    }

    /// As text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_official(&self) -> bool {
        self.0 == FEISHU || self.0 == LARK
    }

    /// Whether it is spoken to without TLS; such an origin is this machine.
    pub(super) fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(url: &str) -> (String, String, Option<String>) {
        let address = TableAddress::parse(url).unwrap();
        (address.app_token, address.table_id, address.view_id)
    }

    #[test]
    fn addresses_that_people_paste_are_understood() {
        let expected = ("appX".to_owned(), "tblY".to_owned(), Some("vewZ".to_owned()));
        for url in [
            "https://x.feishu.cn/base/appX/tables/tblY?view=vewZ",
            "https://x.feishu.cn/base/appX?table=tblY&view=vewZ",
            "https://x.larksuite.com/wiki/appX?from=chat&table=tblY&view=vewZ#top",
            "x.feishu.cn/space/base/appX?table=tblY&view=vewZ",
            " http://intranet/base/appX/?view=vewZ&table=tblY ",
        ] {
            assert_eq!(ids(url), expected, "{url}");
        }
        assert_eq!(ids("https://x.feishu.cn/base/appX?table=tblY&view=").2, None);
        let wiki = TableAddress::parse("https://x.larksuite.com/wiki/node?table=t").unwrap();
        assert!(wiki.in_wiki && wiki.origin == Origin::lark());
        assert_eq!(TableAddress::parse("https://evillarksuite.com/base/a?table=t").unwrap().origin, Origin::feishu());
    }

    #[test]
    fn other_addresses_are_refused_by_name() {
        for url in [
            "",
            "https://x.feishu.cn/base/appX",
            "https://x.feishu.cn/docs/appX?table=t",
            "https://x.feishu.cn/base/appX/views/v?table=t",
            "https://x.feishu.cn/base/a%2F..?table=t",
            "https://x.feishu.cn/base/appX?table=../../secret",
            "ftp://x.feishu.cn/base/appX?table=t",
            "not a url",
        ] {
            let error = TableAddress::parse(url).unwrap_err();
            assert_eq!(error.message(), format!("Unsupported Bitable URL format: {url}"));
        }
    }

    #[test]
    fn credentials_need_tls_or_this_machine() {
        assert_eq!(Origin::parse("https://open.example.com/").unwrap().as_str(), "https://open.example.com");
        assert_eq!(Origin::parse("http://127.0.0.1:8080").unwrap().as_str(), "http://127.0.0.1:8080");
        for text in ["http://example.com", "https://a/b", "https://user@a", "file:///x", "open.feishu.cn", ""] {
            assert_eq!(Origin::parse(text).unwrap_err().code(), ErrorCode::InvalidArgument, "{text}");
        }
    }
}
