//! The life of a query: what is called in which order, and how it ends.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use velaria_connector::{EmissionTaker, HandedSinkTable, Outlet, Pulling, Taken};
use velaria_contract::{ErrorCode, Result};
use velaria_stream::{DeliveryMode, Environment, NodeKind, StreamOptions, StreamingQuery, Watched};

use crate::doubles::{Act, Recorder, Script, batch, plan};

fn options() -> StreamOptions {
    StreamOptions { trigger_interval_ms: 0, ..StreamOptions::default() }
}

fn query(source: &Script, steps: Vec<NodeKind>, sink: &Recorder, options: StreamOptions) -> StreamingQuery {
    StreamingQuery::new(plan(source, steps), Arc::new(sink.clone()), options, Environment::default()).unwrap()
}

fn batches(count: i64) -> Vec<Act> {
    (0..count).map(|value| Act::Batch(batch(&[("a", value), ("b", value)]))).collect()
}

fn in_both_ways(check: impl Fn(Pulling)) {
    check(Pulling::Immediate);
    check(Pulling::Blocking);
}

#[test]
fn calls_come_in_the_order_of_the_contract() {
    in_both_ways(|pulling| {
        let source = Script { pulling, ..Script::new(batches(2)) };
        // One list for both ends shows their order; a source on a thread of its own hears later.
        let sink = Recorder { log: Arc::clone(&source.log), ..Recorder::default() };
        let query = query(&source, Vec::new(), &sink, options());
        assert_eq!(query.progress().status, "created");
        assert_eq!(query.await_termination(0, None).unwrap(), 2);
        let expected = [
            "sink open",
            "sink recover None",
            "source open start",
            "sink write 1",
            "sink prepare 1",
            "source checkpoint batch-0 1",
            "sink commit 1",
            "source ack batch-0",
            "sink write 2",
            "sink prepare 2",
            "source checkpoint batch-1 2",
            "sink commit 2",
            "source ack batch-1",
            "source close",
            "sink close",
        ];
        let log = source.log.lock().unwrap().clone();
        let only = |lines: &[String], who: &str| {
            lines.iter().filter(|line| line.starts_with(who)).cloned().collect::<Vec<_>>()
        };
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(only(&log, "source"), only(&expected, "source"));
        assert_eq!(only(&log, "sink"), only(&expected, "sink"));
        if pulling == Pulling::Immediate {
            assert_eq!(log, expected);
        }
        let progress = query.progress();
        assert_eq!(
            (progress.status.as_str(), progress.epoch, progress.input_rows, progress.output_rows),
            ("stopped", 2, 4, 4)
        );
        assert_eq!(progress.last_source_offset, "batch-1");
    });
}

#[test]
fn six_micro_batches_wait_four_times() {
    let sink = Recorder::default();
    let query = query(&Script::new(batches(6)), Vec::new(), &sink, options());
    assert_eq!(query.await_termination(0, None).unwrap(), 6);
    let progress = query.progress();
    assert_eq!((progress.blocked_count, progress.max_backlog_batches, progress.inflight_batches), (4, 2, 0));
    assert_eq!(sink.text().len(), 12);
}

#[test]
fn waiting_again_tells_only_what_came_since() {
    let query = query(&Script::new(batches(3)), Vec::new(), &Recorder::default(), options());
    assert_eq!(query.await_termination(0, None).unwrap(), 3);
    assert_eq!(query.await_termination(0, None).unwrap(), 0);
}

#[test]
fn starting_twice_is_starting_once_however_fast_the_source_ends() {
    let sink = Recorder::default();
    let query = query(&Script::new(batches(3)), Vec::new(), &sink, options());
    query.start().unwrap();
    while query.progress().status != "stopped" {
        thread::sleep(Duration::from_millis(1));
    }
    query.start().unwrap();
    assert_eq!(query.await_termination(0, None).unwrap(), 3);
    let once = sink.text().len();
    query.start().unwrap();
    assert_eq!(query.await_termination(0, None).unwrap(), 3);
    assert_eq!(sink.text().len(), 2 * once);
}

#[test]
fn a_number_of_micro_batches_is_kept_exactly() {
    in_both_ways(|pulling| {
        let source = Script { pulling, ..Script::new(batches(9)) };
        let sink = Recorder::default();
        let asked = query(&source, Vec::new(), &sink, options());
        assert_eq!(asked.await_termination(2, None).unwrap(), 2);
        assert_eq!((asked.progress().batches_processed, sink.text().len()), (2, 4));
        let sink = Recorder::default();
        let limited = query(&source, Vec::new(), &sink, StreamOptions { max_batches: 4, ..options() });
        limited.start().unwrap();
        assert_eq!(limited.await_termination(0, None).unwrap(), 4);
    });
}

#[test]
fn stop_wakes_a_query_that_waits_for_a_silent_source() {
    in_both_ways(|pulling| {
        let source = Script { bounded: false, pulling, ..Script::new(batches(2)) };
        let query =
            query(&source, Vec::new(), &Recorder::default(), StreamOptions { idle_wait_ms: 60_000, ..options() });
        query.start().unwrap();
        let waiting = {
            let query = query.clone();
            thread::spawn(move || query.await_termination(0, None))
        };
        while query.progress().batches_processed < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        query.stop();
        assert_eq!(waiting.join().unwrap().unwrap(), 2);
        assert!(begun.elapsed() < Duration::from_secs(30), "it waited for its source");
        assert_eq!(query.progress().status, "stopped");
    });
}

#[test]
fn waiting_with_a_timeout_leaves_the_query_alone() {
    let source = Script { bounded: false, ..Script::new(batches(1)) };
    let query = query(&source, Vec::new(), &Recorder::default(), options());
    let error = query.await_termination(0, Some(Duration::from_millis(50))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert_eq!(query.progress().status, "running");
    query.stop();
}

#[test]
fn errors_of_a_source_and_of_a_sink_end_in_failed_and_are_kept() {
    in_both_ways(|pulling| {
        for (act, code) in [(Act::Fail, ErrorCode::Io), (Act::Panic, ErrorCode::Internal)] {
            let acts = [batches(1), vec![act]].concat();
            let source = Script { pulling, bounded: false, ..Script::new(acts) };
            let sink = Recorder::default();
            let query = query(&source, Vec::new(), &sink, options());
            // The error may come while it is opened or later.
            let _ = query.start();
            for _ in 0..2 {
                assert_eq!(query.await_termination(0, None).unwrap_err().code(), code);
            }
            let progress = query.progress();
            assert_eq!(progress.status, "failed");
            assert!(progress.last_error.unwrap().starts_with(code.as_str()));
            assert_eq!(sink.log.lock().unwrap().last().unwrap(), "sink close");
        }
    });
    let sink = Recorder { fails_in: Some(2), ..Recorder::default() };
    let source = Script::new(batches(3));
    let broken = query(&source, Vec::new(), &sink, options());
    assert_eq!(broken.await_termination(0, None).unwrap_err().message(), "the sink broke");
    assert_eq!(broken.progress().batches_processed, 1);
    let log = source.log.lock().unwrap().clone();
    assert!(!log.contains(&"source ack batch-1".to_owned()), "what failed is never told to be done: {log:?}");
    assert_eq!(log.last().unwrap(), "source close");
}

#[test]
fn a_limit_ends_the_query_over_a_source_that_does_not_end() {
    let source = Script { bounded: false, ..Script::new(batches(5)) };
    let sink = Recorder::default();
    let limited = query(&source, vec![NodeKind::Limit { skip: 1, fetch: Some(4) }], &sink, options());
    assert_eq!(limited.await_termination(0, None).unwrap(), 3);
    assert_eq!(sink.text(), ["b,0", "a,1", "b,1", "a,2"]);
}

#[test]
fn starting_and_stopping_leaves_no_threads() {
    let threads = || std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    let cycle = || {
        let source = Script { bounded: false, pulling: Pulling::Blocking, ..Script::new(batches(1)) };
        let query = query(&source, Vec::new(), &Recorder::default(), options());
        query.start().unwrap();
        query.stop();
    };
    cycle();
    let before = threads();
    for _ in 0..100 {
        cycle();
    }
    // Other tests run beside this one.
    assert!(threads() < before + 50, "{before} threads before, {} after", threads());
}

#[test]
fn exactly_once_is_refused_where_it_cannot_be_kept() {
    let exactly = StreamOptions { checkpoint_delivery_mode: DeliveryMode::ExactlyOnce, ..options() };
    let source = Script::new(batches(1));
    let refused =
        StreamingQuery::new(plan(&source, Vec::new()), Arc::new(Recorder::default()), exactly, Environment::default());
    assert_eq!(refused.unwrap_err().message(), "exactly-once needs a checkpoint_path");
}

#[test]
fn stop_ends_although_another_thread_starts_the_query_again() {
    for _ in 0..50 {
        let source = Script { bounded: false, ..Script::new(batches(1)) };
        let query = query(&source, Vec::new(), &Recorder::default(), options());
        query.start().unwrap();
        let again = {
            let query = query.clone();
            thread::spawn(move || query.await_termination(0, None).and_then(|_| query.start()))
        };
        query.stop();
        again.join().unwrap().unwrap();
        query.stop();
        assert_eq!(query.progress().status, "stopped");
    }
}

#[test]
fn a_start_that_failed_can_be_tried_again_at_once() {
    let sink = Recorder { fails_in: Some(1), ..Recorder::default() };
    let broken = query(&Script::new(batches(1)), Vec::new(), &sink, options());
    for _ in 0..2 {
        assert_eq!(broken.await_termination(0, None).unwrap_err().code(), ErrorCode::Io);
        // Whether it fails while it is opened or later, this is a run of its own.
        let _ = broken.start();
    }
    assert!(sink.log.lock().unwrap().iter().filter(|line| *line == "sink open").count() >= 2);
}

#[test]
fn a_watch_tells_the_steps_of_one_run_and_its_end() {
    let sink = Recorder::default();
    let query = query(&Script::new(batches(3)), Vec::new(), &sink, options());
    query.start().unwrap();
    let mut watch = query.watch();
    let mut seen = Vec::new();
    loop {
        match watch.next(Duration::from_secs(60)) {
            Watched::Progress(progress) => seen.push((progress.batches_processed, progress.status)),
            Watched::Nothing => panic!("nothing for a minute: {seen:?}"),
            Watched::End => break,
        }
    }
    // Whoever is slow does not see every step, but each step once, and the last one always.
    assert_eq!(seen.last(), Some(&(3, "stopped".to_owned())));
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0] != pair[1]), "{seen:?}");
    assert_eq!(watch.next(Duration::from_secs(60)), Watched::End);
    query.await_termination(0, None).unwrap();
    query.start().unwrap();
    assert_eq!(watch.next(Duration::from_secs(60)), Watched::End, "another run is not its own");
}

#[test]
fn a_watch_ends_with_a_query_that_nobody_holds() {
    let sink = Recorder::default();
    let source = Script { bounded: false, ..Script::new(batches(1)) };
    let query = query(&source, Vec::new(), &sink, options());
    query.start().unwrap();
    let mut watch = query.watch();
    drop(query);
    let last = loop {
        match watch.next(Duration::from_secs(60)) {
            Watched::Progress(progress) => drop(progress),
            other => break other,
        }
    };
    assert_eq!(last, Watched::End);
}

#[test]
fn a_stop_reaches_a_sink_that_waits_for_room() {
    in_both_ways(|pulling| {
        let source = Script { pulling, ..Script::new(batches(5)) };
        let sink = velaria_connector::QueueSinkTable::with_capacity(1);
        let query =
            StreamingQuery::new(plan(&source, Vec::new()), Arc::new(sink), options(), Environment::default()).unwrap();
        query.start().unwrap();
        while query.progress().batches_processed == 0 {
            thread::yield_now();
        }
        query.stop();
        let progress = query.progress();
        assert_eq!((progress.status.as_str(), progress.batches_processed), ("stopped", 1));
    });
}

/// A thread of a sink that takes nothing and never ends.
#[derive(Debug, Clone, Default)]
struct Stuck(Arc<Mutex<Option<Outlet>>>);

impl EmissionTaker for Stuck {
    fn start(&self, outlet: Outlet) -> Result<()> {
        *self.0.lock().unwrap() = Some(outlet);
        Ok(())
    }
}

#[test]
fn a_stop_reaches_a_sink_that_does_not_close() {
    let (source, stuck) = (Script::new(Vec::new()), Stuck::default());
    let sink = Arc::new(HandedSinkTable::new(stuck.clone()));
    let query = StreamingQuery::new(plan(&source, Vec::new()), sink, options(), Environment::default()).unwrap();
    query.start().unwrap();
    // The source has ended, and the query waits for the sink.
    let is_closing = || matches!(stuck.0.lock().unwrap().as_ref().unwrap().take(Duration::ZERO), Taken::Closed);
    while !is_closing() {
        thread::yield_now();
    }
    query.stop();
    assert_eq!(query.progress().status, "stopped");
}
