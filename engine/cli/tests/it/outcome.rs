//! Every way in which a command can end, and the one document that it prints then.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use snapbox::cmd::{Command, OutputAssert};
use snapbox::str;
use tempfile::TempDir;

use crate::support::ENDLESS;

const GROUP: &str = "SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name";

/// A folder with files to ask, and a home.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("s.csv"), "name,score\nalice,10\nbob,22.5\nalice,15\n").unwrap();
        fs::write(place.path().join("v.csv"), "id,v\n1,[1 0]\n2,[0 1]\n").unwrap();
        fs::create_dir(place.path().join("in")).unwrap();
        fs::write(place.path().join("in/part-000.csv"), "key,value\nu1,1\nu2,4\n").unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let command = Command::new(env!("CARGO_BIN_EXE_velaria-cli")).args(args).current_dir(self.path());
        command.env("VELARIA_HOME", self.path().join("home")).env_remove("COLUMNS")
    }

    /// The document of a call that ends with `code` and says nothing on standard error.
    fn call(&self, args: &[&str], code: i32) -> Value {
        let output = self.command(args).assert().code(code).stderr_eq("").get_output().clone();
        let document = strict(&output.stdout);
        assert!(document.is_ok(), "{args:?}: {document:?}");
        document.unwrap()
    }
}

/// The document in `text`, which holds nothing else: one object without a name that stands there twice, with two spaces
/// for each level, and the end of its line.
fn strict(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let Unique(value) = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    let pretty = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())? + "\n";
    if !value.is_object() || shape(&pretty) != shape(text) {
        return Err(format!("not one indented object: {text}"));
    }
    Ok(value)
}

/// `text` without digits: what is read of a number may differ in the last one.
fn shape(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// A value in whose objects each name stands once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{name} stands there twice")));
            }
        }
        Ok(object.into())
    }
}

#[test]
fn the_strict_reader_is_strict() {
    assert_eq!(strict(b"{\n  \"a\": [\n    1,\n    2.5\n  ]\n}\n"), Ok(serde_json::json!({ "a": [1, 2.5] })));
    for wrong in ["{\"a\": 1}\n", "{}", "{}\n{}\n", "[]\n", "{\n  \"a\": NaN\n}\n", "{\n  \"a\": 1,\n  \"a\": 1\n}\n"] {
        assert!(strict(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

/// The commands below `path` that have none below them, as the help lists them.
fn leaves(place: &Place, path: &[String]) -> Vec<Vec<String>> {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let output = place.command(&args).assert().success().stderr_eq("").get_output().clone();
    let help = String::from_utf8(output.stdout).unwrap();
    let listed = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let names = listed.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let below: Vec<Vec<String>> = names
        .map(|line| [path, &[line.split_whitespace().next().unwrap().to_owned()]].concat())
        .flat_map(|path| leaves(place, &path))
        .collect();
    if below.is_empty() { vec![path.to_vec()] } else { below }
}

#[test]
fn every_command_refuses_what_it_does_not_know_with_one_document() {
    let place = Place::new();
    let leaves = leaves(&place, &[]);
    assert!(leaves.len() > 20, "{leaves:?}");
    for path in leaves {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--wibble"]).collect();
        let document = place.call(&args, 1);
        assert_eq!(document["error_type"], "usage_error", "{args:?}");
        let keys: BTreeSet<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(keys.is_superset(&["ok", "error", "error_type"].into()), "{args:?}: {keys:?}");
        assert_eq!(document["ok"], false, "{args:?}");
    }
    assert!(!place.path().join("home").exists(), "a wrong command line leaves nothing behind");
}

#[test]
fn every_action_refuses_what_it_does_not_know_without_a_run() {
    let place = Place::new();
    for action in ["csv-sql", "file-sql", "vector-search", "stream-sql-once"] {
        let document = place.call(&["run", "start", "--", action, "--wibble"], 1);
        assert_eq!(document["error_type"], "usage_error", "{action}");
    }
    assert!(!place.path().join("home/runs").exists());
}

/// A question of each command that asks one: with `{csv}`, `{query}` and `{more}` to be put in.
const QUESTIONS: [&[&str]; 5] = [
    &["csv-sql", "--csv", "{csv}", "--query", "{query}"],
    &["file-sql", "--input-path", "{csv}", "--query", "{query}"],
    &["file-sql", "--csv", "{csv}", "--query", "{query}"],
    &["run", "start", "--", "csv-sql", "--csv", "{csv}", "--query", "{query}"],
    &["run", "start", "--", "file-sql", "--input-path", "{csv}", "--query", "{query}"],
];

fn question<'a>(words: &[&'a str], csv: &'a str, query: &'a str) -> Vec<&'a str> {
    let put = |word: &&'a str| match *word {
        "{csv}" => csv,
        "{query}" => query,
        word => word,
    };
    words.iter().map(put).collect()
}

#[test]
fn a_question_has_its_rows_whichever_command_asks_it() {
    let place = Place::new();
    for words in QUESTIONS {
        let document = place.call(&question(words, "s.csv", GROUP), 0);
        let result = document.get("result").unwrap_or(&document);
        assert_eq!(result["schema"], serde_json::json!(["name", "total"]), "{words:?}");
        assert_eq!(result["rows"][0], serde_json::json!({ "name": "alice", "total": 25.0 }), "{words:?}");
        // By the contract only what is kept says that it went well.
        assert_eq!(document.get("ok"), (words[0] == "run").then_some(&Value::Bool(true)), "{words:?}");
    }
}

#[test]
fn a_question_that_fails_says_so_whichever_command_asks_it() {
    let place = Place::new();
    let failures = [
        ("nowhere.csv", GROUP, "file_not_found", "VEL-6001"),
        ("s.csv", "SELECT nmae FROM input_table", "internal_error", "VEL-2001"),
        ("s.csv", "SELECT name FROM elsewhere", "internal_error", "VEL-4001"),
        ("s.csv", "SELECT 1 +", "internal_error", "VEL-1001"),
        ("s.csv", "SELECT CAST(name AS INT) AS n FROM input_table", "internal_error", "VEL-5003"),
    ];
    for (csv, query, error_type, code) in failures {
        for words in QUESTIONS {
            let document = place.call(&question(words, csv, query), 1);
            let said = (&document["ok"], &document["error_type"], &document["code"]);
            assert_eq!(said, (&false.into(), &error_type.into(), &code.into()), "{words:?} {query}");
            let status = (words[0] == "run").then(|| Value::from("failed"));
            assert_eq!(document.get("status"), status.as_ref(), "{words:?}");
        }
    }
}

#[test]
fn a_question_that_takes_too_long_ends_whichever_command_asks_it() {
    let place = Place::new();
    for words in QUESTIONS {
        let mut args = question(words, "s.csv", ENDLESS);
        args.extend(["--timeout", "0.2"]);
        let document = place.call(&args, 1);
        assert_eq!((&document["ok"], &document["code"]), (&false.into(), &"VEL-8003".into()), "{words:?}");
    }
    let args = ["run", "start", "--timeout-ms", "200", "--", "csv-sql", "--csv", "s.csv", "--query", ENDLESS];
    let document = place.call(&args, 1);
    assert_eq!((&document["status"], &document["error"]), (&"timed_out".into(), &"run timed out after 200 ms".into()));
}

#[test]
fn a_search_ends_in_each_of_its_ways() {
    let place = Place::new();
    for start in [&[][..], &["run", "start", "--"]] {
        let search = |more: &[&'static str]| -> Vec<&str> {
            let all = ["vector-search", "--csv", "v.csv", "--vector-column", "v", "--query-vector", "0 1"];
            start.iter().copied().chain(all).chain(more.iter().copied()).collect()
        };
        let found = place.call(&search(&["--top-k", "1"]), 0);
        assert_eq!(found.get("result").unwrap_or(&found)["rows"][0]["row_id"], 1);
        for (more, error_type) in [
            (&["--csv", "nowhere.csv"][..], "usage_error"),
            (&["--metric", "l3"], "usage_error"),
            (&["--where-column", "id"], "value_error"),
        ] {
            assert_eq!(place.call(&search(more), 1)["error_type"], error_type, "{start:?} {more:?}");
        }
    }
    let lost = ["vector-search", "--csv", "nowhere.csv", "--vector-column", "v", "--query-vector", "0 1"];
    assert_eq!(place.call(&lost, 1)["error_type"], "file_not_found");
}

#[test]
fn a_stream_ends_in_each_of_its_ways() {
    let place = Place::new();
    let query = "INSERT INTO output_sink SELECT key, SUM(value) AS total FROM input_stream GROUP BY key";
    let stream = |folder: &'static str, query: &'static str| {
        let sink = ["--sink-schema", "key STRING, total INT", "--query", query];
        [&["run", "start", "--timeout-ms", "60000", "--", "stream-sql-once", "--source-csv-dir", folder], &sink[..]]
            .concat()
    };
    let document = place.call(&stream("in", query), 0);
    assert_eq!((&document["status"], &document["result"]["processed_batches"]), (&"succeeded".into(), &1.into()));
    let document = place.call(&stream("in", "SELECT key FROM input_stream"), 1);
    let said = "--query for stream-sql-once must start with INSERT INTO";
    assert_eq!((&document["error"], &document["error_type"]), (&said.into(), &"value_error".into()));
}

#[test]
fn what_runs_leave_behind_is_told_in_one_document_each() {
    let place = Place::new();
    let run = place.call(&question(QUESTIONS[3], "s.csv", GROUP), 0);
    let (run, artifact) = (run["run_id"].as_str().unwrap(), run["artifacts"][0]["artifact_id"].as_str().unwrap());
    for args in [
        &["run", "show", "--run-id", run][..],
        &["run", "status", "--run-id", run],
        &["run", "result", "--run-id", run],
        &["run", "list"],
        &["run", "cleanup"],
        &["artifacts", "list"],
        &["artifacts", "preview", "--artifact-id", artifact],
    ] {
        assert_eq!(place.call(args, 0)["ok"], true, "{args:?}");
    }
    for (args, error) in [
        (&["run", "show", "--run-id", "nowhere"][..], "run not found: nowhere"),
        (&["run", "status", "--run-id", "nowhere"], "run not found: nowhere"),
        (&["run", "result", "--run-id", "nowhere"], "run not found: nowhere"),
        (&["artifacts", "preview", "--artifact-id", "nowhere"], "artifact not found: nowhere"),
    ] {
        let document = place.call(args, 1);
        assert_eq!((&document["error"], &document["error_type"]), (&error.into(), &"value_error".into()), "{args:?}");
    }
}

fn shown(place: &Place, args: &[&str]) -> OutputAssert {
    place.command(args).assert().code(1).stderr_eq("")
}

#[test]
fn a_document_of_each_kind_of_error_as_it_is_printed() {
    let place = Place::new();
    shown(&place, &["csv-sql", "--csv", "s.csv"]).stdout_eq(str![[r#"
{
  "ok": false,
  "error": "the following arguments are required: --query",
  "error_type": "usage_error",
  "phase": "argument_parse"
}

"#]]);
    shown(&place, &["csv-sql", "--csv", "s.csv", "--query", "SELECT nmae FROM input_table"]).stdout_eq(str![[r#"
{
  "ok": false,
  "error": "column not found: nmae",
  "error_type": "internal_error",
  "code": "VEL-2001",
  "kind": "plan",
  "hint": "did you mean /"name/"?",
  "position": {
    "line": 1,
    "column": 8,
    "length": 4,
    "text": "SELECT nmae FROM input_table"
  },
  "phase": "sql_execute"
}

"#]]);
    shown(&place, &["run", "show", "--run-id", "../../etc"]).stdout_eq(str![[r#"
{
  "ok": false,
  "error": "run not found: ../../etc",
  "error_type": "value_error",
  "code": "VEL-6201",
  "kind": "file_not_found",
  "phase": "run_lookup",
  "run_id": "../../etc"
}

"#]]);
}

/// Runs a command in this process; its exit code and what it printed.
fn run_here(args: &[&str], stdout: &mut dyn Write, check: velaria_cli::Check<'_>) -> u8 {
    let (mut stdin, mut stderr) = (io::empty(), io::sink());
    let mut io = velaria_cli::Io::new(&mut stdin, stdout, &mut stderr, false);
    velaria_cli::run(args.iter().map(Into::into).collect(), &mut io, check)
}

/// Panics when it is written to first.
#[derive(Default)]
struct Panicking {
    panicked: bool,
    written: Vec<u8>,
}

impl Write for Panicking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(std::mem::replace(&mut self.panicked, true), "on purpose");
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_one_document_as_well() {
    for args in [&["sql", "SELECT 1 AS one"][..], &["sql", "-o", "ndjson", "SELECT 1 AS one"], &["sniff", "Cargo.toml"]]
    {
        let mut stdout = Panicking::default();
        assert_eq!(run_here(args, &mut stdout, &mut || Ok(())), 1);
        let document = strict(&stdout.written).unwrap();
        assert_eq!((&document["error_type"], &document["code"]), (&"internal_error".into(), &"VEL-9001".into()));
    }
}

#[test]
fn a_panic_amid_a_query_is_one_document_as_well() {
    let mut stdout = Vec::new();
    let code = run_here(&["sql", ENDLESS], &mut stdout, &mut || unreachable!("on purpose"));
    assert_eq!((code, &strict(&stdout).unwrap()["code"]), (1, &"VEL-9001".into()));
}
