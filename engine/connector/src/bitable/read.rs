//! A table as batches: its fields say the columns, its pages the rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::Value;
use velaria_contract::{Error, ErrorCode, Result};

use super::address::TableAddress;
use super::decode::{Undecoded, batch};
use super::fault::{refused, unexpected};
use super::fields::{Column, Columns, Kind, misfit};
use super::paging::{PageHead, Pages, RecordQuery, check_id, table_url};
use super::transport::{Transport, document};

/// A table, and the way to it.
#[derive(Debug, Clone)]
pub struct BitableSource {
    /// How requests travel.
    pub transport: Arc<dyn Transport>,
    /// Which table is read.
    pub table: TableAddress,
    /// What is wanted of it.
    pub query: RecordQuery,
}

/// The rows of a table.
#[derive(Debug)]
pub struct BitableRows {
    /// The columns: `record_id`, then one for each field.
    pub schema: SchemaRef,
    /// The rows, a batch for each page.
    pub batches: Vec<RecordBatch>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Reads the records of a table.
///
/// # Errors
/// `VEL-7001` for a query that cannot be, `VEL-2001` for a field that is not there, `VEL-6301` to `VEL-6303` of the service.
pub async fn read_records(source: &BitableSource) -> Result<BitableRows> {
    let source = source.resolved().await?;
    let mut warnings = Vec::from_iter(source.check_view().await?);
    let mut columns = source.columns().await?;
    let (pages, warning) = source.pages().await?;
    warnings.extend(warning);
    columns.settle_integers(pages.iter().flatten());
    let batches = loop {
        match pages.iter().map(|records| batch(&columns, records)).collect::<Result<Vec<_>, _>>() {
            Ok(batches) => break batches,
            Err(Undecoded::Error(error)) => return Err(error),
            Err(Undecoded::Misfit(place, misfit)) => {
                let Some(column) = columns.columns.get_mut(place) else {
                    return Err(Error::new(ErrorCode::Internal, "a value of no column"));
                };
                warnings.push(widened(column, &misfit.shown)?);
            }
        }
    };
    Ok(BitableRows { schema: columns.schema(), batches, warnings })
}

/// Makes JSON text of a column, all of whose values are kept so.
fn widened(column: &mut Column, shown: &str) -> Result<String> {
    if column.kind == Kind::Json {
        return Err(Error::new(ErrorCode::Internal, "a value is no JSON"));
    }
    let wanted = column.kind.data_type();
    column.kind = Kind::Json;
    Ok(format!("the field {} has values that are no {wanted}, such as {shown}: it is read as JSON text", column.name))
}

impl BitableSource {
    /// The same source, with the Base that a wiki page shows in place of the page.
    pub(super) async fn resolved(&self) -> Result<Self> {
        let mut source = self.clone();
        if !source.table.in_wiki {
            return Ok(source);
        }
        source.table.app_token = app_of_node(self.transport.as_ref(), &self.table).await?;
        source.table.in_wiki = false;
        Ok(source)
    }

    /// A warning, when it cannot be known whether the view is there: a view that is not would mean all records.
    pub(super) async fn check_view(&self) -> Result<Option<String>> {
        let Some(view_id) = &self.table.view_id else { return Ok(None) };
        check_id("view_id", view_id)?;
        let url = table_url(&self.table, &format!("views/{view_id}"))?;
        let reply = self.transport.request("GET", &url, None).await;
        let error = match reply.map(|reply| PageHead::of(&reply, "", "")) {
            Ok(head) if head.code == "0" => return Ok(None),
            Ok(head) => refused("read view", &head.code, &head.message, head.log_id.as_deref()),
            Err(error) if error.code() == ErrorCode::ServiceRefused => error,
            Err(error) => return Err(error),
        };
        if ["1254042", "1254005"].iter().any(|code| error.message().contains(code)) {
            return Err(error);
        }
        Ok(Some(format!(
            "it is not known whether the view {view_id} is there ({error}); the right base:view:read tells"
        )))
    }

    pub(super) async fn columns(&self) -> Result<Columns> {
        let mut pages = Pages::of_fields(&self.table)?;
        let mut fields = Vec::new();
        while let Some(request) = pages.next_request() {
            let reply = self.transport.request("GET", &request.url, None).await?;
            fields.extend(taken(&mut pages, reply, "field_id")?);
        }
        Columns::of(&fields, &self.query)
    }

    async fn pages(&self) -> Result<(Vec<Vec<Value>>, Option<String>)> {
        let mut pages = Pages::of_records(&self.table, &self.query)?;
        let mut read = Vec::new();
        while let Some(records) = self.next_page(&mut pages).await? {
            read.push(records);
        }
        Ok((read, pages.warning()))
    }

    /// The records of the next page that are wanted.
    pub(super) async fn next_page(&self, pages: &mut Pages) -> Result<Option<Vec<Value>>> {
        let Some(request) = pages.next_request() else { return Ok(None) };
        let reply = self.transport.request("POST", &request.url, Some(request.full_body())).await?;
        taken(pages, reply, "record_id").map(Some)
    }

    /// The error for a value that its column cannot hold.
    pub(super) fn misfit(columns: &Columns, records: &[Value], undecoded: Undecoded) -> Error {
        match undecoded {
            Undecoded::Error(error) => error,
            Undecoded::Misfit(place, found) => match columns.columns.get(place) {
                Some(column) => misfit(column, records.get(found.row), &found),
                None => Error::new(ErrorCode::Internal, "a value of no column"),
            },
        }
    }
}

/// The items of `reply` that `pages` takes.
fn taken(pages: &mut Pages, mut reply: Value, id: &str) -> Result<Vec<Value>> {
    let takes = pages.accept(PageHead::of(&reply, "items", id))?;
    let items = reply.get_mut("data").and_then(|data| data.get_mut("items")).map(Value::take);
    let Some(Value::Array(items)) = items else { return Ok(Vec::new()) };
    Ok(items.into_iter().zip(takes).filter(|(_, takes)| *takes).map(|(item, _)| item).collect())
}

/// The request that says what a wiki page shows.
pub(super) fn node_url(table: &TableAddress) -> Result<String> {
    check_id("wiki node", &table.app_token)?;
    Ok(format!("{}/open-apis/wiki/v2/spaces/get_node?token={}", table.origin.as_str(), table.app_token))
}

async fn app_of_node(transport: &dyn Transport, table: &TableAddress) -> Result<String> {
    app_of_reply(&transport.request("GET", &node_url(table)?, None).await?)
}

/// The token of the Base in the answer about a wiki page.
fn app_of_reply(reply: &Value) -> Result<String> {
    let head = PageHead::of(reply, "", "");
    if head.code != "0" {
        return Err(refused("read wiki node", &head.code, &head.message, head.log_id.as_deref()));
    }
    let node = reply.get("data").and_then(|data| data.get("node")).unwrap_or(&Value::Null);
    let text = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or_default();
    match (text("obj_type"), text("obj_token")) {
        ("bitable", token) if !token.is_empty() => Ok(token.to_owned()),
        ("bitable", _) => Err(unexpected("the wiki page names no Base")),
        (other, _) => Err(Error::new(ErrorCode::InvalidArgument, format!("the wiki page is no Bitable but {other:?}"))
            .with_hint("open the table itself and copy its address")),
    }
}

impl TableAddress {
    /// The request that says which Base a wiki page shows, when this is one.
    ///
    /// # Errors
    /// `VEL-7001` for a token that is none.
    pub fn node_request(&self) -> Result<Option<String>> {
        if self.in_wiki { node_url(self).map(Some) } else { Ok(None) }
    }

    /// The same table in the Base that `reply` to that request names.
    ///
    /// # Errors
    /// `VEL-6301` when the service refused, `VEL-6303` for what is no JSON, `VEL-7001` when the page shows something else.
    pub fn in_base(mut self, reply: &str) -> Result<Self> {
        self.app_token = app_of_reply(&document(reply)?)?;
        self.in_wiki = false;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::json;

    use super::*;
    use crate::bitable::Origin;

    /// Answers in turn, and the requests that were made.
    #[derive(Debug, Default)]
    pub(crate) struct Script {
        replies: Mutex<Vec<Value>>,
        pub(crate) asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Transport for Script {
        async fn request(&self, method: &str, url: &str, _: Option<Value>) -> Result<Value> {
            let path = url.split("/v1/").last().unwrap_or_default();
            self.asked.lock().unwrap().push(format!("{method} {path}"));
            Ok(self.replies.lock().unwrap().remove(0))
        }
    }

    fn source(replies: Vec<Value>, query: RecordQuery) -> (BitableSource, Arc<Script>) {
        let script = Arc::new(Script { replies: Mutex::new(replies), asked: Mutex::default() });
        let table = TableAddress::of_base(Origin::feishu(), "app", "tbl", None);
        (BitableSource { transport: Arc::clone(&script) as Arc<dyn Transport>, table, query }, script)
    }

    fn fields() -> Value {
        json!({"code": 0, "data": {"items": [
            {"field_id": "f1", "field_name": "name", "type": 1},
            {"field_id": "f2", "field_name": "amount", "type": 2, "property": {"formatter": "0"}},
        ]}})
    }

    fn page(items: Value, place: Option<&str>) -> Value {
        json!({"code": 0, "data": {"items": items, "has_more": place.is_some(), "page_token": place}})
    }

    #[tokio::test]
    async fn fields_say_the_columns_and_pages_the_rows() {
        let first = page(json!([{"record_id": "r1", "fields": {"name": [{"text": "a"}], "amount": 1}}]), Some("p"));
        let second = page(json!([{"record_id": "r1"}, {"record_id": "r2", "fields": {"amount": 2}}]), None);
        let (source, script) = source(vec![fields(), first, second], RecordQuery::default());
        let rows = read_records(&source).await.unwrap();
        assert_eq!(rows.batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(rows.schema.field(2).data_type().to_string(), "Int64");
        let search = "POST apps/app/tables/tbl/records/search?page_size=500";
        let asked = script.asked.lock().unwrap().clone();
        assert_eq!(asked, ["GET apps/app/tables/tbl/fields?page_size=100", search, &format!("{search}&page_token=p")]);
    }

    #[tokio::test]
    async fn a_value_of_another_kind_widens_its_column_and_is_told() {
        let records = page(json!([{"record_id": "r1", "fields": {"amount": "many"}}, {"fields": {"amount": 1}}]), None);
        let (source, _) = source(vec![fields(), records], RecordQuery::default());
        let rows = read_records(&source).await.unwrap();
        assert_eq!(rows.schema.field(2).data_type().to_string(), "Utf8");
        assert_eq!(
            rows.warnings,
            ["the field amount has values that are no Float64, such as \"many\": it is read as JSON text"]
        );
    }

    #[tokio::test]
    async fn a_wiki_page_is_followed_to_its_base() {
        let node = json!({"code": 0, "data": {"node": {"obj_type": "bitable", "obj_token": "real"}}});
        let (mut source, script) = source(vec![node, fields(), page(json!([]), None)], RecordQuery::default());
        source.table.in_wiki = true;
        assert_eq!(read_records(&source).await.unwrap().batches[0].num_rows(), 0);
        assert!(script.asked.lock().unwrap()[1].contains("apps/real/"));
        let (mut source, _) = self::source(
            vec![json!({"code": 0, "data": {"node": {"obj_type": "docx", "obj_token": "d"}}})],
            RecordQuery::default(),
        );
        source.table.in_wiki = true;
        assert_eq!(read_records(&source).await.unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[tokio::test]
    async fn a_view_that_is_not_there_is_an_error_and_one_that_may_not_be_seen_a_warning() {
        let refusal = |code: i64| json!({"code": code, "msg": "no"});
        let (mut source, _) = source(vec![refusal(1_254_042)], RecordQuery::default());
        source.table.view_id = Some("vew".to_owned());
        assert_eq!(read_records(&source).await.unwrap_err().code(), ErrorCode::ServiceRefused);
        let replies = vec![refusal(99_991_672), fields(), page(json!([]), None)];
        let (mut source, _) = self::source(replies, RecordQuery::default());
        source.table.view_id = Some("vew".to_owned());
        assert!(read_records(&source).await.unwrap().warnings[0].contains("base:view:read"));
    }
}
