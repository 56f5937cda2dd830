//! What runs have made: a list, and the rows of each file, page by page.

use std::fs::File;
use std::io::Read;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use velaria::{Error, ErrorCode, Result, wait};
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Object};

use super::cell::{field, line, tags};
use super::file::{Cells, RowFile, format_of, name_of, path_of, rows_of, session};
use super::query::{Fields, address, encoded};
use super::table::table;
use super::{Site, page, reply};
use crate::Check;
use crate::command::{Table, collect};
use crate::report::body::moment;
use crate::report::number::{Unit, real};
use crate::report::text::visible;

/// Artifacts of a list.
const ARTIFACTS_MAX: usize = 200;
/// Rows of a page, and the most that one can have.
const ROWS: u64 = 100;
const ROWS_MAX: u64 = 500;
/// Beyond every file.
const OFFSET_MAX: u64 = 1 << 53;
/// Bytes of a text that are shown.
const TEXT_MAX_BYTES: u64 = 256 << 10;

pub(super) fn list(site: &Site, fields: &Fields) -> Result<Response> {
    let text_of = |name: &str| fields.text(name).map(|text| text.trim().to_owned());
    let filter = ArtifactFilter {
        limit: ARTIFACTS_MAX,
        run_id: text_of("run"),
        tag: text_of("tag"),
        ..ArtifactFilter::default()
    };
    let artifacts = ArtifactIndex::open(&site.home)?.list_artifacts(&filter)?;
    let body = html! { main {
        h1 { "Artifacts" }
        form class="filter" action="/artifacts" {
            label { "Run" input name="run" value=[fields.text("run")] size="26"; }
            label { "Tag" input name="tag" value=[fields.text("tag")] placeholder="result"; }
            button { "Filter" }
        }
        (listed(&artifacts))
        @if artifacts.len() == ARTIFACTS_MAX { p class="note" { "These are the newest " (ARTIFACTS_MAX) "." } }
    } };
    Ok(reply::html(StatusCode::OK, page::whole(site, "Artifacts", &body)))
}

fn listed(artifacts: &[Object]) -> Markup {
    html! {
        section {
            @if artifacts.is_empty() { p class="note" { "There are no such artifacts." } } @else {
                table class="list" {
                    thead { tr {
                        th { "File" } th { "Run" } th { "Format" } th class="number" { "Rows" } th { "Created" } th { "Tags" }
                    } }
                    tbody { @for artifact in artifacts { (row(artifact)) } }
                }
            }
        }
    }
}

fn row(artifact: &Object) -> Markup {
    let (id, run) = (field(artifact, "artifact_id"), field(artifact, "run_id"));
    html! {
        tr {
            td {
                a class="name" href={ "/artifact/" (encoded(id)) } { (line(&name_of(artifact))) }
                div class="id" { (line(id)) }
            }
            td { a class="id" href={ "/run/" (encoded(run)) } { (line(run)) } }
            td { (line(field(artifact, "format"))) }
            td class="number" { @if let Some(rows) = rows_of(artifact) { (Unit::Count.text(real(rows))) } }
            td class="nowrap" { (line(&moment(field(artifact, "created_at")))) }
            td { (tags(artifact.get("tags_json"))) }
        }
    }
}

/// A part of the rows of a file.
struct Window {
    offset: u64,
    limit: u64,
}

impl Window {
    fn of(fields: &Fields) -> Self {
        let offset = fields.number("offset").unwrap_or_default().min(OFFSET_MAX);
        Self { offset, limit: fields.number("limit").unwrap_or(ROWS).clamp(1, ROWS_MAX) }
    }

    fn address(&self, id: &str, offset: u64) -> String {
        let limit = (self.limit != ROWS).then(|| self.limit.to_string());
        let offset = (offset != 0).then(|| offset.to_string());
        let fields = [("offset", offset.as_deref()), ("limit", limit.as_deref())];
        address(&format!("/artifact/{}", encoded(id)), &fields)
    }
}

pub(super) fn page(site: &Site, id: &str, fields: &Fields, check: Check<'_>) -> Result<Response> {
    let artifact = ArtifactIndex::open(&site.home)?
        .artifact(id)?
        .ok_or_else(|| Error::new(ErrorCode::ArtifactNotFound, format!("artifact not found: {id}")))?;
    let name = name_of(&artifact);
    let content = match format_of(&artifact) {
        Some(_) => rows(site, &artifact, id, &Window::of(fields), check),
        None => shown_text(site, &artifact),
    };
    let body = html! { main {
        h1 { (line(&name)) }
        p class="note" {
            (line(field(&artifact, "format"))) " · "
            @if let Some(rows) = rows_of(&artifact) { (Unit::Count.text(real(rows))) " rows · " }
            "made " (line(&moment(field(&artifact, "created_at")))) " by "
            a href={ "/run/" (encoded(field(&artifact, "run_id"))) } { (line(field(&artifact, "run_id"))) }
            " " (tags(artifact.get("tags_json")))
        }
        @if site.options.sql && format_of(&artifact).is_some() {
            nav class="paging" { a href=(address("/sql", &[("run", Some(field(&artifact, "run_id"))), ("table", Some(id))])) { "Query it" } }
        }
        @match &content {
            Ok(content) => { section { (content) } },
            Err(error) => { (page::error(error)) }
        }
    } };
    let status = content.as_ref().err().map_or(StatusCode::OK, reply::status_of);
    Ok(reply::html(status, page::whole(site, &name, &body)))
}

fn rows(site: &Site, artifact: &Object, id: &str, window: &Window, check: Check<'_>) -> Result<Markup> {
    let found = read(site, artifact, window, check)?;
    let seen: u64 = found.batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let more = seen > window.limit;
    let last = window.offset + seen.min(window.limit);
    let before = window.offset.saturating_sub(window.limit);
    let whole = rows_of(artifact);
    let end = whole.map(|rows| rows.saturating_sub(1) / window.limit * window.limit).filter(|end| *end > window.offset);
    let way = html! {
        nav class="paging" {
            @if window.offset > 0 {
                a href=(window.address(id, 0)) { "First" }
                a href=(window.address(id, before)) rel="prev" { "Previous" }
            }
            @if seen > 0 {
                span { "rows " (window.offset + 1) " to " (last) @if let Some(rows) = whole { " of " (rows) } }
            } @else {
                span { "no rows here" }
            }
            @if more {
                a href=(window.address(id, window.offset + window.limit)) rel="next" { "Next" }
                @if let Some(end) = end { a href=(window.address(id, end)) { "Last" } }
            }
        }
    };
    let shown = usize::try_from(window.limit).unwrap_or(usize::MAX);
    Ok(html! { (way) (table(&found, window.offset + 1, shown)?) @if seen > 20 { (way) } })
}

/// The rows of the window, and one more where there is one.
fn read(site: &Site, artifact: &Object, window: &Window, check: Check<'_>) -> Result<Table> {
    let file = RowFile::of(&site.home, artifact)?;
    let session = session(&site.options, vec![file.path.clone()])?;
    let text = format!("SELECT * FROM artifact LIMIT {} OFFSET {}", window.limit + 1, window.offset);
    let frame = wait(
        async move {
            let frame = file.frame(&session, Cells::Text).await?;
            session.create_temp_view("artifact", &frame)?;
            session.sql(&text).await
        },
        &mut *check,
    )?;
    collect(frame, check)
}

fn shown_text(site: &Site, artifact: &Object) -> Result<Markup> {
    let path = path_of(&site.home, artifact)?;
    let unreadable = |error: std::io::Error| {
        Error::new(ErrorCode::Io, format!("cannot read file: {}", path.display())).with_hint(error.to_string())
    };
    // A pipe would not end, and a directory has no text.
    if !path.is_file() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("not a file: {}", path.display())));
    }
    let file = File::open(&path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut bytes = Vec::new();
    file.take(TEXT_MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(html! {
        pre { (visible(&String::from_utf8_lossy(&bytes))) }
        @if size > TEXT_MAX_BYTES { p class="note" { "The first " (TEXT_MAX_BYTES) " of " (size) " bytes are shown." } }
    })
}
