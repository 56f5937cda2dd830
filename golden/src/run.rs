//! Runs the calls of a case, one after the other, in a home and a folder of their own.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::case::{CliCase, RunCase};
use crate::surface::{CliOutput, run_cli_in};

/// The folder of the case, in calls and in what is shown.
const WORK: &str = "{work}";
/// The home of the case, in calls and in what is shown.
const HOME: &str = "{home}";

/// Makes the calls of a case and shows what they print and leave behind.
///
/// # Errors
/// When a call cannot be made, or does not print what a later one needs.
pub fn run_calls(case: &RunCase) -> Result<String, Box<dyn Error>> {
    let place = Place { work: tempfile::tempdir()?, home: tempfile::tempdir()? };
    for (name, text) in &case.files {
        let path = place.work.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, text)?;
    }
    let mut shown = String::new();
    let mut known = Known::default();
    for call in &case.calls {
        let args = call.iter().map(|arg| known.expand(&place.expand(arg))).collect();
        let call_case = CliCase { description: String::new(), args, stdin: String::new() };
        let CliOutput { code, stdout, stderr } = run_cli_in(&call_case, place.home.path())?;
        known.learn(&stdout);
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        writeln!(shown, "=== $ velaria-cli {}\n{}", call.join(" "), stdout.trim_end())?;
        writeln!(shown, "exit code {code}\n{stderr}")?;
    }
    for name in &case.files_of_run {
        let path = place.home.path().join("runs").join(&known.run_id).join(name);
        writeln!(shown, "=== {name}\n{}", fs::read_to_string(&path)?.trim_end())?;
    }
    masked(&place.redact(&shown))
}

/// The folders of one case.
struct Place {
    work: TempDir,
    home: TempDir,
}

impl Place {
    fn expand(&self, text: &str) -> String {
        text.replace(WORK, &path(&self.work)).replace(HOME, &path(&self.home))
    }

    fn redact(&self, text: &str) -> String {
        text.replace(&path(&self.work), WORK).replace(&path(&self.home), HOME)
    }
}

fn path(folder: &TempDir) -> String {
    let real = fs::canonicalize(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
    Path::new(&real).to_string_lossy().into_owned()
}

/// What later calls may name: the run that a call told of last, and its first artifact.
#[derive(Default)]
struct Known {
    run_id: String,
    artifact_id: String,
}

impl Known {
    fn learn(&mut self, document: &str) {
        let Ok(document) = serde_json::from_str::<Value>(document) else { return };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // What is refused names the run that was asked for, which may be none.
        let tells_of_run = document["ok"] == true || !document["run_dir"].is_null();
        if let Some(id) = text(&document["run_id"]).filter(|_| tells_of_run) {
            self.run_id = id;
        }
        if let Some(id) = text(&document["artifacts"][0]["artifact_id"]) {
            self.artifact_id = id;
        }
    }

    fn expand(&self, text: &str) -> String {
        text.replace("{run_id}", &self.run_id).replace("{artifact_id}", &self.artifact_id)
    }
}

/// `text` without what is different each time: ids, moments, and what depends on threads.
fn masked(text: &str) -> Result<String, Box<dyn Error>> {
    let masks = [
        // A busy machine may take long enough for a query to be told of.
        (r#",\n *"latest_progress": \{\n *"kind": "batch"[^}]*\}"#, ""),
        (r"[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8}", "[run]"),
        (r"artifact_[0-9a-f]{16}", "artifact_[id]"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", "[moment]"),
        (r#""duration_ms":( ?)[0-9]+"#, r#""duration_ms":$1[timing]"#),
        (r#""working_dir": "[^"]*""#, r#""working_dir": "[directory]""#),
        (
            r#""(last_[a-z]+_latency_ms|checkpoint_ms|elapsed_ms|actor_speedup|compute_to_overhead_ratio|blocked_count|max_backlog_batches|batches_pulled)": [0-9.e-]+"#,
            r#""$1": [timing]"#,
        ),
        (r#""([a-z_]+_bytes)": [0-9]+"#, r#""$1": [bytes]"#),
        ("backend=[a-z0-9]+", "backend=[machine]"),
        ("target_partitions=[0-9]+", "target_partitions=[machine]"),
    ];
    masks.iter().try_fold(text.to_owned(), |text, (pattern, mask)| {
        Ok(Regex::new(pattern)?.replace_all(&text, *mask).into_owned())
    })
}
