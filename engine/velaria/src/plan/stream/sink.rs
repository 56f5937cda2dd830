//! Where the rows of a query go: the sink of `INSERT INTO`, and its declared columns.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_connector::{EmissionKind, FileAccess, SinkDescription, SinkTable};
use velaria_contract::{Error, ErrorCode, Position, Result};
use velaria_sql::ast::{Ident, Query, SelectItem, SetExpr, Spanned};
use velaria_sql::{TableKind, position_of};
use velaria_stream::{StreamOptions, StreamPlan};

use crate::catalog::{Entry, SinkEntry, Strictness};
use crate::context::Context;
use crate::error::Translator;
use crate::plan::columns::check_assignable;
use crate::plan::stream::{Names, conform};
use crate::plan::target::spelling;
use crate::words::type_word;

/// A sink by its name.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    entry: Arc<SinkEntry>,
    place: Option<Position>,
    /// Where the statement says what goes into each column; empty when it does not list them.
    items: Vec<Option<Position>>,
}

impl Target {
    pub(crate) fn table(&self) -> Arc<dyn SinkTable> {
        Arc::clone(&self.entry.table)
    }

    pub(crate) fn description(&self) -> SinkDescription {
        self.entry.table.description()
    }

    /// Who names the columns.
    pub(crate) fn names(&self) -> Names {
        if self.entry.columns.is_some() { Names::OfSink } else { Names::OfQuery }
    }

    fn place_of(&self, column: usize) -> Option<Position> {
        self.items.get(column).cloned().flatten().or_else(|| self.place.clone())
    }
}

/// Where the outermost list of `query` has its items, when each is one column.
fn items(text: &str, query: &Query) -> Vec<Option<Position>> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Vec::new() };
    let is_one = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    match select.projection.iter().all(is_one) {
        true => select.projection.iter().map(|item| position_of(text, item.span())).collect(),
        false => Vec::new(),
    }
}

/// The sink called `ident`, for the rows of `query`.
pub(crate) fn target(context: &Context, text: &str, ident: &Ident, query: &Query) -> Result<Target> {
    let name = spelling(context, ident);
    let place = position_of(text, ident.span);
    let kind = |message: &str| {
        Error::new(
            ErrorCode::TableKind,
            format!("table-kind constraint violation: stream SQL {message}: {}", ident.value),
        )
    };
    let error = match (context.catalog.entry(&name), context.catalog.kind(&name)) {
        (Ok(Entry::Sink(entry)), _) => return Ok(Target { name, entry, place, items: items(text, query) }),
        (Ok(_), TableKind::Source) => kind("sink cannot be SOURCE TABLE"),
        (Ok(Entry::Stream(_)), _) => kind("sink cannot be SOURCE TABLE"),
        (Ok(_), TableKind::Sink) => not_found(&ident.value)
            .with_hint("this SINK TABLE keeps rows for sql; CREATE SINK TABLE … USING csv OPTIONS(path: '…') takes those of streams"),
        (Ok(_), TableKind::Regular) => kind("sink must be created with CREATE SINK TABLE"),
        (Err(_), _) => not_found(&ident.value)
            .with_hint("CREATE SINK TABLE name (column TYPE, …) USING csv OPTIONS(path: 'out.csv') makes one"),
    };
    Err(error.with_position(place))
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorCode::TableNotFound, format!("stream sink not found: {name}"))
}

/// Gives the rows of `plan` the declared columns of a sink, by position.
pub(crate) fn fit(context: &Context, text: &str, plan: &mut StreamPlan, target: &Target) -> Result<()> {
    let Some(declared) = &target.entry.columns else { return Ok(()) };
    let tells_changes = plan.output == EmissionKind::Changelog;
    let (has, gives) = (declared.fields().len(), plan.schema.fields().len() + usize::from(tells_changes));
    if has != gives {
        let message = "INSERT SELECT column count mismatch";
        let with_op = if tells_changes { " with __op" } else { "" };
        return Err(Error::new(ErrorCode::InsertColumnCount, message)
            .with_hint(format!("sink {} has {has} columns, the query gives {gives}{with_op}", target.name))
            .with_position(target.place.clone()));
    }
    if let (true, Some(last)) = (tells_changes, declared.fields().last()) {
        check_op(last).map_err(|error| error.with_position(target.place.clone()))?;
    }
    let schema = fitted(context, plan, target, declared)?;
    let node = conform(&mut plan.nodes, &schema).map_err(|error| Translator::new(text).translate(&error))?;
    plan.nodes.extend(node);
    plan.schema = schema;
    Ok(())
}

fn fitted(context: &Context, plan: &StreamPlan, target: &Target, declared: &Schema) -> Result<SchemaRef> {
    let pairs = plan.schema.fields().iter().zip(declared.fields()).enumerate();
    let fields = pairs.map(|(index, (from, to))| match (check(from, to), target.entry.strictness) {
        (Ok(()), _) => Ok(Field::new(to.name(), to.data_type().clone(), true)),
        (Err(_), Strictness::Text) if !is_text(from) => {
            context.notices.add(kept(target, from, to));
            Ok(Field::new(to.name(), from.data_type().clone(), true))
        }
        (Err(error), _) => Err(error.with_position(target.place_of(index))),
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

/// As `INSERT`, but text is not read as something else in passing: one row that cannot be read would end the query, perhaps
/// after days.
fn check(from: &Field, to: &Field) -> Result<()> {
    if is_text(from) && !is_text(to) && !to.data_type().is_binary() {
        let (given, wanted) = (type_word(from.data_type()), type_word(to.data_type()));
        let message = format!("cannot insert {given} into column {} of type {wanted}", to.name());
        return Err(Error::new(ErrorCode::TypeMismatch, message).with_hint(
            "convert the value on purpose with CAST, or with TRY_CAST, which gives NULL for what cannot be read",
        ));
    }
    check_assignable("insert", from.data_type(), to)
}

/// What became of a row is text, and stays text.
fn check_op(last: &Field) -> Result<()> {
    if is_text(last) {
        return Ok(());
    }
    let message = format!("cannot insert STRING into column {} of type {}", last.name(), type_word(last.data_type()));
    Err(Error::new(ErrorCode::TypeMismatch, message)
        .with_hint("the last column of output_mode 'changelog' is __op: declare it STRING"))
}

fn is_text(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn kept(target: &Target, from: &Field, to: &Field) -> String {
    let word = |data_type: &DataType| type_word(data_type);
    format!(
        "sink {}: column {} is declared {} and is written as {}, because the values would change",
        target.name,
        to.name(),
        word(to.data_type()),
        word(from.data_type())
    )
}

/// Checks that a session with `access` may write the files of a query, those of its sink and those of its checkpoint.
pub(crate) fn check_access(access: &FileAccess, sink: &dyn SinkTable, options: &StreamOptions) -> Result<()> {
    if let Some(place) = sink.place() {
        access.check_change("a sink of files")?;
        access.check_path(place)?;
    }
    if !options.checkpoint_path.is_empty() {
        access.check_change("a checkpoint")?;
        access.check_path(Path::new(&options.checkpoint_path))?;
    }
    Ok(())
}
