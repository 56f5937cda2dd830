//! `CREATE INDEX`, `DROP INDEX` and `REINDEX`.
//!
//! A unique index is a key of its table. Any other index is a name: tables in memory are scanned.

use datafusion::catalog::TableProvider;
use velaria_connector::{KeyKind, KeyRule};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{CreateIndex, DropIndex, Reindex, Uniqueness, position_of};

use crate::catalog::Entry;
use crate::context::Context;
use crate::plan::columns::positions;
use crate::plan::target;
use crate::result_frame::Done;

const HINT: &str = "only tables made by CREATE TABLE have indexes";

/// Runs `CREATE INDEX`.
pub(crate) async fn create(context: &Context, text: &str, create: &CreateIndex) -> Result<Done> {
    let name = &create.name.value;
    if create.if_not_exists && context.catalog.index(name).is_some() {
        return Ok(Done::new("create index ignored: already exists", 0));
    }
    let target = target::find(context, text, &create.table, "CREATE INDEX", HINT)?;
    let columns = positions(text, &target.table.schema(), &create.columns, "index")?;
    let mut writer = target.table.write().await;
    let place = || position_of(text, create.name.span);
    context.catalog.create_index(name, &target.name).map_err(|error| error.with_position(place()))?;
    if create.uniqueness == Uniqueness::Unique
        && let Err(error) = writer.add_key(KeyRule { kind: KeyKind::Index(name.clone()), columns })
    {
        context.catalog.remove_index(name);
        return Err(error.with_position(place()));
    }
    Ok(Done::new("create index done", 0))
}

/// Runs `DROP INDEX`.
pub(crate) async fn drop_index(context: &Context, text: &str, drop: &DropIndex) -> Result<Done> {
    let Some((index, table)) = context.catalog.index(&drop.name.value) else {
        if drop.if_exists {
            return Ok(Done::new("drop index ignored: no such index", 0));
        }
        return Err(not_found(text, &drop.name));
    };
    if let Ok(Entry::Table(table)) = context.catalog.entry(&table) {
        table.write().await.drop_index(&index);
    }
    context.catalog.remove_index(&index);
    Ok(Done::new("drop index done", 0))
}

/// Runs `REINDEX`: every index is as it should be at any time.
pub(crate) fn reindex(context: &Context, text: &str, reindex: &Reindex) -> Result<Done> {
    if let Some(name) = &reindex.name {
        let table = matches!(context.catalog.entry(&target::spelling(context, name)), Ok(Entry::Table(_)));
        if !table && context.catalog.index(&name.value).is_none() {
            return Err(not_found(text, name));
        }
    }
    Ok(Done::new("reindex done", 0))
}

fn not_found(text: &str, name: &Ident) -> Error {
    Error::new(ErrorCode::TableNotFound, format!("index not found: {}", name.value))
        .with_position(position_of(text, name.span))
}
