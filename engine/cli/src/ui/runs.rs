//! The list of runs.

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use velaria::Result;
use velaria_workspace::{ArtifactIndex, Home, Object, RunFilter, RunStatus};

use super::cell::{duration, field, line, tags};
use super::live::{Part, Source, Stamp, stamp_of};
use super::query::{Fields, address, encoded};
use super::{Site, page, reply};
use crate::Check;
use crate::report::body::{badge, moment};

/// Runs on the first page, and the most that a page can have.
const RUNS: usize = 100;
const RUNS_MAX: usize = 1000;

/// What a list is of.
struct Choice {
    query: String,
    status: String,
    action: String,
    tag: String,
    limit: usize,
}

impl Choice {
    fn of(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).unwrap_or_default().trim().to_owned();
        let limit = fields.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(RUNS);
        Self {
            query: text("query"),
            status: RunStatus::parse(&text("status")).map(|status| status.as_str().to_owned()).unwrap_or_default(),
            action: text("action"),
            tag: text("tag"),
            limit: limit.clamp(1, RUNS_MAX),
        }
    }

    /// The address `path` of the list with these choices and `limit`.
    fn address(&self, path: &str, limit: usize) -> String {
        let limit = (limit != RUNS).then(|| limit.to_string());
        let fields = [
            ("query", Some(self.query.as_str())),
            ("status", Some(self.status.as_str())),
            ("action", Some(self.action.as_str())),
            ("tag", Some(self.tag.as_str())),
            ("limit", limit.as_deref()),
        ];
        address(path, &fields)
    }

    fn runs(&self, home: &Home) -> Result<Vec<Object>> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ArtifactIndex::open(home)?.list_runs(&RunFilter {
            // One more says whether there are more.
            limit: self.limit + 1,
            status: some(&self.status),
            action: some(&self.action),
            tag: some(&self.tag),
            query: some(&self.query),
        })
    }
}

pub(super) fn page(site: &Site, fields: &Fields) -> Result<Response> {
    let choice = Choice::of(fields);
    let body = html! {
        main {
            h1 { "Runs" }
            (form(&choice))
            div data-live=(choice.address("/live", choice.limit)) { (list(&choice, &choice.runs(&site.home)?)) }
        }
    };
    Ok(reply::html(StatusCode::OK, page::whole(site, "Runs", &body)))
}

/// The list, again and again.
pub(super) struct Live(Choice);

impl Live {
    pub(super) fn new(fields: &Fields) -> Self {
        Self(Choice::of(fields))
    }
}

impl Source for Live {
    fn stamp(&self, site: &Site) -> Vec<Stamp> {
        let index = site.home.index_dir();
        ["artifacts.sqlite", "artifacts.sqlite-wal", "artifacts.jsonl"]
            .iter()
            .map(|name| stamp_of(&index.join(name)))
            .collect()
    }

    fn part(&self, site: &Site, _: Check<'_>) -> Result<Part> {
        let html = list(&self.0, &self.0.runs(&site.home)?).into_string();
        Ok(Part { html, ended: false })
    }
}

fn form(choice: &Choice) -> Markup {
    html! {
        form class="filter" action="/" {
            label { "Text" input type="search" name="query" value=(choice.query) placeholder="id, name, description, error"; }
            label { "Status"
                select name="status" {
                    option value="" { "any" }
                    @for status in RunStatus::ALL {
                        option value=(status.as_str()) selected[choice.status == status.as_str()] { (status.as_str()) }
                    }
                }
            }
            label { "Action" input name="action" value=(choice.action) placeholder="csv-sql"; }
            label { "Tag" input name="tag" value=(choice.tag); }
            button { "Filter" }
        }
    }
}

fn list(choice: &Choice, runs: &[Object]) -> Markup {
    let shown = runs.get(..choice.limit).unwrap_or(runs);
    html! {
        section id="runs" {
            @if shown.is_empty() {
                p class="note" { "There are no such runs. " code { "velaria-cli run start" } " makes one." }
            } @else {
                table class="list" {
                    thead { tr {
                        th { "Status" } th { "Run" } th { "Action" } th { "Created" }
                        th class="number" { "Duration" } th class="number" { "Artifacts" } th { "Tags" }
                    } }
                    tbody { @for run in shown { (row(run)) } }
                }
            }
            @if runs.len() > shown.len() && choice.limit < RUNS_MAX {
                p { a href=(choice.address("/", (choice.limit * 2).min(RUNS_MAX))) { "More runs" } }
            }
        }
    }
}

fn row(run: &Object) -> Markup {
    let (id, name, error) = (field(run, "run_id"), field(run, "run_name"), field(run, "error"));
    html! {
        tr {
            td { (badge(field(run, "status"))) }
            td {
                @let named = !name.trim().is_empty();
                a class=(if named { "name" } else { "id" }) href={ "/run/" (encoded(id)) } { (line(if named { name } else { id })) }
                @if named { div class="id" { (line(id)) } }
                @if !error.is_empty() { div class="why" { (line(error)) } }
            }
            td class="nowrap" { (line(field(run, "action"))) }
            td class="nowrap" { (line(&moment(field(run, "created_at")))) }
            td class="number" { (duration(run.get("duration_ms"))) }
            td class="number" { (run.get("artifact_count").and_then(Value::as_u64).unwrap_or_default()) }
            td { (tags(run.get("tags"))) }
        }
    }
}
