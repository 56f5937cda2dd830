"""Files by path, pattern, directory and standard input; frames that are written and read again."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
import velaria


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_read_finds_the_format_and_takes_patterns(tmp_path):
    session = velaria.Session()
    write(tmp_path / "a.csv", "id,name\n1,x\n")
    write(tmp_path / "b.csv", "id,name\n2,y\n")
    write(tmp_path / "c.json", '[{"id": 3, "name": "z"}]')
    assert session.read(tmp_path / "*.csv").fetchall() == [(1, "x"), (2, "y")]
    assert session.read(tmp_path / "c.json").fetchall() == [(3, "z")]
    assert session.read_csv(str(tmp_path / "[ab].csv")).count() == 2
    assert session.read(tmp_path / "c.json", format="json_array").count() == 1
    with pytest.raises(FileNotFoundError) as missing:
        session.read(tmp_path / "*.parquet")
    assert missing.value.code == "VEL-6001"
    assert "*.parquet" in str(missing.value)


def test_directories_are_columns(tmp_path):
    session = velaria.Session()
    write(tmp_path / "year=2023" / "a.csv", "id\n1\n")
    write(tmp_path / "year=2024" / "a.csv", "id\n2\n")
    frame = session.read(tmp_path)
    assert frame.columns == ["id", "year"]
    session.create_temp_view("t", frame)
    assert session.sql("SELECT id FROM t WHERE year = 2024").fetchall() == [(2,)]
    assert session.read(tmp_path, hive_partitioning=False).columns == ["id"]


def test_files_that_differ_are_refused_or_united(tmp_path):
    session = velaria.Session()
    write(tmp_path / "a.ndjson", '{"a": 1, "b": 2}\n')
    write(tmp_path / "b.ndjson", '{"a": 1.5, "c": "x"}\n')
    with pytest.raises(velaria.Error) as refused:
        session.read(tmp_path)
    assert refused.value.code == "VEL-5006"
    frame = session.read(tmp_path, union_by_name=True)
    assert frame.columns == ["a", "b", "c"]
    assert frame.fetchall() == [(1.0, 2, None), (1.5, None, "x")]


def test_read_json_takes_columns(tmp_path):
    session = velaria.Session()
    path = write(tmp_path / "a.json", '{"a": 1, "n": {"b": [1, 2]}}\n{"a": 2}\n')
    assert session.read_json(path).fetchall() == [(1, {"b": [1, 2]}), (2, None)]
    assert session.read_json(path, columns=["a", "z"]).fetchall() == [(1, None), (2, None)]
    typed = session.read_json(path, columns={"a": "DOUBLE"}, format="json_lines")
    assert typed.fetchall() == [(1.0,), (2.0,)]


def test_read_line_file_splits_and_matches(tmp_path):
    session = velaria.Session()
    path = write(tmp_path / "a.log", "1|x|007\n\n2|y\n")
    frame = session.read_line_file(path, [("id", 0), ("code", 2)], split_delimiter="|")
    assert frame.fetchall() == [(1, "007"), (2, None)]
    frame = session.read_line_file(path, [("line", 0), ("word", 2)], "regex", regex_pattern=r"(\d)\|(\w)")
    assert frame.fetchall() == [("1|x", "x"), ("2|y", "y")]
    with pytest.raises(velaria.Error, match="did you mean|unknown option"):
        session.read_line_file(path, [("a", 0)], skip_emty=True)


def test_options_that_do_not_exist_are_refused(tmp_path):
    session = velaria.Session()
    path = write(tmp_path / "a.csv", "a\n1\n")
    with pytest.raises(velaria.Error) as unknown:
        session.read_csv(path, delimitor=";")
    assert (unknown.value.code, unknown.value.hint) == ("VEL-7001", "did you mean delimiter?")
    with pytest.raises(TypeError):
        session.read_csv(path, types={1, 2})


def test_a_session_can_do_without_files(tmp_path):
    path = write(tmp_path / "a.csv", "a\n1\n")
    session = velaria.Session(allow_local_files=False)
    for use in [
        lambda: session.read(path),
        lambda: session.read_csv(path),
        lambda: session.sql(f"SELECT * FROM '{path}'"),
        lambda: session.sql("SELECT * FROM '-'"),
        lambda: session.sql(f"COPY (SELECT 1 AS a) TO '{tmp_path / 'b.csv'}'"),
    ]:
        with pytest.raises(PermissionError) as denied:
            use()
        assert denied.value.code == "VEL-6004"
        assert denied.value.hint == "local files are switched off in this session"


def test_a_table_over_files_sees_what_is_there_now(tmp_path):
    session = velaria.Session()
    write(tmp_path / "d" / "a.csv", "a\n1\n")
    session.sql(f"CREATE TABLE t USING csv OPTIONS (path: '{tmp_path / 'd'}')")
    session.sql("CREATE VIEW v AS SELECT SUM(a) AS s FROM t")
    session.sql(f"CREATE VIEW w AS SELECT SUM(a) AS s FROM '{tmp_path / 'd'}'")
    query = "SELECT SUM(a) AS s FROM t"
    assert session.sql(query).fetchall() == [(1,)]
    write(tmp_path / "d" / "b.csv", "a\n20\n")
    assert session.sql(query).fetchall() == [(21,)]
    assert session.sql("SELECT s FROM v").fetchall() == [(21,)]
    assert session.sql("SELECT s FROM w").fetchall() == [(21,)]
    write(tmp_path / "d" / "a.csv", "a\n1\n300\n")
    assert session.sql(query).fetchall() == [(321,)]
    assert session.sql(f"SELECT SUM(a) AS s FROM '{tmp_path / 'd'}'").fetchall() == [(321,)]


def test_standard_input_is_read_once():
    program = (
        "import velaria\n"
        "session = velaria.Session()\n"
        "frame = session.read('-')\n"
        "print(frame.fetchall(), frame.count())\n"
        "try:\n"
        "    session.read('-')\n"
        "except velaria.Error as error:\n"
        "    print(error.code, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=b"a,b\n1,x\n", capture_output=True, check=False)
    assert done.stderr == b""
    first, second = done.stdout.decode().splitlines()
    assert first == "[(1, 'x')] 1"
    assert second.startswith("VEL-6003 name it once")


QUERY = """
    SELECT * FROM (VALUES
        (1, 1.5, 'a,"b"', DATE '2024-02-29', TRUE),
        (2, -0.25, ' line\nend ', NULL, FALSE),
        (NULL, NULL, NULL, DATE '1999-12-31', NULL),
        (4, 1e300, '=1+1', DATE '2024-01-01', TRUE)
    ) AS t (i, f, s, d, b)
"""


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow", "ndjson", "json"])
def test_what_is_written_is_read_back(tmp_path, kind):
    session = velaria.Session()
    frame = session.sql(QUERY)
    path = tmp_path / f"out.{kind}"
    assert getattr(frame, f"write_{kind}")(path) == 4
    read = session.read(path).fetchall()
    expected = frame.fetchall()
    if kind in ("ndjson", "json"):
        expected = [tuple(str(v) if isinstance(v, datetime.date) else v for v in row) for row in expected]
    assert read == expected
    with pytest.raises(velaria.Error) as exists:
        getattr(frame, f"write_{kind}")(path)
    assert exists.value.code == "VEL-6003"
    assert getattr(frame, f"write_{kind}")(path, overwrite=True) == 4


def test_csv_is_quoted_and_formulas_are_made_harmless(tmp_path):
    session = velaria.Session()
    frame = session.sql("SELECT '=1' AS a, '' AS b, CAST(NULL AS STRING) AS c, [1.0, 2.5] AS d")
    path = tmp_path / "a.csv"
    frame.write_csv(path, delimiter=";", escape_formulas=True)
    assert path.read_text() == "a;b;c;d\n'=1;\"\";;[1.0,2.5]\n"
    frame.write_csv(path, header=False, overwrite=True)
    assert path.read_text() == '=1,"",,"[1.0,2.5]"\n'


def test_json_has_no_numbers_that_json_does_not_have(tmp_path):
    session = velaria.Session()
    path = tmp_path / "a.json"
    session.sql("SELECT CAST('NaN' AS DOUBLE) AS a, 1 AS b").write_json(path)
    assert json.loads(path.read_text()) == [{"a": None, "b": 1}]


def test_arrow_files_of_others_are_read(tmp_path):
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    table = pa.table({"a": list(range(1000)), "t": [str(i) for i in range(1000)]})
    session = velaria.Session()
    for compression in ["lz4", "zstd", "uncompressed"]:
        feather.write_feather(table, str(tmp_path / "a.feather"), compression=compression)
        assert session.read(tmp_path / "a.feather").to_arrow() == table
    with pa.OSFile(str(tmp_path / "b.arrows"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    assert session.read(tmp_path / "b.arrows").count() == 1000
    content = (tmp_path / "a.feather").read_bytes()
    for end in range(0, len(content), 997):
        (tmp_path / "cut.arrow").write_bytes(b"ARROW1" + content[6:end])
        with pytest.raises(velaria.Error):
            session.read_arrow(tmp_path / "cut.arrow").fetchall()


def test_paths_are_path_objects_too():
    session = velaria.Session()
    root = Path(__file__).resolve().parents[2]
    assert session.read(root / "sqllogic/data/airlines.csv").count() == 16


def test_lines_that_a_pattern_leaves_out_are_counted_in_a_warning(session, tmp_path):
    path = tmp_path / "app.log"
    path.write_text("a 1\nstack trace\nb 2\n")
    with pytest.warns(velaria.errors.Warning, match=r"app\.log: 1 of 3 lines do not match the pattern"):
        frame = session.read_line_file(path, mode="regex", regex_pattern=r"^(\w) (\d)$")
    assert frame.fetchall() == [("a", 1), ("b", 2)]


def test_json_in_another_encoding_is_read_and_a_guess_is_said(session, tmp_path):
    path = tmp_path / "names.ndjson"
    path.write_bytes('{"name": "张三丰"}\n{"name": "李四光"}\n'.encode("gb18030"))
    assert session.read_json(path, encoding="gb18030").fetchall() == [("张三丰",), ("李四光",)]
    with pytest.raises(velaria.Error) as caught:
        session.read_json(path, encoding="utf-8").fetchall()
    assert caught.value.code == "VEL-5002"
