"""Reports of runs in a browser: they are seen in light and dark, and what is hostile in them does nothing."""

import contextlib
import http.server
import io
import json
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from browser import CHROMIUM, elements, screenshot
from velaria.__main__ import main

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the browser Chromium")


class Listener:
    """A server that remembers what it was asked for."""

    def __init__(self) -> None:
        asked: List[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_args: Any) -> None:
                """Nothing is to be printed."""

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:{}".format(self.server.server_address[1])


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        thread.join()
        listener.server.server_close()


def hostile(url: str) -> str:
    """What somebody would put into a cell who wants to do something on the machine of the reader."""
    return (
        "</td></table><script>document.title = 'owned'; document.body.id = 'owned'</script>"
        "<img src='{0}/image' onerror=\"document.title = 'owned'\"><link rel='stylesheet' href='{0}/style'>"
        "<style>@import '{0}/import'; body {{ background: url({0}/background) }}</style>"
        "<iframe src='{0}/frame'></iframe><base href='{0}'><meta http-equiv='refresh' content='0;url={0}/refresh'>"
        "\u202e\u0000"
    ).format(url)


def call(*argv: str) -> Dict[str, Any]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(list(argv))
    document: Dict[str, Any] = json.loads(out.getvalue())
    return document


def report(folder: Path, cell: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the report of a run, which has everything that a report can show, and `cell` in all of its places."""
    monkeypatch.setenv("VELARIA_HOME", str(folder / "home"))
    source = folder / "s.csv"
    source.write_text('name,score\n"{}",1\nplain,2\n'.format(cell.replace('"', '""').replace("\0", "")), encoding="utf-8")
    query = "SELECT name, score FROM input_table -- {}".format(cell.replace("\0", "").replace("\n", " "))
    started = call("run", "start", "--run-name", "r" + cell.replace("\0", ""), "--", "csv-sql", "--csv", str(source), "--query", query)
    run = Path(started["run_dir"])
    operators = [
        {"id": 0, "parent": None, "name": "SortExec", "detail": cell, "output_rows": 2, "elapsed_ms": 3.5},
        {"id": 1, "parent": 0, "name": cell, "detail": "", "output_rows": 2, "elapsed_ms": 1.25},
    ]
    (run / "profile.json").write_text(json.dumps({"elapsed_ms": 4.0, "rows": 2, "operators": operators}))
    snapshots = [
        {"status": "running", "batches_processed": n, "input_rows": n * n, "state_rows": n, "last_warning": cell}
        for n in range(20)
    ]
    (run / "progress.jsonl").write_text("".join(json.dumps(snapshot) + "\n" for snapshot in snapshots))
    (run / "stderr.log").write_text("warning: {}\n".format(cell), encoding="utf-8")
    written = call("run", "report", "--run-id", started["run_id"])
    assert written["ok"], written
    return Path(written["path"]).as_uri()


def test_a_report_is_seen_in_light_and_dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = report(tmp_path, "a cell", monkeypatch)
    light, dark = (screenshot(url, tmp_path, scheme) for scheme in ("light", "dark"))
    for picture in (light, dark):
        assert (picture.width, picture.height) == (900, 1100)
        # Text alone has a few dozen shades; a blank page has one.
        assert len(picture.colours()) > 30
    # The corner is the page itself.
    assert min(light.pixel(2, 2)) > 200
    assert max(dark.pixel(2, 2)) < 60


def test_what_is_hostile_in_a_run_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    url = report(tmp_path, hostile(listener.url), monkeypatch)
    seen = elements(url, tmp_path)
    assert "owned" in seen, "the cell is there, as text"
    for absent in ("<script", "<img", "<iframe", "<link", "<base", 'id="owned"', "<title>owned", "\u202e"):
        assert absent not in seen
    assert seen.count("<section") > 5, "the page goes on after each hostile text"
    assert listener.asked == []


def test_the_same_text_would_do_something_if_it_was_not_escaped(tmp_path: Path, listener: Listener) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><title>x</title><table><td>" + hostile(listener.url), encoding="utf-8")
    assert 'id="owned"' in elements(page.as_uri(), tmp_path)
    assert listener.asked != []
