//! The files of the pages, which are part of the program.

use axum::response::Response;

use super::reply;
use crate::report::page::STYLE;

/// What keeps pages up to date. Every page works without it.
const SCRIPT: &str = include_str!("asset/ui.js");
/// What these pages have beyond reports.
const MORE_STYLE: &str = include_str!("asset/ui.css");

pub(super) fn script() -> Response {
    reply::text(SCRIPT, "text/javascript; charset=utf-8")
}

pub(super) fn style() -> Response {
    reply::text(format!("{STYLE}\n{MORE_STYLE}"), "text/css; charset=utf-8")
}
