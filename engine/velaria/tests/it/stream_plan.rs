//! Stream SQL to plans: what explain says of each statement, and what is refused with which words.

use std::sync::Arc;

use velaria::arrow::array::{Int64Array, RecordBatch, StringArray};
use velaria::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use velaria::stream::{
    Pulling, Replay, SourceDescription, StreamSource, StreamStrategy, StreamTable, StreamingQueryProgress,
};
use velaria::{Error, ErrorCode, Parameter, Result, Session, StreamOptions, StreamingDataFrame, Totals, wait};

/// A stream that is planned and never read.
#[derive(Debug)]
struct Unread {
    schema: SchemaRef,
    bounded: bool,
}

impl StreamTable for Unread {
    fn description(&self) -> SourceDescription {
        let (replay, pulling) = (Replay::FromOffset, Pulling::Immediate);
        SourceDescription { schema: Arc::clone(&self.schema), bounded: self.bounded, replay, pulling }
    }

    fn reader(&self) -> Result<Box<dyn StreamSource>> {
        Err(Error::new(ErrorCode::InvalidArgument, "this stream is planned only"))
    }
}

fn stream(session: &Session, name: &str, bounded: bool) -> StreamingDataFrame {
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        Field::new("d", DataType::Date32, true),
        Field::new("Label", DataType::Utf8, true),
    ]));
    session.read_stream_table(name, Arc::new(Unread { schema, bounded })).unwrap()
}

/// A session with the streams `s` (bounded) and `u` (unbounded), the table `t`, and sinks.
fn streams() -> Session {
    let session = crate::session(1);
    for (name, bounded) in [("s", true), ("u", false)] {
        let frame = stream(&session, name, bounded);
        session.create_stream_view(name, &frame).unwrap();
    }
    crate::sql(&session, "CREATE TABLE t (id STRING, name STRING, n INT)").unwrap();
    crate::sql(&session, "INSERT INTO t VALUES ('a', 'A', 1)").unwrap();
    crate::sql(&session, "CREATE SINK TABLE kept (a STRING)").unwrap();
    crate::sql(&session, "CREATE SINK TABLE shown (a STRING, b INT) USING memory").unwrap();
    crate::sql(&session, "CREATE SINK TABLE file (a STRING, b INT) USING csv OPTIONS(path: 'never.csv')").unwrap();
    session
}

fn logical_of(session: &Session, text: &str, options: &StreamOptions) -> Result<Vec<String>> {
    let (session, text, options) = (session.clone(), text.to_owned(), options.clone());
    let explained = wait(async move { session.explain_stream_sql(&text, &options).await }, || Ok(()))?;
    let steps = explained.logical.iter().filter_map(|line| line.split_once(". "));
    Ok(steps.map(|(_, step)| step.to_owned()).collect())
}

fn logical(text: &str) -> Vec<String> {
    let lines = logical_of(&streams(), text, &StreamOptions::default());
    lines.map_err(|error| format!("{text}\n{}", error.report())).unwrap()
}

fn refused(text: &str) -> Error {
    logical_of(&streams(), text, &StreamOptions::default()).unwrap_err()
}

#[test]
fn explain_says_the_statement_in_the_words_of_the_contract() {
    let cases: &[(&str, &[&str])] = &[
        ("SELECT * FROM s", &["Scan source=s"]),
        ("FROM s", &["Scan source=s"]),
        (
            "SELECT key, v FROM s WHERE v > 0 LIMIT 3",
            &["Scan source=s", "Filter column=v op=>", "Project columns=[key, v]", "Limit limit=3"],
        ),
        (
            "SELECT key, v AS vv FROM s LIMIT 2",
            &["Scan source=s", "WithColumn output=vv from=v", "Project columns=[key, vv]", "Limit limit=2"],
        ),
        (
            "SELECT key, SUM(v) AS value_sum FROM s GROUP BY key",
            &["Scan source=s", "Aggregate keys=[key] aggs=[SUM(v) AS value_sum] stateful=true"],
        ),
        (
            "SELECT window_start, key, SUM(v) AS s, COUNT(*) AS c FROM s WHERE v > 0 \
             WINDOW BY ts EVERY 60000 AS window_start GROUP BY window_start, key",
            &[
                "Scan source=s",
                "Filter column=v op=>",
                "WindowAssign time_column=ts window_ms=60000 output=window_start",
                "Aggregate keys=[window_start, key] aggs=[SUM(v) AS s, COUNT(*) AS c] stateful=true",
            ],
        ),
        (
            "SELECT w, key, COUNT(*) AS event_count, SUM(v) AS value_sum, MIN(v) AS min_value, MAX(v) AS max_value, \
             AVG(v) AS avg_value FROM s WINDOW BY ts EVERY 60000 AS w GROUP BY w, key HAVING avg_value > 6",
            &[
                "Scan source=s",
                "WindowAssign time_column=ts window_ms=60000 output=w",
                "Aggregate keys=[w, key] aggs=[COUNT(*) AS event_count, SUM(v) AS value_sum, MIN(v) AS min_value, \
                 MAX(v) AS max_value, AVG(v) AS avg_value] stateful=true",
                "Filter column=avg_value op=>",
            ],
        ),
        (
            "SELECT w, COUNT(*) AS c FROM s WINDOW BY ts EVERY 60000 SLIDE 30000 AS w GROUP BY w",
            &[
                "Scan source=s",
                "WindowAssign time_column=ts window_ms=60000 output=w slide_ms=30000",
                "Aggregate keys=[w] aggs=[COUNT(*) AS c] stateful=true",
            ],
        ),
        (
            "SELECT * FROM s WINDOW BY ts EVERY 1000 AS w",
            &["Scan source=s", "WindowAssign time_column=ts window_ms=1000 output=w"],
        ),
        (
            "SELECT key FROM s WINDOW BY ts EVERY 1000 SLIDE 500 AS w",
            &[
                "Scan source=s",
                "WindowAssign time_column=ts window_ms=1000 output=w slide_ms=500",
                "Project columns=[key]",
            ],
        ),
        ("SELECT SUM(v) AS total FROM s", &["Scan source=s", "Aggregate keys=[] aggs=[SUM(v) AS total] stateful=true"]),
        (
            "SELECT SUM(v) AS total, key FROM s GROUP BY key",
            &[
                "Scan source=s",
                "Aggregate keys=[key] aggs=[SUM(v) AS total] stateful=true",
                "Project columns=[total, key]",
            ],
        ),
        (
            "SELECT key AS k, COUNT(v) AS c FROM s GROUP BY key",
            &["Scan source=s", "Aggregate keys=[key AS k] aggs=[COUNT(v) AS c] stateful=true"],
        ),
        (
            "SELECT key, SUM(v) * 2 AS d FROM s GROUP BY key",
            &[
                "Scan source=s",
                "Aggregate keys=[key] aggs=[SUM(v)] stateful=true",
                "WithColumn output=d expr=SUM(v) * 2",
                "Project columns=[key, d]",
            ],
        ),
        (
            "SELECT key, COUNT(DISTINCT v) AS c, SUM(v) FILTER (WHERE v > 1) AS p FROM s GROUP BY key",
            &[
                "Scan source=s",
                "Aggregate keys=[key] aggs=[COUNT(DISTINCT v) AS c, SUM(v) FILTER (WHERE v > 1) AS p] stateful=true",
            ],
        ),
        ("SELECT DISTINCT key FROM s", &["Scan source=s", "Aggregate keys=[key] aggs=[] stateful=true"]),
        (
            "SELECT upper(key) AS u, v + 1 AS w FROM s",
            &[
                "Scan source=s",
                "WithColumn output=u expr=upper(key)",
                "WithColumn output=w expr=v + 1",
                "Project columns=[u, w]",
            ],
        ),
        (
            "SELECT key, COUNT(*) AS c FROM s WHERE v > 1 AND key = 'a' GROUP BY key",
            &[
                "Scan source=s",
                "Filter condition=v > 1 AND key = 'a'",
                "Aggregate keys=[key] aggs=[COUNT(*) AS c] stateful=true",
            ],
        ),
        ("SELECT * FROM s WHERE 3 >= v", &["Scan source=s", "Filter column=v op=<="]),
        ("SELECT * FROM s WHERE x = 1", &["Scan source=s", "Filter column=x op=="]),
        ("SELECT * FROM s WHERE label = 'a'", &["Scan source=s", "Filter column=Label op=="]),
        ("SELECT * FROM s WHERE v IN (SELECT n FROM t)", &["Scan source=s", "Join type=semi table=t on=[v = n]"]),
        (
            "SELECT s.key, t.name FROM s JOIN t ON s.key = t.id",
            &["Scan source=s", "Join type=inner table=t on=[key = id]", "Project columns=[key, name]"],
        ),
        ("SELECT * FROM s LEFT JOIN t ON s.key = t.id", &["Scan source=s", "Join type=left table=t on=[key = id]"]),
        ("SELECT * FROM t RIGHT JOIN s ON s.key = t.id", &["Scan source=s", "Join type=left table=t on=[key = id]"]),
        (
            "SELECT * FROM s, t WHERE s.key = t.id AND s.v > 1",
            &["Scan source=s", "Filter column=v op=>", "Join type=inner table=t on=[key = id]"],
        ),
        ("SELECT key FROM s UNION ALL SELECT key FROM u", &["Scan source=s", "Scan source=u", "Union inputs=2"]),
        (
            "SELECT key FROM s UNION SELECT key FROM u",
            &["Scan source=s", "Scan source=u", "Union inputs=2", "Aggregate keys=[key] aggs=[] stateful=true"],
        ),
        (
            "WITH c AS (SELECT key, v FROM s WHERE v > 1) SELECT key, SUM(v) AS t FROM c GROUP BY key",
            &["Scan source=s", "Filter column=v op=>", "Aggregate keys=[key] aggs=[SUM(v) AS t] stateful=true"],
        ),
        (
            "SELECT w, COUNT(*) AS c FROM (SELECT * FROM s WINDOW BY ts EVERY 1000 AS w) AS a WHERE w > TIMESTAMP '2026-01-01' GROUP BY w",
            &[
                "Scan source=s",
                "WindowAssign time_column=ts window_ms=1000 output=w",
                "Filter column=w op=>",
                "Aggregate keys=[w] aggs=[COUNT(*) AS c] stateful=true",
            ],
        ),
        (
            "SELECT key, v FROM s ORDER BY v DESC LIMIT 2",
            &["Scan source=s", "Project columns=[key, v]", "OrderBy columns=[v DESC]", "Limit limit=2"],
        ),
        (
            "SELECT key, SUM(v) AS t FROM u GROUP BY key ORDER BY t DESC LIMIT 2 OPTIONS(output_mode: 'complete')",
            &[
                "Scan source=u",
                "Aggregate keys=[key] aggs=[SUM(v) AS t] stateful=true",
                "OrderBy columns=[t DESC]",
                "Limit limit=2",
            ],
        ),
        ("SELECT key FROM s LIMIT 0", &["Scan source=s", "Project columns=[key]", "Limit limit=0"]),
        ("SELECT key FROM s WHERE FALSE", &["Scan source=s", "Filter condition=false", "Project columns=[key]"]),
        (
            "SELECT * FROM s WHERE v > (SELECT max(n) FROM t)",
            &["Scan source=s", "Join type=inner table=t on=[] filter=v > max(t.n)"],
        ),
        (
            "SELECT key, 1 AS one FROM s",
            &["Scan source=s", "WithColumn output=one expr=1", "Project columns=[key, one]"],
        ),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        match logical_of(&streams(), text, &StreamOptions::default()) {
            Ok(lines) if lines == *expected => {}
            Ok(lines) => wrong.push(format!("{text}\n  expected {expected:#?}\n  found {lines:#?}")),
            Err(error) => wrong.push(format!("{text}\n{}", error.report())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// RC-STREAM-1
#[test]
fn what_streams_cannot_do_is_refused_with_its_words() {
    let cases = [
        ("INSERT INTO t VALUES ('a', 'b', 1)", "explainStreamSql only supports SELECT or INSERT INTO ... SELECT"),
        ("CREATE TABLE z (a INT)", "explainStreamSql only supports SELECT or INSERT INTO ... SELECT"),
        ("INSERT INTO t (id) SELECT key FROM s", "startStreamSql does not support INSERT column list"),
        ("SELECT 1 AS one", "stream SQL requires FROM"),
        ("SELECT key FROM s UNION ALL SELECT 'x'", "stream SQL requires FROM"),
        ("SELECT * FROM nope", "stream view not found: nope"),
        ("INSERT INTO nope SELECT * FROM s", "stream sink not found: nope"),
        (
            "INSERT INTO t SELECT * FROM s",
            "table-kind constraint violation: stream SQL sink must be created with CREATE SINK TABLE: t",
        ),
        ("INSERT INTO s SELECT * FROM s", "table-kind constraint violation: stream SQL sink cannot be SOURCE TABLE: s"),
        (
            "SELECT * FROM t",
            "table-kind constraint violation: stream SQL source must be created with CREATE SOURCE TABLE: t",
        ),
        (
            "SELECT key FROM s UNION ALL SELECT id FROM t",
            "table-kind constraint violation: stream SQL source must be created with CREATE SOURCE TABLE: t",
        ),
        ("SELECT * FROM kept", "table-kind constraint violation: stream SQL source table cannot be SINK TABLE: kept"),
        ("SELECT key, v, SUM(v) AS t FROM s GROUP BY key", "non-aggregate field must appear in GROUP BY: v"),
        ("SELECT SUM(v) AS t FROM s HAVING t > 1", "GROUP BY required for HAVING"),
        ("SELECT key FROM s WHERE SUM(v) > 1", "WHERE does not support aggregate expressions"),
        ("SELECT key, nope FROM s", "column not found: nope"),
        ("SELECT key FROM s WHERE w > 1 WINDOW BY ts EVERY 1 AS w", "column not found: w"),
        ("SELECT * FROM s WINDOW BY ts EVERY 10 AS v", "window column exists already: v"),
        ("SELECT * FROM s WINDOW BY x EVERY 10 AS w", "WINDOW BY needs a column of time, x is DOUBLE"),
        ("SELECT * FROM s WINDOW BY nope EVERY 10 AS w", "column not found: nope"),
        ("SELECT * FROM s WINDOW BY ts EVERY 0 AS w", "window size must be positive"),
        ("SELECT * FROM s WINDOW BY ts EVERY a AS w", "WINDOW EVERY must be numeric"),
        ("SELECT * FROM s WINDOW BY ts EVERY 1.5 AS w", "invalid WINDOW EVERY value: 1.5"),
        ("SELECT * FROM s WINDOW BY ts EVERY 10 SLIDE 20 AS w", "stream SQL WINDOW SLIDE must be > 0 and <= EVERY"),
        ("SELECT * FROM s WINDOW BY ts EVERY 10 w", "expected keyword: AS"),
        ("SELECT * FROM u ORDER BY v", "stream ORDER BY requires a bounded source"),
        ("SELECT key FROM s ORDER BY v", "ORDER BY column must appear in SELECT output in SQL v1: v"),
        (
            "SELECT key, SUM(v) AS t FROM s GROUP BY key LIMIT 3",
            "stream SQL LIMIT after GROUP BY requires output_mode 'complete'",
        ),
        ("SELECT key, row_number() OVER (ORDER BY v) AS r FROM s", "stream SQL does not support window functions"),
        ("SELECT a.key FROM s AS a JOIN u AS b ON a.key = b.key", "stream SQL does not support JOIN of two streams"),
        (
            "SELECT * FROM s FULL JOIN t ON s.key = t.id",
            "stream SQL does not support JOIN that keeps the rows of a table: FULL",
        ),
        (
            "SELECT * FROM t LEFT JOIN s ON s.key = t.id",
            "stream SQL does not support JOIN that keeps the rows of a table: LEFT",
        ),
        (
            "SELECT c, COUNT(*) AS n FROM (SELECT key, COUNT(*) AS c FROM s GROUP BY key) AS a GROUP BY c",
            "stream SQL does not support GROUP BY over GROUP BY",
        ),
        ("SELECT key, SUM(v) AS s, SUM(x) AS s FROM s GROUP BY key", "duplicate aggregate alias: s"),
        ("SELECT v, v FROM s", "duplicate column: v"),
        ("SELECT DISTINCT ON (key) key, v FROM s", "stream SQL does not support DISTINCT ON"),
        ("SELECT * FROM (SELECT DISTINCT ON (key) key, v FROM s) AS a", "stream SQL does not support DISTINCT ON"),
        ("SELECT now() AS n, key FROM s", "stream SQL does not support now"),
        ("SELECT random() AS n, key FROM s", "stream SQL does not support random"),
        ("SELECT key FROM s EXCEPT SELECT key FROM u", "stream SQL does not support EXCEPT"),
        ("SELECT key FROM s GROUP BY ROLLUP(key)", "stream SQL does not support GROUPING SETS, ROLLUP and CUBE"),
        (
            "SELECT * FROM s KEYWORD SEARCH (key) QUERY 'a'",
            "not supported in SQL v1: stream SQL does not support KEYWORD SEARCH",
        ),
        ("SELECT * FROM s OPTIONS(nope: 1)", "unknown option: nope"),
        ("SELECT key FROM s OPTIONS(output_mode: 'complete')", "output_mode 'complete' requires GROUP BY"),
        (
            "SELECT key, COUNT(*) AS c FROM s GROUP BY key OPTIONS(output_mode = 'append')",
            "output_mode 'append' requires a window in GROUP BY",
        ),
        (
            "SELECT w, COUNT(*) AS c FROM s WINDOW BY ts EVERY 10 AS w GROUP BY w OPTIONS(output_mode 'append')",
            "output_mode 'append' requires a watermark",
        ),
        (
            "SELECT w, COUNT(*) AS c FROM s WINDOW BY ts EVERY 10 AS w GROUP BY w \
             OPTIONS(output_mode 'append', watermark_column: 'd')",
            "output_mode 'append' requires a watermark of ts, that of s is d",
        ),
        (
            "SELECT w, COUNT(*) AS c FROM (SELECT ts AS t FROM s UNION ALL SELECT d FROM u) AS a \
             WINDOW BY t EVERY 10 AS w GROUP BY w OPTIONS(output_mode 'append', watermark_column: 'ts')",
            "output_mode 'append' requires a watermark of t, that of u is ts",
        ),
        ("INSERT INTO shown SELECT key, key FROM s", "cannot insert STRING into column b of type INT"),
        ("INSERT INTO file SELECT key, key FROM s", "cannot insert STRING into column b of type INT"),
        ("SELECT * FROM s OPTIONS(watermark_column: 'tss')", "watermark column not found in s: tss"),
    ];
    let mut wrong = Vec::new();
    for (text, message) in cases {
        match logical_of(&streams(), text, &StreamOptions::default()) {
            Err(error) if error.message() == message => {}
            Err(error) => wrong.push(format!("{text}\n  expected {message}\n  found {}", error.report())),
            Ok(lines) => wrong.push(format!("{text}\n  expected {message}\n  is planned {lines:#?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn errors_point_at_their_place() {
    for (text, marked) in [
        ("SELECT key, nope FROM s", "nope"),
        ("SELECT * FROM nope", "nope"),
        ("SELECT * FROM s WINDOW BY nope EVERY 10 AS w", "nope"),
        ("SELECT * FROM s WINDOW BY x EVERY 10 AS w", "x"),
        ("INSERT INTO nope SELECT * FROM s", "nope"),
        ("SELECT * FROM s OPTIONS(nope: 1)", "nope"),
        ("INSERT INTO shown SELECT key, upper(key) AS b FROM s", "upper(key) AS b"),
        ("INSERT INTO shown SELECT key FROM s", "shown"),
        ("INSERT INTO shown SELECT * FROM (SELECT key, Label FROM s) AS a", "shown"),
    ] {
        let error = refused(text);
        let place = error.position().unwrap_or_else(|| panic!("{text}: {}", error.report())).clone();
        let found: String = text
            .chars()
            .skip(usize::try_from(place.column).unwrap() - 1)
            .take(usize::try_from(place.length).unwrap())
            .collect();
        assert_eq!(found, marked, "{text}");
    }
    assert_eq!(refused("SELECT kye FROM s").hint(), Some("did you mean \"key\"?"));
}

#[test]
fn append_takes_the_watermark_of_the_column_that_the_windows_are_made_of() {
    for text in [
        "SELECT w, COUNT(*) AS c FROM s WINDOW BY ts EVERY 10 AS w GROUP BY w",
        "SELECT w, COUNT(*) AS c FROM (SELECT v, ts AS t FROM s JOIN t ON s.key = t.id WHERE v > 0) AS a \
         WINDOW BY t EVERY 10 AS w GROUP BY w",
        "SELECT w, COUNT(*) AS c FROM (SELECT date_trunc('second', ts) AS t FROM s UNION ALL SELECT ts FROM u) AS a \
         WINDOW BY t EVERY 10 AS w GROUP BY w",
    ] {
        let text = format!("{text} OPTIONS(output_mode 'append', watermark_column: 'ts')");
        logical(&text);
    }
}

/// RC-STREAM-10
#[test]
fn a_sink_with_columns_takes_those_of_the_query_by_position() {
    let last = |text: &str| logical(text).pop().unwrap();
    assert_eq!(last("INSERT INTO shown SELECT v, v FROM s"), "Project columns=[v, v]");
    assert_eq!(
        last("INSERT INTO shown SELECT key, COUNT(*) AS key FROM s GROUP BY key"),
        "Aggregate keys=[key] aggs=[COUNT(*) AS key] stateful=true"
    );
    assert_eq!(refused("SELECT v, v FROM s").hint(), Some("give one of them another name"));
    assert_eq!(
        refused("SELECT key, COUNT(*) AS key FROM s GROUP BY key").hint(),
        Some("give one of them another name")
    );
}

#[test]
fn stream_sql_takes_queries_only() {
    let session = streams();
    let ask = |text: &str| {
        let (session, text) = (session.clone(), text.to_owned());
        wait(async move { session.stream_sql(&text, &StreamOptions::default()).await }, || Ok(()))
    };
    assert_eq!(ask("INSERT INTO kept SELECT key FROM s").unwrap_err().message(), "stream SQL only supports SELECT");
    let frame = ask("SELECT key, SUM(v) AS t FROM s GROUP BY key").unwrap();
    let names: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["key", "t"]);
}

#[test]
fn start_takes_inserts_only() {
    let session = streams();
    let ask = |text: &str| {
        let (session, text) = (session.clone(), text.to_owned());
        wait(async move { session.start_stream_sql(&text, &StreamOptions::default()).await.map(drop) }, || Ok(()))
    };
    let message = "startStreamSql only supports INSERT INTO ... SELECT";
    assert_eq!(ask("SELECT * FROM s").unwrap_err().message(), message);
    assert_eq!(ask("INSERT INTO kept VALUES ('a')").unwrap_err().message(), message);
    assert_eq!(ask("INSERT INTO kept SELECT key FROM s").unwrap_err().message(), "stream sink not found: kept");
}

#[test]
fn names_of_streams_are_taken_once() {
    let session = streams();
    let frame = stream(&session, "z", true);
    for name in ["s", "t", "kept"] {
        let error = session.create_stream_view(name, &frame).unwrap_err();
        assert_eq!(error.message(), format!("table already exists: {name}"));
    }
    let batch = session.create_dataframe_from_arrow(Arc::new(Schema::empty()), Vec::<RecordBatch>::new()).unwrap();
    assert_eq!(session.create_temp_view("s", &batch).unwrap_err().message(), "table already exists: s");
    let error = crate::sql(&session, "SELECT * FROM s").unwrap_err();
    assert_eq!(error.message(), "view not found: s");
}

#[test]
fn the_methods_of_a_frame_make_the_plan_of_the_statement() {
    let session = streams();
    let options = StreamOptions::default();
    let lines = |frame: &StreamingDataFrame| {
        let explained = frame.explain(&options).unwrap();
        explained.logical.iter().skip(1).map(|line| line.split_once(". ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let s = stream(&session, "s", true);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let frame = s
        .filter("v", ">", &Parameter::Integer(0))
        .and_then(|frame| frame.window("ts", 60_000, "w", 0))
        .and_then(|frame| frame.group_sum(&names(&["w", "key"]), "v", Totals::Running, "sum"))
        .unwrap();
    assert_eq!(
        lines(&frame),
        logical("SELECT w, key, SUM(v) AS sum FROM s WHERE v > 0 WINDOW BY ts EVERY 60000 AS w GROUP BY w, key")
    );
    let frame = s.group_count(&names(&["key"]), Totals::PerBatch, "count").unwrap();
    assert_eq!(lines(&frame), ["Scan source=s", "Aggregate keys=[key] aggs=[COUNT(*) AS count] stateful=false"]);
    let frame = s.with_column("vv", "v").and_then(|frame| frame.select(&names(&["key", "vv"]))).unwrap();
    assert_eq!(lines(&frame), ["Scan source=s", "WithColumn output=vv from=v", "Project columns=[key, vv]"]);
    let frame = s.drop("nope").and_then(|frame| frame.drop("x")).and_then(|frame| frame.limit(3)).unwrap();
    assert_eq!(lines(&frame), ["Scan source=s", "Project columns=[key, v, ts, d, Label]", "Limit limit=3"]);
    assert_eq!(lines(&s), ["Scan source=s"]);
}

#[test]
fn methods_refuse_what_cannot_be() {
    let s = stream(&streams(), "s", true);
    let message = |result: Result<StreamingDataFrame>| result.unwrap_err().message().to_owned();
    assert_eq!(message(s.filter("v", "~", &Parameter::Integer(0))), "unsupported filter op: ~");
    assert_eq!(message(s.window("ts", 0, "w", 0)), "window size must be positive");
    assert_eq!(message(s.window("ts", 10, "w", 20)), "window slide must be <= window size");
    assert_eq!(message(s.window("ts", 10, "v", 0)), "column exists already: v");
    assert_eq!(message(s.select(&["nope".to_owned()])), "column not found: nope");
    assert_eq!(message(s.with_column("v", "key")), "column exists already: v");
}

#[test]
fn a_view_of_a_query_is_read_by_other_queries() {
    let session = streams();
    let inner = {
        let session = session.clone();
        wait(
            async move {
                session.stream_sql("SELECT key, v * 2 AS v2 FROM s WHERE v > 1", &StreamOptions::default()).await
            },
            || Ok(()),
        )
        .unwrap()
    };
    session.create_stream_view("doubled", &inner).unwrap();
    let lines = logical_of(&session, "SELECT key, SUM(v2) AS t FROM doubled GROUP BY key", &StreamOptions::default());
    assert_eq!(
        lines.unwrap(),
        [
            "Scan source=s",
            "Filter column=v op=>",
            "WithColumn output=v2 expr=v * 2",
            "Project columns=[key, v2]",
            "Aggregate keys=[key] aggs=[SUM(v2) AS t] stateful=true",
        ]
    );
}

/// Stream SQL opens the files of a SOURCE TABLE when the query runs, so they may still come.
#[test]
fn a_source_table_with_columns_may_wait_for_its_files() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let session = streams();
        let create =
            format!("CREATE SOURCE TABLE later (k STRING, v INT) USING csv OPTIONS(path '{}')", path.display());
        crate::sql(&session, &create).unwrap();
        let lines = logical_of(&session, "SELECT k, SUM(v) AS s FROM later GROUP BY k", &StreamOptions::default());
        assert_eq!(lines.unwrap(), ["Scan source=later", "Aggregate keys=[k] aggs=[SUM(v) AS s] stateful=true"]);
        let options = StreamOptions { max_batches: 1, ..StreamOptions::default() };
        let text = "INSERT INTO shown SELECT k, v FROM later";
        let of = session.clone();
        let query = wait(async move { of.start_stream_sql(text, &options).await }, || Ok(())).unwrap();
        query.stop();
    }
}

/// A view is a query in batch, also over a SOURCE TABLE: stream SQL joins the files that are there.
#[test]
fn a_view_over_a_source_table_follows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let session = streams();
    let create = format!("CREATE SOURCE TABLE lines USING csv OPTIONS(path '{}')", folder.path().display());
    std::fs::write(folder.path().join("a.csv"), "id,n\na,1\n").unwrap();
    crate::sql(&session, &create).unwrap();
    crate::sql(&session, "CREATE VIEW seen AS SELECT id, n FROM lines").unwrap();
    std::fs::write(folder.path().join("b.csv"), "id,n\na,2\n").unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, true)]));
    let ids = StringArray::from(vec!["a"]);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(ids)]).unwrap();
    let frame = session.create_stream_from_arrow(schema, vec![batch]).unwrap();
    session.create_stream_view("ids", &frame).unwrap();
    let text = "INSERT INTO shown SELECT ids.id, seen.n FROM ids JOIN seen ON ids.id = seen.id";
    let (of, options) = (session.clone(), StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() });
    let query = wait(async move { of.start_stream_sql(text, &options).await }, || Ok(())).unwrap();
    query.await_termination(0, None).unwrap();
    assert_eq!(query.progress().output_rows, 2);
}

#[test]
fn the_memory_limit_of_a_session_bounds_the_state_of_streams() {
    let config = velaria::SessionConfig::default().with_threads(1).with_memory_limit(1 << 20);
    let session = Session::new(config).unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
    let keys = Int64Array::from_iter_values(0..200_000);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(keys)]).unwrap();
    let frame = session.create_stream_from_arrow(schema, vec![batch]).unwrap();
    let frame = frame.group_count(&["k".to_owned()], Totals::Running, "n").unwrap();
    let failure = |options: &StreamOptions| {
        let query = frame.write_stream_queue_sink(&session.create_realtime_stream_sink(), options).unwrap();
        query.start().and_then(|()| query.await_termination(0, None).map(drop)).err()
    };
    let options = StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() };
    let error = failure(&options).unwrap();
    assert_eq!(error.code(), ErrorCode::StateTooLarge);
    assert!(error.message().ends_with("more than max_state_bytes = 1048576"), "{}", error.message());
    assert!(failure(&StreamOptions { max_state_bytes: Some(1 << 30), ..options }).is_none());
}

#[test]
fn the_documentation_lists_every_option() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/streaming.md")).unwrap();
    for option in velaria::STREAM_OPTIONS {
        let default = if option.default.is_empty() { "-".to_owned() } else { format!("`{}`", option.default) };
        let row = format!("| `{}` | {default} | {} |", option.name, option.meaning);
        assert!(page.contains(&row), "docs/streaming.md lacks: {row}");
    }
}

/// RC-STREAM-12, RC-STREAM-13
#[test]
fn the_contract_lists_every_field_of_explain_and_progress() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runtime-contract.md")).unwrap();
    let streams = page.split_once("## Streams").unwrap().1;
    let listed = |table: &str| -> Vec<&str> {
        let rows = streams.split_once(&format!("| field of `{table}` |")).unwrap().1.lines().skip(2);
        rows.take_while(|line| line.starts_with('|')).map(|row| row.split('`').nth(1).unwrap()).collect()
    };
    assert_eq!(listed("progress"), StreamingQueryProgress::FIELDS);
    let lines = StreamStrategy::default().lines();
    let fields: Vec<&str> = lines.iter().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(listed("strategy"), fields);
}
