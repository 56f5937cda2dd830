//! Which request comes next, and whether its answer can be believed. Nothing here sends anything.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;
use velaria_contract::{Error, ErrorCode, Result};

use super::address::{TableAddress, is_id};
use super::fault::{refused, unexpected};

/// What the service gives at once at most.
const PAGE_SIZE_MAX: u64 = 500;
/// Longer is no place of a page.
const TOKEN_BYTES_MAX: usize = 4096;
/// After so many pages without a new record, the service goes round in circles.
const PAGES_WITHOUT_NEWS_MAX: u32 = 16;

/// Which records of a table are wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordQuery {
    /// How many records one page has; 500, the most that there can be, unless it is said.
    pub page_size: Option<u64>,
    /// The names of the fields; all when there are none.
    pub columns: Vec<String>,
    /// The filter of the service: `{"conjunction": "and", "conditions": [...]}`.
    pub filter: Option<Value>,
    /// The order of the service: `[{"field_name": ..., "desc": ...}]`.
    pub sort: Option<Value>,
    /// No more than these.
    pub max_rows: Option<u64>,
    /// One text for each cell, instead of lists and structs.
    pub flat: bool,
    /// The fields whose values are wanted as JSON text.
    pub json_columns: Vec<String>,
}

impl RecordQuery {
    /// The query that a JSON object spells.
    ///
    /// # Errors
    /// `VEL-7001` for an option that there is not, and for a value that it cannot have.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorCode::InvalidArgument, format!("options of a Bitable: {error}")))
    }

    fn page_size(&self) -> Result<u64> {
        match self.page_size {
            None => Ok(PAGE_SIZE_MAX),
            Some(size) if (1..=PAGE_SIZE_MAX).contains(&size) => Ok(size),
            Some(size) => {
                let message = format!("page_size is to be between 1 and {PAGE_SIZE_MAX}, and not {size}");
                Err(Error::new(ErrorCode::InvalidArgument, message))
            }
        }
    }

    /// The body that asks for it.
    fn body(&self, view_id: Option<&str>) -> Map<String, Value> {
        let mut body = Map::new();
        if let Some(view_id) = view_id {
            body.insert("view_id".to_owned(), view_id.into());
        }
        if !self.columns.is_empty() {
            body.insert("field_names".to_owned(), self.columns.clone().into());
        }
        for (name, value) in [("filter", &self.filter), ("sort", &self.sort)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.clone());
            }
        }
        body
    }
}

/// One request of a table's pages.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRequest {
    /// Where it goes, with the place and the size of the page in its query.
    pub url: String,
    /// What is wanted of each page.
    pub body: Map<String, Value>,
    /// How many records the page may have.
    pub page_size: u64,
    /// The place of the page, but for the first.
    pub page_token: Option<String>,
}

impl PageRequest {
    /// The body with the size and the place of the page in it, for whoever stands in for the service and looks for them there.
    /// Our own client takes them out.
    #[must_use]
    pub fn full_body(&self) -> Value {
        let mut body = self.body.clone();
        body.insert("page_size".to_owned(), self.page_size.into());
        if let Some(place) = &self.page_token {
            body.insert("page_token".to_owned(), Value::String(place.clone()));
        }
        Value::Object(body)
    }
}

/// An answer without its records. Whoever stands in for the service may leave out the code of an answer that has records.
#[derive(Debug, Clone, Default)]
pub struct PageHead {
    /// The code of the service, as text; `0` is success.
    pub code: String,
    /// Its message.
    pub message: String,
    /// The id under which the service has logged the request.
    pub log_id: Option<String>,
    /// Whether there are more pages.
    pub has_more: bool,
    /// Where the next one is.
    pub page_token: Option<String>,
    /// How many records there are in all.
    pub total: Option<u64>,
    /// The ids of the records, as far as they have some; `None` when the records are no list.
    pub ids: Option<Vec<Option<String>>>,
}

impl PageHead {
    /// The head of `reply`, whose records are in its list `items`.
    #[must_use]
    pub fn of(reply: &Value, items: &str, id: &str) -> Self {
        let data = reply.get("data").unwrap_or(&Value::Null);
        let ids = match data.get(items) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(items)) => {
                Some(items.iter().map(|item| item.get(id).and_then(Value::as_str).map(str::to_owned)).collect())
            }
            Some(_) => None,
        };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let code = reply.get("code").filter(|code| !code.is_null());
        let has_items = data.get(items).is_some_and(Value::is_array);
        let log_id =
            text(reply.get("log_id")).or_else(|| text(reply.get("error").and_then(|error| error.get("log_id"))));
        Self {
            code: if code.is_none() && has_items { "0".to_owned() } else { text_of_code(code) },
            message: text(reply.get("msg")).unwrap_or_else(|| "None".to_owned()),
            log_id,
            has_more: data.get("has_more").and_then(Value::as_bool).unwrap_or(false),
            page_token: text(data.get("page_token")),
            total: data.get("total").and_then(Value::as_u64),
            ids,
        }
    }
}

/// A code as it is told.
pub(super) fn text_of_code(code: Option<&Value>) -> String {
    code.map_or_else(|| "None".to_owned(), Value::to_string)
}

/// The pages of one snapshot of a list.
#[derive(Debug)]
pub struct Pages {
    what: &'static str,
    url: String,
    page_size: u64,
    body: Map<String, Value>,
    /// The place of the next page.
    next: Next,
    places: HashSet<String>,
    ids: HashSet<String>,
    without_news: u32,
    taken: u64,
    rows_max: u64,
    /// The totals that the first and the last answer said.
    totals: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Next {
    First,
    At(String),
    End,
}

impl Pages {
    /// The pages of the records of a table.
    ///
    /// # Errors
    /// `VEL-7001` for ids that are none, and for a page size that cannot be.
    pub fn of_records(table: &TableAddress, query: &RecordQuery) -> Result<Self> {
        check_id("view_id", table.view_id.as_deref().unwrap_or("v"))?;
        let pages = Self::new("list records", &table_url(table, "records/search")?, query.page_size()?);
        let body = query.body(table.view_id.as_deref());
        Ok(Self { body, rows_max: query.max_rows.unwrap_or(u64::MAX), ..pages })
    }

    /// The same pages, in which each record says when it was made and modified.
    #[must_use]
    pub(super) fn with_times(mut self) -> Self {
        self.body.insert("automatic_fields".to_owned(), Value::Bool(true));
        self
    }

    /// The pages of the fields of a table.
    pub(super) fn of_fields(table: &TableAddress) -> Result<Self> {
        Ok(Self::new("list fields", &table_url(table, "fields")?, 100))
    }

    fn new(what: &'static str, url: &str, page_size: u64) -> Self {
        Self {
            what,
            url: url.to_owned(),
            page_size,
            body: Map::new(),
            next: Next::First,
            places: HashSet::new(),
            ids: HashSet::new(),
            without_news: 0,
            taken: 0,
            rows_max: u64::MAX,
            totals: None,
        }
    }

    /// The next request, or `None` behind the last page.
    #[must_use]
    pub fn next_request(&self) -> Option<PageRequest> {
        if self.taken >= self.rows_max {
            return None;
        }
        let place = match &self.next {
            Next::First => None,
            Next::At(place) => Some(place.clone()),
            Next::End => return None,
        };
        let mut query = Serializer::new(String::new());
        query.append_pair("page_size", &self.page_size.to_string());
        if let Some(place) = &place {
            query.append_pair("page_token", place);
        }
        let url = format!("{}?{}", self.url, query.finish());
        Some(PageRequest { url, body: self.body.clone(), page_size: self.page_size, page_token: place })
    }

    /// Judges an answer: for each of its records, whether it is to be taken. A record that came before is not.
    ///
    /// # Errors
    /// `VEL-6301` when the service refused, `VEL-6303` when the answer is no page, or is one that was there before.
    pub fn accept(&mut self, head: PageHead) -> Result<Vec<bool>> {
        if head.code != "0" {
            return Err(refused(self.what, &head.code, &head.message, head.log_id.as_deref()));
        }
        let Some(ids) = head.ids else { return Err(unexpected("unexpected data format: items is not list")) };
        self.next = self.place_behind(head.has_more, head.page_token)?;
        let taken: Vec<bool> = ids.into_iter().map(|id| self.takes(id)).collect();
        self.without_news = if taken.contains(&true) { 0 } else { self.without_news + 1 };
        if self.without_news > PAGES_WITHOUT_NEWS_MAX && self.next != Next::End {
            return Err(unexpected(format!(
                "{} pages in a row had no new record, and there shall be more",
                self.without_news
            )));
        }
        if let Some(total) = head.total {
            self.totals = Some((self.totals.map_or(total, |(first, _)| first), total));
        }
        Ok(taken)
    }

    fn place_behind(&mut self, has_more: bool, place: Option<String>) -> Result<Next> {
        let Some(place) = place.filter(|place| has_more && !place.is_empty()) else { return Ok(Next::End) };
        if place.len() > TOKEN_BYTES_MAX {
            return Err(unexpected(format!("the page token has {} bytes", place.len())));
        }
        if !self.places.insert(place.clone()) {
            return Err(unexpected("the service gives a page token for the second time, so its pages would never end"));
        }
        Ok(Next::At(place))
    }

    fn takes(&mut self, id: Option<String>) -> bool {
        let is_new = match id {
            Some(id) if !id.is_empty() => self.ids.insert(id),
            _ => true,
        };
        let taken = is_new && self.taken < self.rows_max;
        self.taken += u64::from(taken);
        taken
    }

    /// Whether what was read may be a mixture: the table was changed on the way.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        let Some((first, last)) = self.totals else { return false };
        self.rows_max == u64::MAX && self.next == Next::End && (first != last || self.taken != last)
    }

    /// What a person should know of a snapshot that is read.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let (first, last) = self.totals.filter(|_| self.is_torn())?;
        Some(format!(
            "the table was changed while it was read: {first} records at the beginning, {last} at the end, {} were read; read it again for a whole one",
            self.taken
        ))
    }
}

/// An address below a table.
pub(super) fn table_url(table: &TableAddress, below: &str) -> Result<String> {
    check_id("app_token", &table.app_token)?;
    check_id("table_id", &table.table_id)?;
    let (origin, app, id) = (table.origin.as_str(), &table.app_token, &table.table_id);
    Ok(format!("{origin}/open-apis/bitable/v1/apps/{app}/tables/{id}/{below}"))
}

pub(super) fn check_id(name: &str, id: &str) -> Result<()> {
    if is_id(id) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::InvalidArgument, format!("not a {name}: {id:?}"))
        .with_hint("it has letters, digits, _ and -, as it stands in the address of the table"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bitable::Origin;

    fn table() -> TableAddress {
        TableAddress::of_base(Origin::feishu(), "app", "tbl", Some("vew"))
    }

    fn pages(query: RecordQuery) -> Pages {
        Pages::of_records(&table(), &query).unwrap()
    }

    fn head(ids: &[&str], place: Option<&str>, total: u64) -> PageHead {
        let items: Vec<Value> = ids.iter().map(|id| json!({"record_id": id, "fields": {}})).collect();
        let data = json!({"items": items, "has_more": place.is_some(), "page_token": place, "total": total});
        PageHead::of(&json!({"code": 0, "data": data}), "items", "record_id")
    }

    #[test]
    fn the_place_is_in_the_query_and_the_wish_in_the_body() {
        let mut pages =
            pages(RecordQuery { page_size: Some(2), columns: vec!["n".to_owned()], ..RecordQuery::default() });
        let first = pages.next_request().unwrap();
        assert_eq!(
            first.url,
            "https://open.feishu.cn/open-apis/bitable/v1/apps/app/tables/tbl/records/search?page_size=2"
        );
        assert_eq!(first.full_body(), json!({"view_id": "vew", "field_names": ["n"], "page_size": 2}));
        assert_eq!(Value::Object(first.body), json!({"view_id": "vew", "field_names": ["n"]}));
        assert_eq!(pages.accept(head(&["a", "b"], Some("p&2"), 3)).unwrap(), [true, true]);
        let second = pages.next_request().unwrap();
        assert!(second.url.ends_with("?page_size=2&page_token=p%262"), "{}", second.url);
        assert_eq!(second.full_body()["page_token"], "p&2");
        // A record that moved from one page to the next is there once.
        assert_eq!(pages.accept(head(&["b", "c"], None, 3)).unwrap(), [false, true]);
        assert_eq!((pages.next_request(), pages.warning()), (None, None));
    }

    #[test]
    fn a_page_token_that_comes_again_ends_the_reading() {
        let mut pages = pages(RecordQuery::default());
        pages.accept(head(&["a"], Some("p"), 9)).unwrap();
        assert_eq!(pages.accept(head(&["b"], Some("p"), 9)).unwrap_err().code(), ErrorCode::ServiceAnswer);
        let long = "x".repeat(5000);
        assert!(self::pages(RecordQuery::default()).accept(head(&[], Some(&long), 0)).is_err());
    }

    #[test]
    fn pages_without_news_end_the_reading() {
        let mut pages = pages(RecordQuery::default());
        let results: Vec<bool> =
            (0..40).map(|page| pages.accept(head(&["a"], Some(&page.to_string()), 1)).is_ok()).collect();
        assert_eq!(results.iter().take_while(|is_ok| **is_ok).count(), 17);
    }

    #[test]
    fn a_table_that_changes_meanwhile_is_told() {
        let mut pages = pages(RecordQuery::default());
        pages.accept(head(&["a"], Some("p"), 2)).unwrap();
        assert!(!pages.is_torn());
        pages.accept(head(&["b"], None, 3)).unwrap();
        assert!(pages.warning().unwrap().contains("2 records at the beginning, 3 at the end, 2 were read"));
    }

    #[test]
    fn no_more_rows_than_wanted() {
        let mut pages = pages(RecordQuery { max_rows: Some(1), ..RecordQuery::default() });
        assert_eq!(pages.accept(head(&["a", "b"], Some("p"), 3)).unwrap(), [true, false]);
        assert_eq!((pages.next_request(), pages.warning()), (None, None));
        assert_eq!(self::pages(RecordQuery { max_rows: Some(0), ..RecordQuery::default() }).next_request(), None);
    }

    #[test]
    fn refusals_have_the_words_of_the_contract() {
        let accept = |reply: Value| {
            pages(RecordQuery::default())
                .accept(PageHead::of(&reply, "items", "record_id"))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(accept(json!({"code": 7, "msg": "no"})), "list records failed: code=7 msg=no");
        assert_eq!(accept(json!({})), "list records failed: code=None msg=None");
        assert_eq!(accept(json!({"code": 0, "data": {"items": {}}})), "unexpected data format: items is not list");
        let head = |reply: Value| PageHead::of(&reply, "items", "record_id").code;
        assert_eq!(head(json!({"data": {"items": []}})), "0");
        assert_eq!(head(json!({"code": 7, "data": {"items": []}})), "7");
        for reply in [json!({"data": {"items": {}}}), json!({"data": {}}), json!({"code": null})] {
            assert_eq!(head(reply), "None");
        }
        let mut empty = pages(RecordQuery::default());
        assert!(empty.accept(PageHead::of(&json!({"code": 0}), "items", "record_id")).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_asked_is_refused_before_it_is() {
        let with = |size| Pages::of_records(&table(), &RecordQuery { page_size: Some(size), ..RecordQuery::default() });
        assert!(with(500).is_ok() && with(501).is_err() && with(0).is_err());
        let other = TableAddress { table_id: "../x".to_owned(), ..table() };
        assert!(Pages::of_records(&other, &RecordQuery::default()).is_err());
        assert!(RecordQuery::parse(r#"{"colums": []}"#).unwrap_err().message().contains("unknown field `colums`"));
    }
}
