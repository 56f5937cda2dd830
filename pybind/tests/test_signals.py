"""Signals and broken streams of ``python -m velaria``: the same document and exit code as those of the binary."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, List

import pytest

from support import run_code

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and /dev/full are those of Unix")

ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9"
PROGRAM = [sys.executable, "-m", "velaria"]


def is_heard(process: "subprocess.Popen[Any]", number: int) -> bool:
    """Whether the command line takes the signal; before it does, SIGTERM ends the process without a word."""
    status = Path("/proc/{}/status".format(process.pid)).read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return int(mask.split()[1], 16) >> (number - 1) & 1 == 1


def start(*argv: str, **keywords: Any) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        PROGRAM + list(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, **keywords
    )
    deadline = time.monotonic() + 60
    while not is_heard(process, signal.SIGTERM):
        assert time.monotonic() < deadline, "it does not listen"
        time.sleep(0.01)
    return process


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says who listens")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_query_and_leaves_its_document(number: int, code: int) -> None:
    process = start("sql", ENDLESS)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    answer = json.loads(out)
    assert (answer["ok"], answer["code"]) == (False, "VEL-8002")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says who listens")
def test_a_signal_ends_the_wait_for_standard_input() -> None:
    process = start("sql", stdin=subprocess.PIPE)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert json.loads(process.stdout.read())["error"] == "interrupted"
    assert process.wait(timeout=60) == 130
    process.communicate()


def test_a_bar_stands_on_a_terminal_and_goes() -> None:
    import pty

    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "VELARIA_PROGRESS")}
    process = subprocess.Popen(
        PROGRAM + ["sql", ENDLESS], stdin=theirs, stdout=theirs, stderr=theirs, env={**env, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while b"rows/s" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    # The other end is closed when the process ends: Linux calls that an error.
    with contextlib.suppress(OSError):
        while True:
            data = os.read(ours, 4096)
            if not data:
                break
            shown += data
    os.close(ours)
    assert process.wait(timeout=60) == 130
    assert shown.endswith(b"\r\x1b[K\x1b[1;31merror:\x1b[0m interrupted [VEL-8002]\r\n")


def test_ctrl_c_in_a_program_is_an_exception_after_the_document() -> None:
    code = """
import contextlib, io, json, os, signal, threading
from velaria.__main__ import main
out = io.StringIO()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with contextlib.redirect_stdout(out):
        main(["sql", {!r}])
except KeyboardInterrupt:
    print(json.loads(out.getvalue())["code"])
""".format(ENDLESS)
    assert run_code(code).strip() == "VEL-8002"


@pytest.mark.parametrize("argv", [["sql", "SELECT 1 AS one"], ["sql", "SELECT wibble"], ["--help"], ["wibble"]])
def test_output_that_cannot_be_written_is_told_by_the_exit_code_alone(argv: List[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(PROGRAM + argv, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (74, b"")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(PROGRAM + argv, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_program_without_standard_streams_writes_into_no_other_file(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    command = 'exec "$0" "$@" <&- >&- 2>&-'
    statement = "COPY (SELECT 1 AS one) TO '{}'".format(target)
    done = subprocess.run(["sh", "-c", command] + PROGRAM + ["sql", statement])
    assert done.returncode == 0
    data = target.read_bytes()
    assert (data[:4], data[-4:]) == (b"PAR1", b"PAR1")
