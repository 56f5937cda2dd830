//! A query that reads a folder, stops, and goes on: every file is read once, whatever comes meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use velaria_connector::{CsvAppendTable, Directory, DirectoryStream, EmissionKind, FileAccess, Format, ReadOptions};
use velaria_contract::{ErrorCode, Result};
use velaria_stream::{DeliveryMode, Environment, Input, Node, NodeKind, StreamOptions, StreamPlan, StreamingQuery};

struct Case {
    dir: tempfile::TempDir,
    options: ReadOptions,
}

fn case() -> Case {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    Case { dir, options: ReadOptions::new().with("settle_ms", "0").with("delimiter", ",").with("rows_per_batch", "1") }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]))
}

impl Case {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    fn put(&self, path: &Path, values: std::ops::Range<i64>) {
        let rows: String = values.map(|value| format!("{value}\n")).collect();
        fs::write(path, format!("v\n{rows}")).unwrap();
    }

    fn stream(&self) -> DirectoryStream {
        let path = self.path("");
        let directory = Directory {
            path: path.to_str().unwrap(),
            format: Some(Format::Csv),
            options: &self.options,
            columns: Some(&schema()),
            type_of: &|_| Ok(DataType::Int64),
        };
        DirectoryStream::open(&FileAccess::default(), &directory).unwrap()
    }

    fn plan(&self) -> StreamPlan {
        let kind = NodeKind::Scan { input: 0, projection: vec![0] };
        let node = Node { kind, inputs: Vec::new(), schema: schema(), lines: vec!["Scan s".to_owned()] };
        StreamPlan {
            view: "s".to_owned(),
            inputs: vec![Input { name: "s".to_owned(), table: Arc::new(self.stream()), watermark: None }],
            nodes: vec![node],
            schema: schema(),
            output: EmissionKind::Append,
            statement: "SELECT * FROM s".to_owned(),
            translator: velaria_stream::ErrorTranslator::default(),
        }
    }

    /// A run of so many micro-batches.
    fn run(&self, max_batches: u64, mode: DeliveryMode) -> Result<()> {
        let text = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let sink = CsvAppendTable::new(&text("out.csv"), b',', None)?;
        let options = StreamOptions {
            trigger_interval_ms: 0,
            max_batches,
            checkpoint_path: text("checkpoint"),
            checkpoint_delivery_mode: mode,
            ..StreamOptions::default()
        };
        let query = StreamingQuery::new(self.plan(), Arc::new(sink), options, Environment::default())?;
        let processed = query.await_termination(0, None)?;
        assert_eq!(processed, max_batches);
        Ok(())
    }

    /// The rows that were written, in order.
    fn rows(&self) -> Vec<i64> {
        let text = fs::read_to_string(self.dir.path().join("out.csv")).unwrap();
        let mut rows: Vec<i64> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
        rows.sort_unstable();
        rows
    }
}

#[test]
fn what_is_moved_into_the_folder_while_the_query_is_down_is_read_once() {
    for mode in [DeliveryMode::BestEffort, DeliveryMode::AtLeastOnce, DeliveryMode::ExactlyOnce] {
        let case = case();
        let outside = case.dir.path().join("outside.csv");
        case.put(&outside, 5..7);
        case.put(&case.path("m.csv"), 0..3);
        case.put(&case.path("n.csv"), 3..5);
        case.run(4, mode).unwrap();
        // Its name is smaller, it is older than what was read, and it comes in the middle of a file.
        fs::rename(&outside, case.path("a.csv")).unwrap();
        case.run(3, mode).unwrap();
        fs::hard_link(case.path("m.csv"), case.path("b.csv")).unwrap();
        case.run(3, mode).unwrap();
        assert_eq!(case.rows(), [0, 0, 1, 1, 2, 2, 3, 4, 5, 6], "{mode:?}");
    }
}

#[test]
fn what_changed_while_the_query_was_down_is_told() {
    let case = case();
    case.put(&case.path("a.csv"), 0..2);
    case.run(2, DeliveryMode::AtLeastOnce).unwrap();
    case.put(&case.path("a.csv"), 0..3);
    assert_eq!(case.run(1, DeliveryMode::AtLeastOnce).unwrap_err().code(), ErrorCode::SourceChanged);
    assert_eq!(case.rows(), [0, 1]);
}

#[test]
fn a_thousand_files_are_read_once_over_generations_of_the_checkpoint() {
    let case = case();
    let mode = DeliveryMode::BestEffort;
    for file in 0..1_030 {
        case.put(&case.path(&format!("f{file:04}.csv")), file * 10..file * 10 + 10);
    }
    // The second run passes the number of commits after which a checkpoint begins again with everything.
    for (batches, name, value) in [(5_005, "a.csv", 20_000), (5_101, "b.csv", 20_001), (196, "c.csv", 20_002)] {
        case.run(batches, mode).unwrap();
        case.put(&case.path(name), value..value + 1);
    }
    case.run(1, mode).unwrap();
    let expected: Vec<i64> = (0..10_300).chain(20_000..20_003).collect();
    assert!(case.rows() == expected);
}
