//! The command line of Velaria, as a function: arguments and streams in, an exit code out.
//!
//! The binary and the Python package call the same [`run`].
//!
//! Invariant: nothing here prints outside its [`Io`] or decides what a statement means.

mod args;
mod color;
mod command;
mod failure;
mod input;
mod io;
mod logging;
mod output;
mod parameters;
mod phase;
mod progress;
mod quoting;
mod report;
mod screen;
mod signals;
mod tracked;
mod ui;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use velaria::{Error, ErrorCode, Result};

use crate::args::{Command, GlobalArgs, Parsed};
use crate::failure::Failure;
use crate::phase::Place;
// The public interface.
pub use crate::io::{Io, Streams};
pub use crate::logging::log_record;
pub use crate::signals::Signals;

/// Asked every few milliseconds while a query runs; an error stops the query and is reported.
pub type Check<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Success.
const EXIT_OK: u8 = 0;
/// Any error, by the contract.
const EXIT_ERROR: u8 = 1;
/// Standard output cannot be written (`EX_IOERR`).
const EXIT_OUTPUT: u8 = 74;
/// The reader of standard output went away (128 + `SIGPIPE`).
const EXIT_PIPE: u8 = 141;

/// The rows of `batches` as a table for people, with the number of rows below.
///
/// # Errors
/// `VEL-5011` for a value that has no text.
pub fn table_text(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<String> {
    output::table_text(&command::Table { schema, batches, notices: Vec::new() })
}

/// Does `action`, the name of an action and its arguments, in the tracked run `run_id`, on this process.
///
/// Gives one line of JSON: the document of the action as `payload`, and the files that it made as `artifacts`. The
/// record of the run stays as it is.
///
/// # Errors
/// `VEL-6201` when there is no such run, `VEL-7001` for an action that cannot be, and those of the action.
pub fn act(run_id: &str, action: Vec<OsString>, check: Check<'_>) -> Result<String> {
    tracked::act(run_id, action, check).map_err(|failure| match failure {
        Failure::Engine(error) => error,
        other => Error::new(ErrorCode::InvalidArgument, other.text().trim_start_matches("error: ").trim_end()),
    })
}

/// Runs one command line, `args` without the program name, and returns the exit code.
///
/// An error is one JSON document on standard output, or text on standard error where a person reads a table. After a
/// signal the code is the one that a shell has for it.
pub fn run(args: Vec<OsString>, io: &mut Io<'_>, check: Check<'_>) -> u8 {
    let signals = io.signals();
    let code = answer(args, io, &mut || signals.check().and_then(|()| check()));
    if code == EXIT_ERROR { signals.exit_code().unwrap_or(code) } else { code }
}

fn answer(args: Vec<OsString>, io: &mut Io<'_>, check: Check<'_>) -> u8 {
    let meant_for_person = args::is_meant_for_person(&args, io.stdout_is_terminal());
    let mut parsed = match args::parse(args, io.stdout_is_terminal(), io.stdout_colors()) {
        Ok(Parsed::Command(command, globals)) => match prepare(io, &globals) {
            Ok(()) => command,
            Err(failure) => return fail(io, &failure, None, false),
        },
        Ok(Parsed::Text(text)) => return finish(io.print(&text).and_then(|()| io.flush()), EXIT_OK),
        Err(failure) => return fail(io, &failure, None, meant_for_person),
    };
    parsed.listen(io.bars().listener().as_ref());
    let (for_person, place) = (parsed.is_for_person(), Place::of(&parsed));
    match catch_unwind(AssertUnwindSafe(|| execute(*parsed, io, check))).unwrap_or_else(|_| Err(panicked())) {
        Ok(()) => finish(io.flush(), EXIT_OK),
        Err(failure) => fail(io, &failure, Some(&place), for_person),
    }
}

/// Begins to log, and settles what is drawn.
fn prepare(io: &mut Io<'_>, globals: &GlobalArgs) -> Result<(), Failure> {
    if globals.no_progress {
        io.hide_bars();
    }
    if io.is_program() {
        logging::start(globals.filter()?, globals.log_format);
        io.add_to_program(globals.of_log());
    }
    Ok(())
}

fn execute(command: Command, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    match command {
        Command::CsvSql(args) => command::csv_sql::run(&args, io, check),
        Command::Sql(args) => command::sql::run(&args, io, check),
        Command::FileSql(args) => command::file_sql::run(&args, io, check),
        Command::VectorSearch(args) => command::vector_search::run(&args, io, check),
        Command::Sniff(args) => command::sniff::run(&args, io, check),
        Command::Describe(args) => command::describe::run(&args, io, check),
        Command::Functions(args) => command::functions::run(&args, io, check),
        Command::Shell(args) => command::shell::run(&args, io, check),
        Command::Run(run) => command::run::run(run, io, check),
        Command::Artifacts(artifacts) => command::artifacts::run(artifacts, io, check),
        Command::Index(index) => command::index::run(index, io),
        Command::Ui(args) => command::ui::run(&args, io, check),
        Command::Completions(args) => command::completions::run(&args, io, check),
        Command::Man => command::man::run(io),
        Command::Worker => tracked::run_order(io, check),
    }
}

fn panicked() -> Failure {
    Error::new(ErrorCode::Internal, "the command line panicked")
        .with_hint("this is a bug; please report the command")
        .into()
}

fn fail(io: &mut Io<'_>, failure: &Failure, place: Option<&Place>, for_person: bool) -> u8 {
    if matches!(failure, Failure::Told) {
        return finish(io.flush(), EXIT_ERROR);
    }
    if let Failure::Output(error) = failure {
        return if error.kind() == std::io::ErrorKind::BrokenPipe { EXIT_PIPE } else { EXIT_OUTPUT };
    }
    screen::clear();
    let printed = if for_person {
        io.complain(&io.stderr_colors().error(&failure.text()))
    } else {
        io.print(&failure.json(place)).and_then(|()| io.flush())
    };
    finish(printed, EXIT_ERROR)
}

fn finish(written: std::io::Result<()>, code: u8) -> u8 {
    match written {
        Ok(()) => code,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => EXIT_PIPE,
        Err(_) => EXIT_OUTPUT,
    }
}
