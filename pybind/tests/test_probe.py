"""``Session.probe``: what a file is and how to read it."""

import gzip
import pathlib

import pytest

import velaria
from support import DATA
from velaria import errors


def test_report_of_a_table(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "sales.csv.gz"
    path.write_bytes(gzip.compress("día;precio\n2024-01-01;1,5\n2024-01-02;2,5\n".encode("utf-16")))
    report = session.probe(path)
    assert list(report)[:9] == [
        "path",
        "kind",
        "final_format",
        "score",
        "confidence",
        "schema",
        "suggested_table_name",
        "warnings",
        "candidates",
    ]
    assert (report["kind"], report["schema"], report["delimiter"]) == ("csv", ["día", "precio"], ";")
    assert (report["encoding"], report["compression"]) == ("utf-16le", "gzip")
    assert report["suggested_table_name"] == "sales"
    assert report["options"] == {"delimiter": ";", "decimal": ",", "encoding": "utf-16le", "compression": "gzip"}
    assert report["candidates"][0]["score"] == report["score"]


def test_options_that_are_given_win(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b|c\nd,e|f\n")
    with pytest.raises(errors.UsageError) as raised:
        session.probe(path)
    assert raised.value.code == "VEL-7003"
    report = session.probe(path, delimiter="|", header=True, skip_rows=0, quote=None)
    assert report["schema"] == ["a,b", "c"]
    with pytest.raises(errors.UsageError, match="unknown option of csv: delimitor"):
        session.probe(path, delimitor="|")


def test_pipes_without_names_are_a_line_file(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1|x\n2|y\n")
    report = session.probe(path)
    assert (report["kind"], report["final_format"], report["mode"]) == ("line", "line_split", "split")
    assert report["mappings"] == [{"column": "c0", "source_index": 0}, {"column": "c1", "source_index": 1}]


def test_files_with_a_schema_have_types(session: velaria.Session) -> None:
    report = session.probe(DATA / "ledger.parquet")
    assert report["kind"] == "parquet"
    assert all("type" in field for field in report["fields"])
    assert session.probe(DATA / "events.ndjson")["final_format"] == "json_lines"


def test_empty_file_has_the_words_of_the_original(session: velaria.Session, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    with pytest.raises(RuntimeError, match="probe found empty input: "):
        session.probe(path)


def test_probe_keeps_to_the_allowed_paths(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with velaria.Session(allowed_paths=[DATA]) as session, pytest.raises(errors.AccessDeniedError):
        session.probe(tmp_path / "a.csv")
