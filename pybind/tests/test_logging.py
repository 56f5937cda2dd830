"""What the engine logs arrives in Python's logging, at its levels, in order, and without a deadlock."""

import logging
import threading
import time
from typing import Any, Iterator, List

import pytest

import velaria
from support import run_code

ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9"


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Every test begins and ends with the level that is not set."""
    logger = logging.getLogger("velaria")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(before)


def messages(caplog: pytest.LogCaptureFixture, name: str) -> List[str]:
    return [record.getMessage() for record in caplog.records if record.name == name]


def test_statements_are_logged_when_the_call_returns(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")
    session.sql("SELECT 1 AS a").fetchall()
    assert messages(caplog, "velaria.query")[0] == "statement: SELECT 1 AS a"
    assert "a query ended" in messages(caplog, "velaria.query")
    record = caplog.records[0]
    assert (record.levelname, record.filename) == ("DEBUG", "session.rs")
    assert abs(record.created - time.time()) < 60


def test_a_level_holds_at_once(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    for level, expected in ((logging.DEBUG, True), (logging.INFO, False), (logging.DEBUG, True), (logging.CRITICAL, False)):
        caplog.clear()
        logging.getLogger("velaria").setLevel(level)
        session.sql("SELECT 1 AS a").fetchall()
        assert bool(messages(caplog, "velaria.query")) == expected, level


def test_the_level_of_the_root_counts_where_none_is_set(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    session.sql("SELECT 1 AS a").fetchall()
    assert messages(caplog, "velaria.query")


def test_nothing_of_other_libraries_is_logged(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET, "velaria")
    caplog.set_level(logging.NOTSET)
    session.sql("SELECT COUNT(*) AS n FROM range(1000) AS r(v)").fetchall()
    assert {record.name.split(".")[0] for record in caplog.records if record.filename.endswith(".rs")} == {"velaria"}


def test_values_of_parameters_are_not_logged(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")
    session.sql("SELECT ? AS secret", ["hunter2"]).fetchall()
    assert messages(caplog, "velaria.query") and "hunter2" not in caplog.text


def test_long_statements_are_cut(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")
    session.sql("SELECT '{}' AS a".format("é" * 20000)).fetchall()
    assert all(len(message) < 1000 for message in messages(caplog, "velaria.query"))


def test_a_message_with_percent_signs_is_kept(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")
    session.sql("SELECT 5 % 3 AS a, '%s %d' AS b").fetchall()
    assert "statement: SELECT 5 % 3 AS a, '%s %d' AS b" in messages(caplog, "velaria.query")


def test_an_interrupt_is_logged(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "velaria")
    session.interrupt()
    session.sql("SELECT 1 AS a").fetchall()
    assert messages(caplog, "velaria.query") == ["the statements of a session are told to stop"]


def test_streams_are_logged_while_nobody_calls(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")
    arrived = threading.Event()
    told: List[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            if told[-1].endswith("has ended"):
                arrived.set()

    handler = Handler()
    logging.getLogger("velaria.stream").addHandler(handler)
    try:
        frame = session.create_stream_from_arrow([{"v": [1, 2]}, {"v": [3]}])
        query = frame.write_stream_queue_sink(session.create_realtime_stream_sink(), trigger_interval_ms=0).start()
        # No call into the engine brings it: only the thread of the bridge can.
        assert arrived.wait(30)
        found = [message.split(" ", 1)[1] for message in told]
        assert found == ["runs", "micro-batch 1 is written", "micro-batch 2 is written", "has ended"]
        assert all(query.id in message for message in told)
    finally:
        logging.getLogger("velaria.stream").removeHandler(handler)


def test_a_handler_may_use_the_engine_and_wait_for_other_threads(session: velaria.Session) -> None:
    logger = logging.getLogger("velaria")
    logger.setLevel(logging.DEBUG)
    seen: List[Any] = []
    handled = threading.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other = threading.Thread(target=lambda: seen.append(session.sql("SELECT 2 AS b").fetchall()))
            other.start()
            other.join()
            seen.append(session.sql("SELECT 1 AS a").fetchall())
            handled.set()

    handler = Handler()
    logger.addHandler(handler)
    try:
        session.sql("SELECT 3 AS c").fetchall()
        # On a busy machine the thread of the bridge may be the one that hands it over.
        assert handled.wait(30)
    finally:
        logger.removeHandler(handler)
    assert {(1,), (2,)} <= {row for rows in seen for row in rows}


def test_many_threads_log_at_once(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "velaria")

    def work(number: int) -> None:
        for turn in range(20):
            session.sql("SELECT {} AS a, {} AS b".format(number, turn)).fetchall()

    threads = [threading.Thread(target=work, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 30
    while len({message for message in messages(caplog, "velaria.query") if message.startswith("statement")}) < 320:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_handler_that_raises_does_not_reach_the_caller(session: velaria.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    caught: List[Any] = []
    monkeypatch.setattr("sys.unraisablehook", caught.append)
    logger = logging.getLogger("velaria")
    logger.setLevel(logging.DEBUG)

    class Handler(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise ValueError("on purpose")

    handler = Handler()
    logger.addHandler(handler)
    try:
        assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]
    finally:
        logger.removeHandler(handler)
    assert caught and all(isinstance(error.exc_value, ValueError) for error in caught)


def test_without_logging_it_is_not_imported() -> None:
    code = "import sys, velaria; velaria.sql('SELECT 1 AS a').fetchall(); print('logging' in sys.modules)"
    assert run_code(code) == "False\n"


def test_the_last_events_arrive_before_the_interpreter_ends() -> None:
    code = """
import logging, sys, velaria
logging.basicConfig(level="DEBUG", stream=sys.stdout, format="%(name)s %(message)s")
session = velaria.Session()
query = session.create_stream_from_arrow([{"v": [1]}]).write_stream_queue_sink(session.create_realtime_stream_sink(), trigger_interval_ms=0)
query.start()
query.await_termination()
"""
    assert run_code(code).splitlines()[-1].endswith("has ended")


def test_the_interpreter_ends_while_the_engine_logs() -> None:
    code = """
import logging, threading, velaria
logging.basicConfig(level="DEBUG", filename="/dev/null")
session = velaria.Session()
threading.Thread(target=session.sql("{}").fetchall, daemon=True).start()
source = session.create_realtime_stream_source({{"v": "BIGINT"}})
sink = session.create_realtime_stream_sink()
query = session.read_realtime_stream_source(source).write_stream_queue_sink(sink, trigger_interval_ms=0).start()
for value in range(200):
    source.push_rows([(value,)])
print("done")
""".format(ENDLESS)
    assert run_code(code) == "done\n"
