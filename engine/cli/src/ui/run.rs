//! One run: what its report says, kept up to date, with the ways to its files.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};
use velaria::{Error, ErrorCode, Result};
use velaria_workspace::{Run, RunId, RunStatus};

use super::cell::{field, line};
use super::file::name_of;
use super::live::{Part, Source, Stamp, stamp_of};
use super::query::{address, encoded};
use super::{Site, page, reply};
use crate::Check;
use crate::report::body::run_body;
use crate::report::model::Model;
use crate::report::page::page as alone;
use crate::tracked::grace;

/// The files that a run writes to while it goes on.
const FILES: [&str; 6] = ["run.json", "progress.jsonl", "profile.json", "_artifacts.jsonl", "stdout.log", "stderr.log"];

pub(super) fn page(site: &Site, id: &RunId, check: Check<'_>) -> Result<Response> {
    let model = Model::load(&site.home, id.as_str(), check)?;
    let live = is_running(&model).then(|| format!("/run/{id}/live"));
    let body = html! { div class="run" data-live=[live] { (parts(site, &model)) } };
    Ok(reply::html(StatusCode::OK, page::whole(site, model.title(), &body)))
}

/// The report, as a file to keep.
pub(super) fn report(site: &Site, id: &RunId, check: Check<'_>) -> Result<Response> {
    let model = Model::load(&site.home, id.as_str(), check)?;
    let mut response = reply::html(StatusCode::OK, alone(&format!("{} · Velaria", model.title()), &run_body(&model)));
    // An id has letters and digits.
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"velaria-{id}.html\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Ends the run.
pub(super) fn cancel(site: &Site, id: &RunId, check: Check<'_>) -> Result<Response> {
    if !site.options.cancel {
        return Err(Error::new(ErrorCode::AccessDenied, "runs cannot be cancelled from here")
            .with_hint("velaria-cli ui --allow-cancel allows it"));
    }
    let run = Run::open(&site.home, id.as_str())?;
    let patience = grace(field(&run.record()?, "action"));
    run.cancel(patience, check)?;
    Ok(reply::go_to(&format!("/run/{id}")))
}

/// One run, again and again.
pub(super) struct Live(RunId);

impl Live {
    pub(super) fn new(id: RunId) -> Self {
        Self(id)
    }
}

impl Source for Live {
    fn stamp(&self, site: &Site) -> Vec<Stamp> {
        let dir = site.home.run_dir(&self.0);
        FILES.iter().map(|name| stamp_of(&dir.join(name))).collect()
    }

    fn part(&self, site: &Site, check: Check<'_>) -> Result<Part> {
        let model = Model::load(&site.home, self.0.as_str(), check)?;
        Ok(Part { html: parts(site, &model).into_string(), ended: !is_running(&model) })
    }
}

fn is_running(model: &Model) -> bool {
    model.status() == RunStatus::Running.as_str()
}

fn parts(site: &Site, model: &Model) -> Markup {
    html! { (ways(site, model)) (run_body(model)) }
}

fn ways(site: &Site, model: &Model) -> Markup {
    let id = &model.run_id;
    html! {
        nav class="ways" aria-label="This run" {
            @for artifact in &model.artifacts {
                a href={ "/artifact/" (encoded(field(&artifact.record, "artifact_id"))) } { (line(&name_of(&artifact.record))) }
            }
            @if model.artifact_count > model.artifacts.len() {
                a href=(address("/artifacts", &[("run", Some(id))])) { "All " (model.artifact_count) " artifacts" }
            }
            @if site.options.sql && model.artifact_count > 0 { a href=(address("/sql", &[("run", Some(id))])) { "SQL" } }
            a href={ "/run/" (id) "/report.html" } download { "Save the report" }
            @if site.options.cancel && is_running(model) {
                form method="post" action={ "/run/" (id) "/cancel" } { button class="danger" { "Cancel the run" } }
            }
        }
    }
}
