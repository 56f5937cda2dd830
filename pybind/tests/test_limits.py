"""Limits of a session: memory, time, files, and a stop from another thread.

Queries that would run for days have the watchdog of the process that they run in.
"""

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, Dict

import pytest

import velaria
from support import run_code
from velaria import errors

ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9"
PAIRS = "SELECT COUNT(*) AS n FROM range(10000000) AS a(v), range(10000000) AS b(w) WHERE (v * w) % 7 = 9"


@pytest.mark.parametrize("limit", [64 << 20, "64MiB", "67 MB"])
def test_memory_limit_is_bytes_or_text(limit: Any) -> None:
    session = velaria.Session(memory_limit=limit, threads=2)
    with pytest.raises(errors.ResourceError) as raised:
        session.sql("SELECT array_agg(v) FROM range(100000000) AS a(v)").fetchall()
    assert raised.value.code == "VEL-8001"
    assert isinstance(raised.value, MemoryError)
    # The session goes on, and what does not fit is sorted and grouped on disk.
    assert session.sql("SELECT COUNT(*) FROM (SELECT v FROM range(6000000) AS a(v) GROUP BY v)").fetchall() == [(6000000,)]


def test_sort_of_several_times_the_limit_spills_and_cleans_up(tmp_path: Path) -> None:
    session = velaria.Session(memory_limit="32MiB", threads=2, temp_dir=tmp_path)
    rows = session.sql(
        "SELECT MAX(r), COUNT(*) FROM (SELECT row_number() OVER (ORDER BY v * 7919 % 1000003, v) AS r FROM range(6000000) AS a(v))"
    ).fetchall()
    assert rows == [(6000000, 6000000)]
    private = list(tmp_path.iterdir())
    assert len(private) == 1
    if os.name == "posix":
        assert private[0].stat().st_mode & 0o777 == 0o700
    session.close()
    del session
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"memory_limit": "much"},
        {"memory_limit": 0},
        {"memory_limit": -1},
        {"memory_limit": 1 << 70},
        {"threads": 0},
        {"statement_timeout": 0},
        {"statement_timeout": -1.0},
        {"statement_timeout": float("nan")},
        {"temp_dir": "/nowhere/at/all"},
    ],
)
def test_limits_that_cannot_be_are_usage_errors(arguments: Dict[str, Any]) -> None:
    with pytest.raises(errors.UsageError):
        velaria.Session(**arguments)


@pytest.mark.parametrize("arguments", [{"memory_limit": 1.5}, {"memory_limit": []}, {"statement_timeout": "1s"}])
def test_limits_of_another_type_are_type_errors(arguments: Dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        velaria.Session(**arguments)


def test_limits_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        velaria.Session("1GiB")  # type: ignore[misc]


@pytest.mark.parametrize("timeout", [0.1, timedelta(milliseconds=100)])
@pytest.mark.parametrize("query", [ENDLESS, PAIRS])
def test_statement_timeout_ends_a_query_that_computes(timeout: Any, query: str) -> None:
    session = velaria.Session(statement_timeout=timeout)
    frame = session.sql(query)
    for call in (frame.fetchall, frame.to_rows, frame.show):
        with pytest.raises(errors.TimeoutError) as raised:
            call()
        assert raised.value.code == "VEL-8003"
        assert isinstance(raised.value, TimeoutError)
    assert session.sql("SELECT 1 AS a").fetchall() == [(1,)]


def test_statement_timeout_holds_for_insert_and_leaves_the_table_as_it_was() -> None:
    session = velaria.Session(statement_timeout=0.2)
    session.sql("CREATE TABLE t (n BIGINT)")
    with pytest.raises(errors.TimeoutError):
        session.sql("INSERT INTO t " + ENDLESS)
    assert session.sql("SELECT COUNT(*) FROM t").fetchall() == [(0,)]


INTERRUPTED = """
import faulthandler, threading, time
faulthandler.dump_traceback_later(60, exit=True)
import velaria
session = velaria.Session()
session.sql("CREATE TABLE t (n BIGINT)")
ended = []

def run(action):
    try:
        action()
    except velaria.errors.CancelledError as error:
        ended.append(error.code)

frame, pairs = session.sql({endless!r}), session.sql({pairs!r})
actions = [frame.fetchall, frame.to_rows, pairs.fetchall, lambda: session.sql("INSERT INTO t " + {endless!r})]
threads = [threading.Thread(target=run, args=(action,)) for action in actions]
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    time.sleep(0.05)
    session.interrupt()
print(ended, session.sql("SELECT COUNT(*) FROM t").fetchall())
"""


def test_interrupt_ends_the_statements_of_other_threads() -> None:
    assert run_code(INTERRUPTED.format(endless=ENDLESS, pairs=PAIRS)) == "{} [(0,)]\n".format(["VEL-8002"] * 4)


def test_interrupt_touches_neither_other_sessions_nor_later_statements() -> None:
    one, two = velaria.Session(), velaria.Session()
    frame = two.sql("SELECT COUNT(*) FROM range(3000000) AS a(v) WHERE v % 7 = 3")
    results = []
    thread = threading.Thread(target=lambda: results.append(frame.fetchall()))
    thread.start()
    while thread.is_alive():
        one.interrupt()
    thread.join()
    assert results == [[(428571,)]]
    assert one.sql("SELECT 1 AS a").fetchall() == [(1,)]


def test_interrupt_of_a_closed_session_is_an_error() -> None:
    session = velaria.Session()
    session.close()
    with pytest.raises(errors.UsageError):
        session.interrupt()


def test_read_only_session_reads_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    session = velaria.Session(read_only=True)
    session.create_temp_view("t", session.read_csv(tmp_path / "a.csv"))
    assert session.sql("SELECT a FROM t").fetchall() == [(1,)]
    for statement in ("CREATE TABLE u (a INT)", "CREATE TABLE u AS SELECT 1 AS a", "INSERT INTO t VALUES (2)", "DROP VIEW t"):
        with pytest.raises(errors.AccessDeniedError) as raised:
            session.sql(statement)
        assert raised.value.code == "VEL-6004"
        assert isinstance(raised.value, PermissionError)


def test_only_allowed_paths_are_opened(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    for folder in (inside, outside):
        (folder / "a.csv").write_text("a\n1\n")
        (folder / "a.json").write_text('{"a": 1}\n')
    if hasattr(os, "symlink"):
        os.symlink(outside / "a.csv", inside / "link.csv")
    session = velaria.Session(allowed_paths=[inside, str(outside / "a.json")])
    assert session.read_csv(inside / "a.csv").fetchall() == [(1,)]
    assert session.read_json(outside / "a.json").fetchall() == [(1,)]
    for path in (outside / "a.csv", inside / ".." / "out" / "a.csv", outside / "nowhere.csv", inside / "link.csv", Path("/etc/passwd")):
        with pytest.raises(errors.AccessDeniedError):
            session.read_csv(path)
    with pytest.raises(errors.FileMissingError):
        session.read_csv(inside / "nowhere.csv")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_file_that_becomes_a_link_later_is_not_followed(tmp_path: Path) -> None:
    inside, secret = tmp_path / "in", tmp_path / "secret.csv"
    inside.mkdir()
    (inside / "a.csv").write_text("a\n1\n")
    secret.write_text("a\n2\n")
    frame = velaria.Session(allowed_paths=[inside]).read_csv(inside / "a.csv")
    assert frame.fetchall() == [(1,)]
    (inside / "a.csv").unlink()
    os.symlink(secret, inside / "a.csv")
    with pytest.raises(errors.AccessDeniedError):
        frame.fetchall()


def test_no_allowed_path_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(errors.AccessDeniedError):
        velaria.Session(allowed_paths=[]).read_csv(tmp_path / "a.csv")
