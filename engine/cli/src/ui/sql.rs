//! The box for SQL: queries over artifacts, which change nothing.
//!
//! A session lives for one query. It knows the artifacts by name and opens the files of those that the query mentions;
//! other files are open to it only when they were named on the command line.

mod names;

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use velaria::{Error, ErrorCode, Result, wait};
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Object, Run};

use self::names::{Named, mentioned, named};
use super::cell::line;
use super::file::{Cells, session};
use super::query::{Fields, encoded};
use super::table::table;
use super::{Site, page, reply};
use crate::Check;
use crate::command::{Table, collect};
use crate::report::text::visible;

/// Artifacts that a query can name.
const NAMED_MAX: usize = 200;
/// Artifacts whose names are shown.
const SHOWN_MAX: usize = 30;

/// The page before a query.
pub(super) fn page(site: &Site, fields: &Fields) -> Result<Response> {
    allowed(site)?;
    let tables = tables(site, fields.text("run"))?;
    let wanted = fields.text("table").and_then(|id| tables.iter().find(|table| table.has(id))).or(tables.first());
    let query = wanted.map(|table| format!("SELECT *\nFROM {}\nLIMIT 100", table.quoted()));
    let body = whole(fields.text("run"), &query.unwrap_or_default(), &tables, &html! {});
    Ok(reply::html(StatusCode::OK, page::whole(site, "SQL", &body)))
}

/// The page with the rows of a query.
pub(super) fn answer(site: &Site, form: &Fields, check: Check<'_>) -> Result<Response> {
    allowed(site)?;
    let query = form.text("sql").unwrap_or_default();
    let tables = tables(site, form.text("run"))?;
    let began = Instant::now();
    let found = rows(site, query, &tables, check).and_then(|rows| shown(&rows, site.options.rows_max, began.elapsed()));
    let status = found.as_ref().err().map_or(StatusCode::OK, reply::status_of);
    let result = found.unwrap_or_else(|error| page::error(&error));
    let body = whole(form.text("run"), query, &tables, &result);
    Ok(reply::html(status, page::whole(site, "SQL", &body)))
}

fn allowed(site: &Site) -> Result<()> {
    if site.options.sql {
        return Ok(());
    }
    Err(Error::new(ErrorCode::AccessDenied, "there is no SQL here")
        .with_hint("velaria-cli ui was started with --no-sql"))
}

/// The artifacts of the run `id`, or of all runs, under their names.
fn tables(site: &Site, id: Option<&str>) -> Result<Vec<Named>> {
    let run_id = id.map(|id| Run::open(&site.home, id).map(|run| run.id().as_str().to_owned())).transpose()?;
    let filter = ArtifactFilter { limit: NAMED_MAX, run_id: run_id.clone(), ..ArtifactFilter::default() };
    let artifacts: Vec<Object> = ArtifactIndex::open(&site.home)?.list_artifacts(&filter)?;
    Ok(named(&site.home, &artifacts, run_id.is_some()))
}

/// Runs the query to its end, or as far as it is shown and one row more.
fn rows(site: &Site, query: &str, tables: &[Named], check: Check<'_>) -> Result<Table> {
    if query.trim().is_empty() {
        return Err(Error::new(ErrorCode::InvalidArgument, "there is no query"));
    }
    let used = mentioned(tables, query);
    let paths = used.iter().map(|table| table.file.path.clone()).chain(site.options.allowed_paths.iter().cloned());
    let session = session(&site.options, paths.collect())?;
    let (text, limit) = (query.to_owned(), site.options.rows_max.saturating_add(1));
    let (began, timeout) = (Instant::now(), site.options.timeout);
    // Opening the files is no statement, but it takes time too.
    let mut check = || check().and_then(|()| in_time(began, timeout));
    let frame = wait(
        async move {
            for table in used {
                let frame = table.file.frame(&session, Cells::Value).await?;
                table.names.iter().try_for_each(|name| session.create_temp_view(name, &frame))?;
            }
            session.sql(&text).await?.limit(limit)
        },
        &mut check,
    )?;
    collect(frame, &mut check)
}

fn in_time(began: Instant, timeout: Duration) -> Result<()> {
    if began.elapsed() <= timeout {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Timeout, format!("query ran for more than {} s", timeout.as_secs_f64()))
        .with_hint("--timeout of velaria-cli ui gives queries more time"))
}

fn shown(rows: &Table, rows_max: usize, elapsed: Duration) -> Result<Markup> {
    let seen: usize = rows.batches.iter().map(|batch| batch.num_rows()).sum();
    let noun = if seen == 1 { "row" } else { "rows" };
    Ok(html! { section {
        p class="note" role="status" {
            @if seen > rows_max { "The first " (rows_max) " rows" } @else { (seen) " " (noun) }
            " in " (elapsed.as_millis()) " ms"
        }
        @for notice in &rows.notices { p class="note" { (visible(notice)) } }
        (table(rows, 1, rows_max)?)
    } })
}

fn whole(run: Option<&str>, query: &str, tables: &[Named], result: &Markup) -> Markup {
    html! { main {
        h1 { "SQL" }
        @if let Some(run) = run {
            p class="note" {
                "Over the artifacts of " a href={ "/run/" (encoded(run)) } { (line(run)) } ", or "
                a href="/sql" { "those of all runs" } "."
            }
        }
        form class="sql" method="post" action="/sql" {
            @if let Some(run) = run { input type="hidden" name="run" value=(run); }
            textarea name="sql" rows="6" spellcheck="false" aria-label="The query" autofocus { (query) }
            div class="row" {
                button { "Run" }
                span class="soft" { "Ctrl+Enter runs it. Nothing can be changed from here." }
            }
        }
        (result)
        section { details open[tables.len() <= 5] {
            summary { "Tables" }
            @if tables.is_empty() { p class="note" { "There are no artifacts with rows." } }
            ul { @for table in tables.iter().take(SHOWN_MAX) {
                li { code { (line(&table.quoted())) } " " span class="soft" { (line(&table.about)) } }
            } }
            @if tables.len() > SHOWN_MAX { p class="note" { "The newest " (SHOWN_MAX) " are shown; all ids are names." } }
        } }
    } }
}
