//! The index: both backends say the same.

use std::collections::BTreeSet;
use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};
use velaria_contract::ErrorCode;
use velaria_workspace::{ArtifactFilter, ArtifactIndex, Backend, Files, Object, RunFilter, SQLITE_SCHEMA};

use crate::support::{TestHome, artifact, object, run_row, texts};

/// Runs `check` against an index of each backend.
fn both(check: impl Fn(&TestHome, &ArtifactIndex)) {
    for backend in [Backend::Sqlite, Backend::Jsonl] {
        let test = TestHome::new();
        test.home.ensure_dirs().unwrap();
        check(&test, &ArtifactIndex::with_backend(&test.home, backend));
    }
}

fn tagged(tag: &str) -> ArtifactFilter {
    ArtifactFilter { tag: Some(tag.to_owned()), ..ArtifactFilter::default() }
}

#[test]
fn a_run_reads_back_with_the_keys_of_the_first_version() {
    both(|_, index| {
        let mut run = run_row("run-a", "2026-03-29T00:00:00Z", "running");
        run.insert("unknown".to_owned(), json!([1]));
        index.upsert_run(&run).unwrap();
        let row = index.run("run-a").unwrap().unwrap();
        assert_eq!(
            Value::Object(row),
            json!({
                "run_id": "run-a", "created_at": "2026-03-29T00:00:00Z", "finished_at": null, "status": "running",
                "action": "csv-sql", "cli_args": {"csv": "x"}, "velaria_version": "0.1.0", "run_dir": "/elsewhere/run-a",
            })
        );
        assert_eq!(index.run("run-b").unwrap(), None);
    });
}

#[test]
fn an_update_sets_every_column_and_keeps_what_a_row_must_have() {
    both(|_, index| {
        let mut run = run_row("run-a", "2026-03-29T00:00:00Z", "running");
        run.insert("run_name".to_owned(), json!("first"));
        index.upsert_run(&run).unwrap();
        index
            .upsert_run(&object(
                json!({"run_id": "run-a", "status": "succeeded", "finished_at": "2026-03-29T00:00:09Z"}),
            ))
            .unwrap();
        let row = index.run("run-a").unwrap().unwrap();
        assert_eq!((&row["status"], &row["finished_at"]), (&json!("succeeded"), &json!("2026-03-29T00:00:09Z")));
        assert_eq!((&row["action"], &row["cli_args"]), (&json!("csv-sql"), &json!({"csv": "x"})));
        assert_eq!((&row["velaria_version"], row.get("run_name")), (&Value::Null, None));
        index.upsert_run(&object(json!({"run_id": "bare"}))).unwrap();
        let bare = index.run("bare").unwrap().unwrap();
        assert_eq!(
            (&bare["created_at"], &bare["status"], &bare["cli_args"]),
            (&json!("2026-11-21T07:38:07Z"), &json!("running"), &json!({}))
        );
    });
}

#[test]
fn an_artifact_reads_back_with_its_values_decoded() {
    both(|test, index| {
        let mut new = artifact(&test.home, "run-a", &["result", "标"]);
        new.insert("preview_json".to_owned(), json!({"rows": [{"x": "北"}]}));
        index.insert_artifact(&new).unwrap();
        let id = new["artifact_id"].as_str().unwrap();
        let row = index.artifact(id).unwrap().unwrap();
        let keys: Vec<&str> = row.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "artifact_id",
                "run_id",
                "created_at",
                "type",
                "uri",
                "format",
                "row_count",
                "schema_json",
                "preview_json",
                "tags_json"
            ]
        );
        for key in keys {
            assert_eq!(row[key], new[key], "{key}");
        }
        assert_eq!(index.artifact("artifact_0").unwrap(), None);
    });
}

#[test]
fn a_preview_is_stored_later() {
    both(|test, index| {
        let new = artifact(&test.home, "run-a", &[]);
        let id = new["artifact_id"].as_str().unwrap();
        let preview = object(json!({"rows": [], "truncated": false}));
        assert_eq!(index.update_artifact_preview(id, &preview).unwrap_err().code(), ErrorCode::ArtifactNotFound);
        index.insert_artifact(&new).unwrap();
        index.update_artifact_preview(id, &preview).unwrap();
        assert_eq!(index.artifact(id).unwrap().unwrap()["preview_json"], Value::Object(preview));
    });
}

#[test]
fn a_tag_selects_before_the_limit_cuts() {
    both(|test, index| {
        let rare = artifact(&test.home, "run-a", &["rare"]);
        index.insert_artifact(&rare).unwrap();
        for _ in 0..60 {
            index.insert_artifact(&artifact(&test.home, "run-b", &["rarely", "common"])).unwrap();
        }
        assert_eq!(texts(&index.list_artifacts(&tagged("rare")).unwrap(), "run_id"), ["run-a"]);
        assert_eq!(index.list_artifacts(&tagged("common")).unwrap().len(), 50);
        assert_eq!(index.list_artifacts(&ArtifactFilter { limit: 7, ..tagged("common") }).unwrap().len(), 7);
        assert!(index.list_artifacts(&ArtifactFilter { limit: 0, ..tagged("common") }).unwrap().is_empty());
        assert!(index.list_artifacts(&tagged("none")).unwrap().is_empty());
        let of_a = ArtifactFilter { run_id: Some("run-a".to_owned()), ..ArtifactFilter::default() };
        assert_eq!(index.list_artifacts(&of_a).unwrap().len(), 1);
    });
}

#[test]
fn artifacts_come_newest_first_and_since_cuts_the_old() {
    both(|test, index| {
        let mut ids = Vec::new();
        for created_at in
            ["2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]
        {
            let mut new = artifact(&test.home, "run-a", &[]);
            new.insert("created_at".to_owned(), json!(created_at));
            index.insert_artifact(&new).unwrap();
            ids.push(new["artifact_id"].as_str().unwrap().to_owned());
        }
        let order: Vec<String> = [3, 1, 2, 0].into_iter().map(|place: usize| ids[place].clone()).collect();
        assert_eq!(texts(&index.list_artifacts(&ArtifactFilter::default()).unwrap(), "artifact_id"), order);
        let since = ArtifactFilter { since: Some("2026-01-02".to_owned()), ..ArtifactFilter::default() };
        assert_eq!(texts(&index.list_artifacts(&since).unwrap(), "artifact_id"), order[..3]);
    });
}

#[test]
fn runs_are_found_by_every_filter() {
    both(|test, index| {
        let mut a = run_row("run-a", "2026-01-01T00:00:00Z", "succeeded");
        a.extend(object(json!({"tags": ["daily"], "run_name": "Über", "finished_at": "2026-01-01T00:00:04Z"})));
        let mut b = run_row("run-b", "2026-01-02T00:00:00Z", "failed");
        b.extend(object(json!({"action": "vector-search", "error": "No Such Column", "description": "100% sure_"})));
        index.upsert_run(&a).unwrap();
        index.upsert_run(&b).unwrap();
        index.upsert_run(&run_row("run-c", "2026-01-03T00:00:00Z", "succeeded")).unwrap();
        index.insert_artifact(&artifact(&test.home, "run-a", &[])).unwrap();
        let ids = |filter: RunFilter| texts(&index.list_runs(&filter).unwrap(), "run_id");
        let query = |text: &str| RunFilter { query: Some(text.to_owned()), ..RunFilter::default() };
        assert_eq!(ids(RunFilter::default()), ["run-c", "run-b", "run-a"]);
        assert_eq!(ids(RunFilter { limit: 2, ..RunFilter::default() }), ["run-c", "run-b"]);
        assert_eq!(ids(RunFilter { status: Some("succeeded".to_owned()), ..RunFilter::default() }), ["run-c", "run-a"]);
        assert_eq!(ids(RunFilter { action: Some("vector-search".to_owned()), ..RunFilter::default() }), ["run-b"]);
        assert_eq!(ids(RunFilter { tag: Some("daily".to_owned()), limit: 1, ..RunFilter::default() }), ["run-a"]);
        assert_eq!(ids(query("such column")), ["run-b"]);
        assert_eq!(ids(query("ÜBER")), ["run-a"]);
        assert_eq!(ids(query("DAIL")), ["run-a"]);
        assert_eq!(ids(query("%")), ["run-b"]);
        assert_eq!(ids(query("sure_")), ["run-b"]);
        assert_eq!(ids(query("RUN-")).len(), 3);
        assert_eq!(ids(query("nothing")), [""; 0]);
        let listed = index.list_runs(&query("über")).unwrap().remove(0);
        assert_eq!(
            (&listed["artifact_count"], &listed["duration_ms"], &listed["tags"]),
            (&json!(1), &json!(4000), &json!(["daily"]))
        );
        let listed = index.list_runs(&query("run-c")).unwrap().remove(0);
        assert_eq!(
            (&listed["artifact_count"], &listed["duration_ms"], &listed["details"]),
            (&json!(0), &Value::Null, &json!({}))
        );
    });
}

#[test]
fn what_is_no_record_is_refused() {
    both(|test, index| {
        for run in [json!({}), json!({"run_id": ""}), json!({"run_id": 1}), json!({"run_id": "a", "status": 1})] {
            assert_eq!(index.upsert_run(&object(run)).unwrap_err().code(), ErrorCode::InvalidArgument);
        }
        for (key, value) in [
            ("artifact_id", Value::Null),
            ("run_id", json!(1)),
            ("uri", Value::Null),
            ("row_count", json!(-1)),
            ("row_count", json!("3")),
        ] {
            let mut new = artifact(&test.home, "run-a", &[]);
            new.insert(key.to_owned(), value);
            assert_eq!(index.insert_artifact(&new).unwrap_err().code(), ErrorCode::InvalidArgument, "{key}");
        }
        assert!(index.list_runs(&RunFilter::default()).unwrap().is_empty());
        assert!(index.list_artifacts(&ArtifactFilter::default()).unwrap().is_empty());
    });
}

#[test]
fn what_others_mean_by_arguments_and_tags_is_stored_as_it_is() {
    both(|test, index| {
        for value in [json!("x"), json!([1, null]), json!({"a": [0.1]}), json!(7), json!(false), json!("")] {
            let keys = ["cli_args", "details", "tags"];
            let mut run = run_row("run-a", "2026-01-01T00:00:00Z", "failed");
            run.extend(keys.map(|key| (key.to_owned(), value.clone())));
            index.upsert_run(&run).unwrap();
            let row = index.list_runs(&RunFilter::default()).unwrap().remove(0);
            keys.iter().for_each(|key| assert_eq!(row[*key], value, "{key}"));
            assert_eq!(index.run("run-a").unwrap().unwrap()["cli_args"], value);

            let keys = ["schema_json", "preview_json", "tags_json"];
            let mut new = artifact(&test.home, "run-a", &[]);
            new.extend(keys.map(|key| (key.to_owned(), value.clone())));
            index.insert_artifact(&new).unwrap();
            let row = index.artifact(new["artifact_id"].as_str().unwrap()).unwrap().unwrap();
            keys.iter().for_each(|key| assert_eq!(row[*key], value, "{key}"));
            assert!(index.list_artifacts(&tagged("other")).unwrap().is_empty());
            let filter = RunFilter { tag: Some("other".to_owned()), ..RunFilter::default() };
            assert!(index.list_runs(&filter).unwrap().is_empty());
            assert!(index.list_runs(&RunFilter { query: Some("other".to_owned()), ..filter }).unwrap().is_empty());
        }
    });
}

#[test]
fn text_of_any_kind_is_a_value_and_never_a_statement() {
    both(|_, index| {
        for id in ["'; DROP TABLE runs; --", "a\nb", "\u{2028}", "\"", "北", "a\u{0}b"] {
            index.upsert_run(&run_row(id, "2026-01-01T00:00:00Z", "failed")).unwrap();
            assert_eq!(index.run(id).unwrap().unwrap()["run_id"], json!(id));
        }
        assert_eq!(index.list_runs(&RunFilter::default()).unwrap().len(), 6);
    });
}

/// Every state that a random history leads to is the same in both backends.
#[test]
fn the_backends_agree_after_any_history() {
    for seed in 0..12_u64 {
        let test = TestHome::new();
        test.home.ensure_dirs().unwrap();
        let stores = [Backend::Sqlite, Backend::Jsonl].map(|backend| ArtifactIndex::with_backend(&test.home, backend));
        // Without it, the index of events would look into SQLite.
        fs::write(stores[1].fallback_path(), "").unwrap();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut artifacts: Vec<Object> = Vec::new();
        for _ in 0..40 {
            let id = format!("run-{}", next(5));
            let created_at = format!("2026-01-0{}T00:00:00Z", 1 + next(4));
            match next(6) {
                0 | 1 => {
                    let status = ["running", "succeeded", "failed"][usize::try_from(next(3)).unwrap()];
                    stores.iter().for_each(|index| index.upsert_run(&run_row(&id, &created_at, status)).unwrap());
                }
                2 => {
                    let partial = object(json!({"run_id": id, "tags": ["t"], "error": "e"}));
                    stores.iter().for_each(|index| index.upsert_run(&partial).unwrap());
                }
                3 | 4 => {
                    let mut new = artifact(&test.home, &id, &["t"]);
                    new.insert("created_at".to_owned(), json!(created_at));
                    stores.iter().for_each(|index| index.insert_artifact(&new).unwrap());
                    artifacts.push(new);
                }
                _ => {
                    let outcomes =
                        stores.each_ref().map(|index| index.delete_run(&id, Files::Keep).map_err(|error| error.code()));
                    assert_eq!(outcomes[0], outcomes[1], "seed {seed}");
                }
            }
        }
        let [sqlite, jsonl] = stores.each_ref().map(|index| {
            (index.list_runs(&RunFilter::default()).unwrap(), index.list_artifacts(&ArtifactFilter::default()).unwrap())
        });
        assert_eq!(sqlite, jsonl, "seed {seed}");
    }
}

#[test]
fn the_file_has_the_tables_of_the_contract() {
    let test = TestHome::new();
    let index = test.index();
    assert_eq!(index.backend(), Backend::Sqlite);
    index.upsert_run(&run_row("run-a", "2026-01-01T00:00:00Z", "failed")).unwrap();
    let connection = Connection::open(index.sqlite_path()).unwrap();
    let columns = |table: &str| -> Vec<(String, String, bool, bool)> {
        let mut statement =
            connection.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1)").unwrap();
        let rows =
            statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let named =
        |columns: &[(String, String, bool, bool)]| columns.iter().map(|column| column.0.clone()).collect::<Vec<_>>();
    let runs = columns("runs");
    assert_eq!(
        named(&runs),
        [
            "run_id",
            "created_at",
            "finished_at",
            "status",
            "action",
            "args_json",
            "velaria_version",
            "run_dir",
            "run_name",
            "description",
            "tags_json",
            "error",
            "details_json"
        ]
    );
    assert!(runs.iter().all(|(_, kind, ..)| kind == "TEXT"));
    let required: Vec<&str> = runs.iter().filter(|column| column.2).map(|column| column.0.as_str()).collect();
    assert_eq!(required, ["created_at", "status", "action", "args_json", "run_dir"]);
    assert_eq!(
        named(&columns("artifacts")),
        [
            "artifact_id",
            "run_id",
            "created_at",
            "type",
            "uri",
            "format",
            "row_count",
            "schema_json",
            "preview_json",
            "tags_json"
        ]
    );
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").unwrap();
    let indexes: BTreeSet<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(indexes, ["idx_artifacts_run_id", "idx_runs_created_at"].map(str::to_owned).into());
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let args: String = connection.query_row("SELECT args_json FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(args, "{\"csv\":\"x\"}");
    Connection::open_in_memory().unwrap().execute_batch(SQLITE_SCHEMA).unwrap();
}

const OLD: &str = "\
CREATE TABLE runs (run_id TEXT PRIMARY KEY, created_at TEXT NOT NULL, finished_at TEXT, status TEXT NOT NULL,
    action TEXT NOT NULL, args_json TEXT NOT NULL, velaria_version TEXT, run_dir TEXT NOT NULL);
INSERT INTO runs VALUES ('old', '2026-01-01T00:00:00Z', NULL, 'failed', 'csv-sql', '{\"a\":1}', '0.1.0', '/x');
";

#[test]
fn an_index_of_the_first_version_gets_the_columns_it_lacks() {
    let test = TestHome::new();
    test.home.ensure_dirs().unwrap();
    let path = test.home.index_dir().join("artifacts.sqlite");
    Connection::open(&path).unwrap().execute_batch(OLD).unwrap();
    let index = test.index();
    assert_eq!(index.run("old").unwrap().unwrap()["cli_args"], json!({"a": 1}));
    let mut row = run_row("new", "2026-01-02T00:00:00Z", "failed");
    row.insert("tags".to_owned(), json!(["t"]));
    index.upsert_run(&row).unwrap();
    let listed = index.list_runs(&RunFilter::default()).unwrap();
    assert_eq!(texts(&listed, "run_id"), ["new", "old"]);
    assert_eq!((&listed[0]["tags"], &listed[1]["tags"]), (&json!(["t"]), &json!([])));
}

#[test]
fn an_index_of_a_later_version_is_refused_and_left_alone() {
    let test = TestHome::new();
    drop(test.index());
    let path = test.home.index_dir().join("artifacts.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = ArtifactIndex::open(&test.home).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
    assert!(!test.home.index_dir().join("artifacts.jsonl").exists());
}

#[test]
fn damaged_values_do_not_stop_a_list() {
    let test = TestHome::new();
    let index = test.index();
    index.insert_artifact(&artifact(&test.home, "run-a", &["t"])).unwrap();
    Connection::open(index.sqlite_path())
        .unwrap()
        .execute_batch("UPDATE artifacts SET tags_json = '[', schema_json = 'x', preview_json = NULL")
        .unwrap();
    let row = index.list_artifacts(&ArtifactFilter::default()).unwrap().remove(0);
    assert_eq!((&row["tags_json"], &row["schema_json"]), (&json!([]), &Value::Null));
}

#[test]
fn a_row_says_what_the_directory_says() {
    let test = TestHome::new();
    let run = test.run();
    let before = run.record().unwrap();
    let ended = run.finalize(&velaria_workspace::Outcome::of(velaria_workspace::RunStatus::Failed)).unwrap();
    test.index().upsert_run(&before).unwrap();
    assert_eq!(test.index().list_run(&run).unwrap(), ended);
    assert_eq!(test.index().list_runs(&RunFilter::default()).unwrap()[0]["status"], "failed");
    fs::remove_dir_all(run.dir()).unwrap();
    assert_eq!(test.index().list_run(&run).unwrap_err().code(), ErrorCode::RunNotFound);
}

#[test]
fn the_last_record_wins_whoever_lists_it() {
    let test = TestHome::new();
    let run = test.run();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let (run, home) = (&run, &test.home);
            scope.spawn(move || {
                for round in 0..20 {
                    run.update(&object(json!({"run_name": format!("{name}{round}")}))).unwrap();
                    ArtifactIndex::open(home).unwrap().list_run(run).unwrap();
                }
            });
        }
    });
    let row = test.index().run(run.id().as_str()).unwrap().unwrap();
    assert_eq!(row["run_name"], run.record().unwrap()["run_name"]);
}
