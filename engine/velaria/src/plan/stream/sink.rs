//! Where the rows of a query go: the sink of `INSERT INTO`, and its declared columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_connector::{SinkDescription, SinkTable};
use velaria_contract::{Error, ErrorCode, Result};
use velaria_sql::ast::Ident;
use velaria_sql::{TableKind, position_of};
use velaria_stream::StreamPlan;

use crate::catalog::{Entry, SinkEntry, Strictness};
use crate::context::Context;
use crate::error::Translator;
use crate::plan::columns::check_assignable;
use crate::plan::stream::conform;
use crate::plan::target::spelling;
use crate::words::type_word;

/// A sink by its name.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    entry: Arc<SinkEntry>,
}

impl Target {
    pub(crate) fn table(&self) -> Arc<dyn SinkTable> {
        Arc::clone(&self.entry.table)
    }

    pub(crate) fn description(&self) -> SinkDescription {
        self.entry.table.description()
    }
}

/// The sink called `ident`.
pub(crate) fn target(context: &Context, text: &str, ident: &Ident) -> Result<Target> {
    let name = spelling(context, ident);
    let kind = |message: &str| {
        Error::new(
            ErrorCode::TableKind,
            format!("table-kind constraint violation: stream SQL {message}: {}", ident.value),
        )
    };
    let error = match (context.catalog.entry(&name), context.catalog.kind(&name)) {
        (Ok(Entry::Sink(entry)), _) => return Ok(Target { name, entry }),
        (Ok(_), TableKind::Source) => kind("sink cannot be SOURCE TABLE"),
        (Ok(Entry::Stream(_)), _) => kind("sink cannot be SOURCE TABLE"),
        (Ok(_), TableKind::Sink) => not_found(&ident.value)
            .with_hint("this SINK TABLE keeps rows for sql; CREATE SINK TABLE … USING csv OPTIONS(path: '…') takes those of streams"),
        (Ok(_), TableKind::Regular) => kind("sink must be created with CREATE SINK TABLE"),
        (Err(_), _) => not_found(&ident.value)
            .with_hint("CREATE SINK TABLE name (column TYPE, …) USING csv OPTIONS(path: 'out.csv') makes one"),
    };
    Err(error.with_position(position_of(text, ident.span)))
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorCode::TableNotFound, format!("stream sink not found: {name}"))
}

/// Gives the rows of `plan` the declared columns of a sink, by position.
pub(crate) fn fit(context: &Context, text: &str, plan: &mut StreamPlan, target: &Target) -> Result<()> {
    let Some(declared) = &target.entry.columns else { return Ok(()) };
    if declared.fields().len() != plan.schema.fields().len() {
        let message = "INSERT SELECT column count mismatch";
        return Err(Error::new(ErrorCode::InsertColumnCount, message).with_hint(format!(
            "sink {} has {} columns, the query gives {}",
            target.name,
            declared.fields().len(),
            plan.schema.fields().len()
        )));
    }
    let schema = fitted(context, plan, target, declared)?;
    let node = conform(&mut plan.nodes, &schema).map_err(|error| Translator::new(text).translate(&error))?;
    plan.nodes.extend(node);
    plan.schema = schema;
    Ok(())
}

fn fitted(context: &Context, plan: &StreamPlan, target: &Target, declared: &Schema) -> Result<SchemaRef> {
    let fields = plan.schema.fields().iter().zip(declared.fields()).map(|(from, to)| {
        match (check_assignable("insert", from.data_type(), to), target.entry.strictness) {
            (Ok(()), _) => Ok(Field::new(to.name(), to.data_type().clone(), true)),
            (Err(_), Strictness::Text) => {
                context.notices.add(kept(target, from, to));
                Ok(Field::new(to.name(), from.data_type().clone(), true))
            }
            (Err(error), Strictness::Typed) => Err(error),
        }
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
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
