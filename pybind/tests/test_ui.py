"""The pages of `ui` in a browser: they are seen, they follow a run while it goes on, and hostile values do nothing there."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from browser import CHROMIUM
from devtools import Browser
from support import WATCHDOG_SECONDS
from velaria.__main__ import main
from velaria.workspace import append_progress_snapshot, create_run, finalize_run

HOSTILE = "</td></table><script>document.body.id = 'owned'</script><img src='x' onerror=\"document.body.id = 'owned'\">"

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs the browser Chromium")


def call(*argv: str) -> Dict[str, Any]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(list(argv))
    document: Dict[str, Any] = json.loads(out.getvalue())
    return document


class Server:
    """`velaria-cli ui` of the wheel, in a process of its own."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "velaria", "ui", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        assert self.process.stdout is not None
        lines: List[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(self.process.stdout.readline())
            assert lines[-1], self.process.communicate()[1]
        self.document: Dict[str, Any] = json.loads("".join(lines))
        self.url: str = self.document["url"]

    def page(self, path: str) -> str:
        """The address that lets in, and goes on to `path`."""
        return self.url + "&next=" + path

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=WATCHDOG_SECONDS)
        return self.process.returncode


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("VELARIA_HOME", str(tmp_path / "home"))
    server = Server("--allow-cancel")
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def run(folder: Path, cell: str) -> Dict[str, Any]:
    source = folder / "s.csv"
    source.write_text('name,score\n"{}",1\nplain,2\n'.format(cell.replace('"', '""')), encoding="utf-8")
    query = "SELECT name, score FROM input_table"
    return call("run", "start", "--run-name", cell, "--", "csv-sql", "--csv", str(source), "--query", query)


@needs_browser
def test_the_list_of_runs_is_seen_in_light_and_dark(tmp_path: Path, server: Server) -> None:
    run(tmp_path, "a name")
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.url)
        browser.wait_for("document.querySelector('table.list .badge') !== null")
        light, dark = (browser.screenshot(scheme) for scheme in ("light", "dark"))
    for picture in (light, dark):
        assert len(picture.colours()) > 30
    # The corner is the page itself.
    assert min(light.pixel(2, light.height - 3)) > 200
    assert max(dark.pixel(2, dark.height - 3)) < 60


@needs_browser
def test_what_is_hostile_in_a_run_does_nothing_in_its_pages(tmp_path: Path, server: Server) -> None:
    started = run(tmp_path, HOSTILE)
    artifact = started["artifacts"][0]["artifact_id"]
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.url)
        for path in ["/", "/run/" + started["run_id"], "/artifact/" + artifact, "/artifacts", "/sql"]:
            browser.wait_for("document.querySelector('header.site') !== null")
            browser.evaluate("location.pathname = {}".format(json.dumps(path)))
            browser.wait_for("location.pathname === {} && document.readyState === 'complete'".format(json.dumps(path)))
            assert browser.evaluate("document.body.id") == "", path
            assert browser.evaluate("document.querySelectorAll('img, script:not([src])').length") == 0, path
            assert browser.evaluate("document.querySelector('main') !== null"), path


@needs_browser
def test_a_page_follows_its_run(tmp_path: Path, server: Server) -> None:
    run_id, _ = create_run("stream-sql-once", {}, "0")

    def go_on(number: int) -> None:
        snapshot = {"status": "running", "batches_processed": number, "state_rows": number, "last_warning": HOSTILE}
        append_progress_snapshot(run_id, json.dumps(snapshot))

    go_on(1)
    go_on(2)
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.page("/run/" + run_id))
        browser.wait_for("document.querySelector('#progress-section') !== null")
        browser.wait_for("document.querySelector('form[action$=cancel]') !== null")
        browser.evaluate("window.same = document.querySelector('#environment-heading'); window.stays = true")
        before = browser.evaluate("document.querySelector('#progress-section').outerHTML")
        go_on(3)
        browser.wait_for("document.querySelector('#progress-section').outerHTML !== {}".format(json.dumps(before)))
        finalize_run(run_id, "succeeded")
        browser.wait_for("document.querySelector('main .badge').textContent.includes('succeeded')")
        assert browser.evaluate("window.stays") is True, "the page was not loaded again"
        assert browser.evaluate("document.body.id") == ""
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        assert "token" not in browser.evaluate("location.href")


@needs_browser
def test_a_query_is_sent_from_the_page_and_answered(tmp_path: Path, server: Server) -> None:
    run_id = run(tmp_path, "a name")["run_id"]
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.page("/run/" + run_id))
        browser.wait_for("location.pathname.startsWith('/run/')")
        link = "[...document.querySelectorAll('a')].find((a) => a.textContent === 'SQL' && a.search)"
        browser.wait_for(f"{link} !== undefined")
        browser.evaluate(f"{link}.click()")
        browser.wait_for("location.pathname === '/sql' && document.querySelector('textarea') !== null")
        browser.evaluate("document.querySelector('textarea').value = 'SELECT SUM(score) + 4000 AS total FROM result'")
        browser.evaluate("document.querySelector('form.sql button').click()")
        browser.wait_for("document.querySelector('table.rows')?.textContent.includes('4003')")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_the_server_of_the_wheel(server: Server) -> None:
    assert server.document["ok"] is True
    assert server.end() in (0, 130)
