"""Progress of queries: what a callback is told, and the bar on a terminal."""

import io
import os
import sys
import threading
from typing import Any, List, Optional

import pytest

import velaria
from support import run, run_code
from velaria import errors
from velaria.progress import Progress, ProgressBar

# It runs until its time limit.
ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS a(v) WHERE v % 7 = 9"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_last_call_says_what_was_read(session: velaria.Session) -> None:
    seen: List[Progress] = []
    session.sql("CREATE TABLE t AS SELECT v FROM range(100000) AS r(v)")
    session.on_progress(seen.append)
    assert session.sql("SELECT SUM(v) AS s FROM t").fetchall() == [(4999950000,)]
    last = seen[-1]
    assert (last.rows, last.rows_total, last.finished, last.fraction) == (100000, 100000, True, 1.0)
    assert last.bytes == 800000
    assert last.seconds > 0


def test_every_query_ends_with_one_call_that_says_so(session: velaria.Session) -> None:
    seen: List[Progress] = []
    session.sql("CREATE TABLE t AS SELECT v FROM range(1000) AS r(v)")
    session.on_progress(seen.append)
    frame = session.sql("SELECT v FROM t WHERE v < 10")
    assert seen == []
    for action in (frame.fetchall, frame.count, frame.to_rows, frame._repr_html_):
        seen.clear()
        action()  # type: ignore[operator]
        assert [progress.finished for progress in seen][-1:] == [True]
        assert sum(progress.finished for progress in seen) == 1, action


def test_numbers_grow_while_a_query_runs() -> None:
    seen: List[Progress] = []
    session = velaria.Session(progress=seen.append, statement_timeout=1)
    with pytest.raises(errors.TimeoutError):
        session.sql(ENDLESS).fetchall()
    rows = [progress.rows for progress in seen]
    assert rows == sorted(rows) and rows[0] < rows[-1]
    assert seen[-1].finished and not any(progress.finished for progress in seen[:-1])


def test_exports_are_told_of(session: velaria.Session) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    seen: List[Progress] = []
    session.on_progress(seen.append)
    table = pyarrow.table(session.sql("SELECT v FROM range(500000) AS r(v)"))
    assert (table.num_rows, seen[-1].rows, seen[-1].finished) == (500000, 500000, True)


def test_commands_and_files_are_told_of(session: velaria.Session, tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text("v\n" + "".join("{}\n".format(value) for value in range(5000)))
    seen: List[Progress] = []
    session.on_progress(seen.append)
    session.sql("CREATE TABLE t AS SELECT v FROM '{}'".format(path))
    assert (seen[-1].rows, seen[-1].rows_total, seen[-1].finished) == (5000, None, True)
    assert sum(progress.finished for progress in seen) == 1
    seen.clear()
    session.read_csv(path).write_csv(tmp_path / "u.csv")
    assert (seen[-1].rows, seen[-1].finished) == (5000, True)


def test_a_query_that_fails_or_is_interrupted_ends_too() -> None:
    seen: List[Progress] = []
    session = velaria.Session(statement_timeout=0.5, progress=seen.append)
    with pytest.raises(errors.TimeoutError):
        session.sql("SELECT COUNT(*) FROM range(1000000000000) AS r(v) WHERE v % 7 = 9").fetchall()
    assert seen[-1].finished
    with pytest.raises(errors.DataError):
        session.sql("SELECT 1 / (v - 5) FROM range(10) AS r(v)").fetchall()
    assert seen[-1].finished


def test_results_are_the_same_with_a_callback() -> None:
    told, silent = velaria.Session(progress=lambda _: None), velaria.Session()
    for text in (
        "SELECT a.v, b.w FROM range(100) AS a(v) JOIN range(50) AS b(w) ON a.v = b.w ORDER BY 1",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 50) SELECT SUM(n) AS s FROM t",
        "SELECT v % 10 AS k, COUNT(*) AS n FROM range(100000) AS r(v) GROUP BY v % 10 ORDER BY k",
        "SELECT v FROM range(1000) AS r(v) ORDER BY v DESC LIMIT 3",
        "SELECT (SELECT MAX(v) FROM range(10) AS r(v)) AS m",
        "VALUES (1), (2)",
    ):
        assert told.sql(text).fetchall() == silent.sql(text).fetchall()


def test_explain_does_not_show_the_counting() -> None:
    told, silent = velaria.Session(progress=lambda _: None), velaria.Session()
    text = "SELECT COUNT(*) AS n FROM range(10) AS r(v)"
    assert told.sql(text).explain() == silent.sql(text).explain()


def test_nobody_is_told_any_more(session: velaria.Session) -> None:
    seen: List[Progress] = []
    session.on_progress(seen.append)
    session.on_progress(None)
    session.sql("SELECT COUNT(*) AS n FROM range(10) AS r(v)").fetchall()
    assert seen == []


def test_a_callback_that_fails_does_not_end_the_query(session: velaria.Session, caplog: pytest.LogCaptureFixture) -> None:
    def fail(progress: Progress) -> None:
        raise ValueError("on purpose")

    session.on_progress(fail)
    for _ in range(2):
        assert session.sql("SELECT COUNT(*) AS n FROM range(10) AS r(v)").fetchall() == [(10,)]
    (record,) = [record for record in caplog.records if record.name == "velaria.progress"]
    assert record.exc_info and str(record.exc_info[1]) == "on purpose"


def test_a_callback_may_end_the_query_by_an_interrupt(session: velaria.Session) -> None:
    session.on_progress(lambda progress: None if progress.finished else session.interrupt())
    with pytest.raises(errors.CancelledError):
        session.sql("SELECT COUNT(*) FROM range(1000000000000) AS r(v) WHERE v % 7 = 9").fetchall()


def test_ctrl_c_in_a_callback_ends_the_query() -> None:
    code = """
import os, signal, velaria
def interrupt(progress):
    if not progress.finished:
        raise KeyboardInterrupt
session = velaria.Session(progress=interrupt)
try:
    session.sql("SELECT COUNT(*) FROM range(1000000000000) AS r(v) WHERE v % 7 = 9").fetchall()
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run_code(code) == "interrupted\n"


def test_a_callback_may_use_another_session(session: velaria.Session) -> None:
    other, found = velaria.Session(), []
    session.on_progress(lambda progress: found.append(other.sql("SELECT 1 AS a").fetchall()))
    session.sql("SELECT COUNT(*) AS n FROM range(10) AS r(v)").fetchall()
    assert found == [[(1,)]]


def test_threads_are_told_of_their_own_queries(session: velaria.Session) -> None:
    seen: List[Progress] = []
    session.on_progress(seen.append)
    frame = session.sql("SELECT COUNT(*) AS n FROM range(1000) AS r(v)")
    threads = [threading.Thread(target=frame.fetchall) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [progress.rows for progress in seen if progress.finished] == [1000] * 8


def test_coroutines_are_told_of() -> None:
    import asyncio

    seen: List[Progress] = []
    session = velaria.Session(progress=seen.append)
    asyncio.run(session.sql("SELECT COUNT(*) AS n FROM range(1000) AS r(v)").fetchall_async())
    assert (seen[-1].rows, seen[-1].finished) == (1000, True)


@pytest.mark.parametrize("wrong", [3, "yes"])
def test_arguments_that_are_no_callbacks_are_refused(session: velaria.Session, wrong: Any) -> None:
    with pytest.raises(TypeError):
        velaria.Session(progress=wrong)
    with pytest.raises(TypeError):
        session.on_progress(wrong)


def test_the_environment_asks_for_a_bar() -> None:
    code = "import velaria; velaria.Session(); velaria.sql('SELECT 1').fetchall()"
    for word, ends in (("1", 0), ("off", 0), ("", 0), ("maybe", 1)):
        done = run(["-c", code], env={**os.environ, "VELARIA_PROGRESS": word})
        assert done.returncode == ends, done.stderr
        assert ("VELARIA_PROGRESS" in done.stderr) == bool(ends)


def progress(rows: int, seconds: float, finished: bool = False, total: Optional[int] = None) -> Progress:
    return Progress(rows, 8 * rows, total, seconds, finished)


def test_the_bar_is_drawn_and_goes() -> None:
    terminal = Terminal()
    bar = ProgressBar(terminal)
    bar(progress(1000, 1.0, total=4000))
    drawn = terminal.getvalue()
    assert drawn.startswith("\r[") and " 25%" in drawn and drawn.endswith("\x1b[K") and "\n" not in drawn
    bar(progress(4000, 2.0, finished=True, total=4000))
    assert terminal.getvalue() == drawn + "\r\x1b[K"


def test_a_short_query_draws_nothing() -> None:
    terminal = Terminal()
    bar = ProgressBar(terminal)
    bar(progress(1000, 0.2))
    bar(progress(1000, 0.3, finished=True))
    assert terminal.getvalue() == ""


def test_off_a_terminal_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    bar = ProgressBar(written)
    bar(progress(1000, 5.0))
    bar(progress(1000, 6.0, finished=True))
    assert written.getvalue() == ""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "dumb")
    ProgressBar(terminal)(progress(1000, 5.0))
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("width", [0, 1, 10, 30, 79, 200])
def test_a_line_fits_its_terminal(width: int) -> None:
    for total in (None, 0, 10, 10**12):
        assert len(ProgressBar.line(progress(10**7, 3.0, total=total), width)) <= width


# The bar has time to appear.
BAR = """
import velaria
try:
    velaria.Session(progress=True, statement_timeout=2).sql("{}").fetchall()
except velaria.Error as error:
    print(error.code)
""".format(ENDLESS)


def test_a_session_with_a_bar_is_silent_off_a_terminal() -> None:
    done = run(["-c", BAR])
    assert (done.returncode, done.stdout, done.stderr) == (0, "VEL-8003\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_bar_is_on_standard_error_alone() -> None:
    import pty
    import subprocess

    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", BAR], stdout=subprocess.PIPE, stderr=slave, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    drawn = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(master)
    printed, _ = child.communicate(timeout=60)
    assert printed == b"VEL-8003\n"
    assert b"rows" in drawn and drawn.endswith(b"\r\x1b[K")
