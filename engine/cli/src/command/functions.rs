//! `functions`: the functions of SQL, as the engine knows them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde::Serialize;
use velaria::{Error, ErrorCode, FunctionEntry, Result};

use crate::args::FunctionsArgs;
use crate::command::Table;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::{Check, Io};

/// The document.
#[derive(Serialize)]
struct FunctionsJson<'a> {
    functions: Vec<FunctionJson<'a>>,
}

/// One function.
#[derive(Serialize)]
struct FunctionJson<'a> {
    name: &'a str,
    kind: &'static str,
    aliases: &'a [String],
    family: &'static str,
    signature: &'a str,
    description: &'static str,
    example: &'static str,
}

pub(crate) fn run(args: &FunctionsArgs, io: &mut Io<'_>, _check: Check<'_>) -> std::result::Result<(), Failure> {
    let entries = velaria::functions()?;
    let chosen: Vec<FunctionJson<'_>> =
        entries.iter().filter(|entry| is_chosen(entry, args)).map(FunctionJson::of).collect();
    if args.output.format() == Format::Json {
        return output::write_json(&FunctionsJson { functions: chosen }, io);
    }
    // All of them: whoever looks for a function does not know where in the list it stands.
    output::write(&table(&chosen)?, &args.output.with_all_rows(), io)
}

fn is_chosen(entry: &FunctionEntry, args: &FunctionsArgs) -> bool {
    let wanted = args.text.as_deref().unwrap_or_default().to_lowercase();
    let named = std::iter::once(&entry.name).chain(&entry.aliases).any(|name| name.contains(&wanted));
    named && args.kind.as_deref().is_none_or(|kind| kind == entry.kind.as_str())
}

impl<'a> FunctionJson<'a> {
    fn of(entry: &'a FunctionEntry) -> Self {
        let help = entry.help;
        Self {
            name: &entry.name,
            kind: entry.kind.as_str(),
            aliases: &entry.aliases,
            family: help.map_or("", |help| help.family),
            signature: help.map_or(entry.name.as_str(), |help| help.signature),
            description: help.map_or("", |help| help.description),
            example: help.map_or("", |help| help.example),
        }
    }
}

/// A row for each function. What it is called comes first, and its example last, which a narrow screen cuts.
fn table(functions: &[FunctionJson<'_>]) -> Result<Table> {
    let texts = |of: &dyn Fn(&FunctionJson<'_>) -> String| -> ArrayRef {
        Arc::new(functions.iter().map(|function| Some(of(function))).collect::<StringArray>())
    };
    let columns = [
        ("function", texts(&|function| function.signature.to_owned())),
        ("kind", texts(&|function| function.kind.to_owned())),
        ("gives", texts(&|function| function.description.to_owned())),
        ("also", texts(&|function| function.aliases.join(", "))),
        ("example", texts(&|function| function.example.to_owned())),
    ];
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|error| Error::new(ErrorCode::Internal, "cannot make the table").with_source(error))?;
    Ok(Table { schema: batch.schema(), batches: vec![batch], notices: Vec::new() })
}
