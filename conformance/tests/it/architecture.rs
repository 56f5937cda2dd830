//! Is it the house we say it is? The tables, ids and links of the docs, held against the code.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use velaria::ErrorCode;
use velaria_conformance::{Suite, slt_files};

use crate::repository::{files, name, proofs, root, text};

/// A crate of the workspace, and the crates of the workspace that it uses.
type Edges = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_may_use_table_equals_the_edges_in_the_manifests() {
    assert_eq!(documented_edges(), manifest_edges(), "left: docs/architecture.md, right: the Cargo manifests");
}

fn documented_edges() -> Edges {
    let names = Regex::new(r"`(velaria(?:-[a-z]+)?)`").unwrap();
    let crates_in = |cell: &str| -> Vec<String> { names.captures_iter(cell).map(|name| name[1].to_owned()).collect() };
    let mut edges = Edges::new();
    for row in text(&root().join("docs/architecture.md")).lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [owner, may_use, _] = cells[..] else { continue };
        if let Some(owner) = crates_in(owner).into_iter().next() {
            edges.insert(owner, crates_in(may_use).into_iter().collect());
        }
    }
    edges
}

fn manifest_edges() -> Edges {
    let workspace: toml::Table = text(&root().join("Cargo.toml")).parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| edges_of(member.as_str().unwrap())).collect()
}

fn edges_of(member: &str) -> (String, BTreeSet<String>) {
    let manifest: toml::Table = text(&root().join(member).join("Cargo.toml")).parse().unwrap();
    let uses = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|kind| manifest.get(*kind)?.as_table())
        .flat_map(|dependencies| dependencies.keys())
        .filter(|dependency| *dependency == "velaria" || dependency.starts_with("velaria-"))
        .cloned()
        .collect();
    (manifest["package"]["name"].as_str().unwrap().to_owned(), uses)
}

#[test]
fn every_source_file_opens_by_saying_what_it_is() {
    let silent: Vec<String> = files(&["engine", "pybind", "conformance", "golden", "bench"], &["rs"])
        .iter()
        .filter(|path| !text(path).starts_with("//! "))
        .map(|path| name(path))
        .collect();
    assert!(silent.is_empty(), "these files do not start with `//! `: {silent:#?}");
}

#[test]
fn relative_links_in_the_docs_resolve() {
    let link = Regex::new(r"\]\(([^)#\s]+)(?:#[^)]*)?\)").unwrap();
    let folders = ["docs", "README.md", "CONTRIBUTING.md", "conformance", "golden", "bench", "sqllogic", "pybind"];
    let mut broken = Vec::new();
    for path in files(&folders, &["md"]) {
        for target in link.captures_iter(&text(&path)).map(|found| found[1].to_owned()) {
            let is_remote = target.contains("://") || target.starts_with("mailto:");
            if !is_remote && !path.parent().unwrap().join(&target).exists() {
                broken.push(format!("{}: {target}", name(&path)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_skip_carries_a_reason_and_covers_something() {
    for (path, suite) in Suite::read_all(&root()).unwrap() {
        let files = slt_files(&root(), &suite.folders).unwrap();
        for skip in &suite.skips {
            assert!(!skip.reason.trim().is_empty(), "{}: {skip:?}", path.display());
            let covers = files.iter().any(|file| suite.skip_reason(skip.surface, &file.name).is_some());
            assert!(covers, "{}: nothing is skipped by {skip:?}", path.display());
        }
    }
}

#[test]
fn every_record_belongs_to_a_suite() {
    let mut missing: BTreeSet<String> = files(&["sqllogic"], &["slt"]).iter().map(|path| name(path)).collect();
    for (_, suite) in Suite::read_all(&root()).unwrap() {
        for file in slt_files(&root(), &suite.folders).unwrap() {
            missing.remove(&name(&file.path));
        }
    }
    assert!(missing.is_empty(), "no suite runs these files: {missing:#?}");
}

#[test]
fn every_clause_of_the_contract_is_named_by_a_proof() {
    let clause = Regex::new(r"\bRC-[A-Z0-9]+(?:-[A-Z0-9]+)*\b").unwrap();
    let contract = text(&root().join("docs/runtime-contract.md"));
    let proofs = proofs();
    let proven: BTreeSet<&str> = clause.find_iter(&proofs).map(|id| id.as_str()).collect();
    let stated: BTreeSet<&str> = clause.find_iter(&contract).map(|id| id.as_str()).collect();
    assert!(!stated.is_empty(), "docs/runtime-contract.md states no clause");
    let unproven: Vec<_> = stated.difference(&proven).collect();
    assert!(unproven.is_empty(), "no record, golden case or test names these clauses: {unproven:#?}");
    let unknown: Vec<_> = proven.difference(&stated).collect();
    assert!(unknown.is_empty(), "docs/runtime-contract.md does not state these clauses: {unknown:#?}");
}

#[test]
fn every_error_code_is_documented_with_its_summary() {
    let docs = text(&root().join("docs/errors.md"));
    let missing: Vec<String> = ErrorCode::ALL
        .iter()
        .filter(|code| !docs.lines().any(|line| line.contains(code.as_str()) && line.contains(code.summary())))
        .map(|code| format!("{code}: {}", code.summary()))
        .collect();
    assert!(missing.is_empty(), "docs/errors.md has no line with these codes and sentences: {missing:#?}");
}

#[test]
fn every_error_code_is_named_by_a_proof() {
    let proofs = proofs();
    let unproven: Vec<String> = ErrorCode::ALL
        .iter()
        .filter(|code| !proofs.contains(code.as_str()) && !proofs.contains(&format!("ErrorCode::{code:?}")))
        .map(|code| format!("{code} {code:?}"))
        .collect();
    assert!(unproven.is_empty(), "no record, golden case or test shows these codes: {unproven:#?}");
}
