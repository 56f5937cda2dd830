//! `ui`: pages about runs, for the browser of this machine, until somebody ends it.

use std::thread;
use std::time::Duration;

use serde::Serialize;
use velaria::ErrorCode;
use velaria_workspace::Home;

use crate::args::UiArgs;
use crate::command::opener::open_page;
use crate::failure::Failure;
use crate::output::write_json;
use crate::ui::{Options, Server};
use crate::{Check, Io};

/// How long an interrupt may go unseen.
const TICK: Duration = Duration::from_millis(50);

/// The document of `ui`, which is printed when pages can be asked for.
#[derive(Serialize)]
struct ServingJson<'a> {
    ok: bool,
    url: &'a str,
}

pub(crate) fn run(args: &UiArgs, io: &mut Io<'_>, check: Check<'_>) -> Result<(), Failure> {
    let server = Server::start(Home::from_env()?, args.port, options(args))?;
    announce(&server, io)?;
    if args.open {
        // Where there is no browser, the printed address still leads to the pages.
        if let Err(error) = open_page(&server.ticket_url()?, &mut *check)
            && error.code() != ErrorCode::Cancelled
        {
            io.complain(&format!("warning: {}\n", error.message()))?;
        }
    }
    loop {
        match check() {
            Ok(()) => thread::sleep(TICK),
            // This is how it ends.
            Err(error) if error.code() == ErrorCode::Cancelled => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn options(args: &UiArgs) -> Options {
    Options {
        cancel: args.allow_cancel,
        sql: !args.no_sql,
        allowed_paths: args.allow_path.clone(),
        timeout: args.timeout,
        rows_max: args.max_rows as usize,
        memory_limit_bytes: args.memory_limit,
    }
}

fn announce(server: &Server, io: &mut Io<'_>) -> Result<(), Failure> {
    let url = server.url();
    if io.stdout_is_terminal() {
        io.print(&format!("{url}\n"))?;
    } else {
        write_json(&ServingJson { ok: true, url: &url }, io)?;
    }
    Ok(io.flush()?)
}
