//! `CREATE TABLE`, `DROP TABLE` and `DROP VIEW`: tables in memory with enforced types.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use velaria_connector::{FILE_OPTIONS, Format as FileFormat, MemoryTable, ReadOptions};
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::ast::{CastKind, ColumnDef, Expr, ExprWithAlias, Value};
use velaria_sql::{CreateTable, Drop, DropKind, Span, TableKind, TableOption, closest, position_of};

use crate::catalog::{Entry, SourceTable, table_exists};
use crate::context::{Context, Spread};
use crate::dataframe::DataFrame;
use crate::error::{TYPE_HINT, duplicate_column};
use crate::plan::kind::Place;
use crate::plan::{files, kind, query, rules, stream, target};
use crate::result_frame::Done;
use crate::variables;

/// Runs `CREATE TABLE`.
pub(crate) async fn create_table(context: &Arc<Context>, text: &str, create: CreateTable) -> Result<Done> {
    let name = create.name.value.clone();
    let kind = create.kind;
    let taken = context.catalog.entry(&name).is_ok();
    if taken {
        if create.if_not_exists {
            return Ok(Done::new("create table ignored: already exists", 0));
        }
        if !create.or_replace {
            return Err(table_exists(&name).with_position(position_of(text, create.name.span)));
        }
    }
    let (table, rows) = match kind::place(&create) {
        Place::Files => (Entry::Source(Arc::new(source_table(context, text, &create).await?)), 0),
        Place::Sink => {
            let columns = declared(context, text, &create.columns)?;
            (Entry::Sink(Arc::new(stream::sink(context, text, &create, columns)?)), 0)
        }
        Place::Memory => {
            let (table, rows) = new_table(context, text, create).await?;
            (Entry::Table(Arc::new(table)), rows)
        }
    };
    if taken {
        context.catalog.replace(&name, table);
    } else {
        context.catalog.create(&name, table)?;
    }
    context.catalog.set_kind(&name, kind);
    Ok(Done::new(kind::created(kind), rows))
}

/// Runs `DROP TABLE` or `DROP VIEW`.
pub(crate) fn drop_entry(context: &Context, text: &str, drop: &Drop) -> Result<Done> {
    let name = target::spelling(context, &drop.name);
    let (kind, done, missing) = match drop.kind {
        DropKind::Table => ("table", "drop table done", "drop table ignored: no such table"),
        DropKind::View => ("view", "drop view done", "drop view ignored: no such view"),
    };
    let found = match context.catalog.entry(&name) {
        Err(_) if drop.if_exists => return Ok(Done::new(missing, 0)),
        Err(error) => return Err(error.with_position(position_of(text, drop.name.span))),
        Ok(found) => found,
    };
    if found.kind() != kind {
        let message = format!("{} is a {}, not a {kind}", drop.name.value, found.kind());
        return Err(Error::new(ErrorCode::TableKind, message)
            .with_hint(format!("write DROP {}", found.kind().to_uppercase()))
            .with_position(position_of(text, drop.name.span)));
    }
    context.catalog.remove(&name);
    Ok(Done::new(done, 0))
}

async fn new_table(context: &Arc<Context>, text: &str, create: CreateTable) -> Result<(MemoryTable, usize)> {
    let Some(source) = create.query.clone() else {
        let schema = declared_schema(context, text, &create.columns)?;
        let (schema, rules) = rules::declared(context, text, &create, schema).await?;
        return Ok((MemoryTable::with_rules(schema, rules)?, 0));
    };
    let listed = create.columns.first().map(|column| column.name.span);
    if listed.is_some() || !create.constraints.is_empty() {
        return Err(Error::new(ErrorCode::Unsupported, "CREATE TABLE … AS takes its columns from the query")
            .with_hint("name the columns in the query with AS")
            .with_position(position_of(text, listed.unwrap_or(create.name.span))));
    }
    let bound = query::bind(context, text, source).await?;
    let frame = DataFrame::from_query(context, text, bound);
    if let Some((_, name)) = repeated(frame.schema().fields().iter().map(|field| field.name().as_str())) {
        return Err(duplicate_column(name));
    }
    let batches = variables::owned(context, frame.collect().await?)?;
    let table = MemoryTable::new(all_nullable(&frame.schema()), batches)?;
    let rows = table.rows();
    Ok((table, rows))
}

/// A table over files, opened once so that what is wrong is said now. A SOURCE TABLE with columns may wait for its files.
async fn source_table(context: &Context, text: &str, create: &CreateTable) -> Result<SourceTable> {
    let at = |span: Span| position_of(text, span);
    let unsupported = |message: &str| Error::new(ErrorCode::Unsupported, message).with_position(at(create.name.span));
    if create.query.is_some() {
        return Err(unsupported("CREATE TABLE … AS has no files").with_hint("write files with COPY"));
    }
    if !create.constraints.is_empty() || create.columns.iter().any(|column| !column.options.is_empty()) {
        return Err(unsupported("a table over files has no rules").with_hint("name the columns and their types only"));
    }
    let format = create.provider.as_deref().map(FileFormat::named).transpose();
    let format = format.map_err(|error| error.with_position(at(create.name.span)))?;
    let streamed = |format| matches!(format, FileFormat::Csv | FileFormat::Json | FileFormat::Parquet);
    if create.kind == TableKind::Source && !format.is_none_or(streamed) {
        return Err(
            unsupported("stream CREATE TABLE only supports USING csv").with_hint("or json and parquet for sources")
        );
    }
    let Some(path) = create.options.iter().find(|option| option.key == "path") else {
        let meant = create.options.iter().find(|option| closest(&option.key, ["path"]).is_some());
        if let Some(option) = meant {
            return Err(Error::new(ErrorCode::InvalidArgument, format!("unknown option: {}", option.key))
                .with_hint("did you mean path?")
                .with_position(at(option.span)));
        }
        return Err(Error::new(ErrorCode::InvalidStatement, "CREATE TABLE missing option: path")
            .with_hint("OPTIONS(path: 'data/*.csv') says where the files are")
            .with_position(at(create.name.span)));
    };
    let columns = declared(context, text, &create.columns)?;
    let others = create.options.iter().filter(|option| option.key != "path");
    let given = others.fold(ReadOptions::new(), |options, option| options.with(&option.key, option.value.as_str()));
    let options = match create.kind {
        TableKind::Source => stream::batch_options(&given),
        TableKind::Regular | TableKind::Sink => given.clone(),
    };
    let placed = |error: Error| {
        let option = option_of(&error, &create.options).unwrap_or(path);
        error.with_position(at(option.span))
    };
    if let Some(format) = format {
        // Files that come later do not say it.
        let own = options.clone().without(&FILE_OPTIONS).without(&["format"]);
        own.check(format.name(), format.options()).map_err(placed)?;
    }
    let source = SourceTable::new(path.value.clone(), format, (options, given), columns);
    let opened = files::open_source(context, &source).await;
    match opened {
        Ok(()) => Ok(source),
        Err(error) if create.kind == TableKind::Source && error.code() == ErrorCode::FileNotFound => Ok(source),
        Err(error) => Err(placed(error)),
    }
}

/// The option that `error` is about: arguments that are wrong are called by their name.
fn option_of<'a>(error: &Error, options: &'a [TableOption]) -> Option<&'a TableOption> {
    let is_named = |option: &&TableOption| error.message().split([' ', ':']).any(|word| word == option.key);
    options.iter().filter(|_| error.code() == ErrorCode::InvalidArgument).find(is_named)
}

fn declared(context: &Context, text: &str, columns: &[ColumnDef]) -> Result<Option<SchemaRef>> {
    match columns.is_empty() {
        true => Ok(None),
        false => declared_schema(context, text, columns).map(Some),
    }
}

/// What a query returned says nothing about what may be inserted later.
fn all_nullable(schema: &Schema) -> SchemaRef {
    let nullable = |field: &FieldRef| Arc::new(field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(schema.fields().iter().map(nullable).collect::<Vec<_>>()))
}

fn declared_schema(context: &Context, text: &str, columns: &[ColumnDef]) -> Result<SchemaRef> {
    if let Some((index, name)) = repeated(columns.iter().map(|column| column.name.value.as_str())) {
        return Err(duplicate_column(name).with_position(position_of(text, columns[index].name.span)));
    }
    let fields = columns.iter().map(|column| declared_field(context, text, column)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

fn declared_field(context: &Context, text: &str, column: &ColumnDef) -> Result<Field> {
    let data_type = declared_type(context, column).map_err(|error| error.with_position(place_of_type(text, column)))?;
    Ok(Field::new(&column.name.value, data_type, rules::is_nullable(column)))
}

/// The word after the name of the column: the syntax tree keeps no place for types.
fn place_of_type(text: &str, column: &ColumnDef) -> Option<Position> {
    let name = column.name.span;
    let line = text.lines().nth(usize::try_from(name.end.line.checked_sub(1)?).ok()?)?;
    let after: Vec<char> = line.chars().skip(usize::try_from(name.end.column.checked_sub(1)?).ok()?).collect();
    let gap = after.iter().position(|character| !character.is_whitespace())?;
    let word = after.iter().skip(gap).take_while(|character| character.is_alphanumeric() || **character == '_').count();
    Position::in_text(text, name.end.line, name.end.column + u64::try_from(gap).ok()?, u64::try_from(word).ok()?)
}

/// The Arrow type of a declared column, found the same way as for `CAST`.
fn declared_type(context: &Context, column: &ColumnDef) -> Result<DataType> {
    let cast = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::Null.into())),
        data_type: column.data_type.clone(),
        array: false,
        format: None,
    };
    let schema = DFSchema::empty();
    context
        .state(Spread::Parallel)
        .create_logical_expr_from_sql_expr(ExprWithAlias { expr: cast, alias: None }, &schema)
        .and_then(|expr| expr.get_type(&schema))
        .map_err(|error| {
            Error::new(ErrorCode::TypeMismatch, format!("unknown type: {}", column.data_type))
                .with_hint(TYPE_HINT)
                .with_source(error)
        })
}

/// The first name that stands there a second time.
fn repeated<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    let mut seen = BTreeSet::new();
    names.into_iter().enumerate().find(|(_, name)| !seen.insert(*name))
}
