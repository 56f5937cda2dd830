"""The shell of ``python -m velaria``: fed by a pipe, and typed into through a terminal."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

import pytest

pty = pytest.importorskip("pty", reason="terminals are those of Unix")

PROGRAM = [sys.executable, "-m", "velaria", "shell"]
ENDLESS = "SELECT COUNT(*) AS n FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9;"
PROMPT = "velaria> "


def environment(home: Path) -> Dict[str, str]:
    return dict(os.environ, VELARIA_HOME=str(home), NO_COLOR="1", TERM="xterm")


def test_a_script_ends_at_its_first_error(tmp_path: Path) -> None:
    script = "SELECT 1 AS one;\nSELECT wibble;\nSELECT 2 AS two;\n"
    done = subprocess.run(
        PROGRAM + ["-o", "csv"],
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=environment(tmp_path),
    )
    assert (done.returncode, done.stdout) == (1, "one\n1\n")
    assert done.stderr.startswith("error: column not found: wibble [VEL-2001]\nline 2: SELECT wibble\n")


class Terminal:
    """A shell behind a terminal."""

    def __init__(self, args: List[str], home: Path) -> None:
        master, slave = pty.openpty()
        self.master = master
        self.process = subprocess.Popen(
            PROGRAM + args,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=take_terminal,
            env=environment(home),
        )
        os.close(slave)
        self.seen = ""

    def keys(self, text: str) -> None:
        os.write(self.master, text.encode())

    def sees(self, text: str) -> str:
        """Wait for ``text`` and return what came before it."""
        deadline = time.monotonic() + 60
        while text not in self.seen:
            assert time.monotonic() < deadline, "{!r} is not seen: {!r}".format(text, self.seen)
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
        before, self.seen = self.seen.split(text, 1)
        return before

    def close(self) -> int:
        code = self.process.wait(timeout=60)
        os.close(self.master)
        return code


def take_terminal() -> None:
    """Make the terminal that of the new session, so that Ctrl-C is a signal to it."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_ctrl_c_cancels_a_statement_and_keeps_the_session_and_the_interpreter(tmp_path: Path) -> None:
    terminal = Terminal([], tmp_path)
    terminal.sees(PROMPT)
    terminal.keys("CREATE TABLE kept AS SELECT 6 AS a;\r")
    terminal.sees("create table done")
    terminal.sees(PROMPT)
    for _ in range(2):
        terminal.keys("SELECT a * 7 AS answer FROM kept; {}\r".format(ENDLESS))
        terminal.sees("42")
        terminal.sees("1 row")
        terminal.keys("\x03")
        terminal.sees("cancelled")
        terminal.sees(PROMPT)
    terminal.keys("SELECT 'never closed\rand more")
    terminal.sees("and more")
    terminal.keys("\x03")
    terminal.sees(PROMPT)
    terminal.keys("\x04")
    assert terminal.close() == 0
    assert re.search(r"create table kept", (tmp_path / "history").read_text(), re.IGNORECASE)


def test_a_signal_ends_a_shell_that_waits(tmp_path: Path) -> None:
    terminal = Terminal(["--no-history"], tmp_path)
    terminal.sees(PROMPT)
    terminal.keys("SELECT 40 + 2 AS answer;\r")
    terminal.sees("42")
    terminal.sees(PROMPT)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.close() == 143
    assert not (tmp_path / "history").exists()
