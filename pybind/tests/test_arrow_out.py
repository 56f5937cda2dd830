"""What goes out: the Arrow PyCapsule interface, lazily, with the requested types, and without copies."""

import datetime as dt
from typing import Any, Callable, Dict, List

import pytest

import velaria
from support import need, run_code
from velaria import errors

# Far more rows than anybody waits for, of which the first batch is there at once.
ENDLESS = "SELECT a.v + b.w AS n FROM generate_series(1, 100000) AS a(v), generate_series(1, 1000000000) AS b(w)"


def columns(frame: velaria.DataFrame) -> Dict[str, Any]:
    pa = need("pyarrow")
    result: Dict[str, Any] = pa.table(frame).to_pydict()
    return result


def test_stream_is_pulled_batch_by_batch() -> None:
    need("pyarrow")
    code = """
import sys
import pyarrow as pa
import velaria
session = velaria.Session()
reader = pa.RecordBatchReader.from_stream(session.sql(sys.argv[1]))
print([reader.read_next_batch().num_rows > 0 for _ in range(3)])
reader.close()
del reader
print(session.sql("SELECT 1 AS a").fetchall())
"""
    assert run_code(code, ENDLESS).splitlines() == ["[True, True, True]", "[(1,)]"]


def test_streams_of_one_frame_are_independent(people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    first, second = (pa.RecordBatchReader.from_stream(people) for _ in range(2))
    assert first.read_all() == second.read_all()


def test_stream_that_is_never_read_is_released(session: velaria.Session) -> None:
    for _ in range(20):
        assert "arrow_array_stream" in repr(session.sql(ENDLESS).__arrow_c_stream__())


def test_stream_outlives_frame_and_session() -> None:
    pa = need("pyarrow")
    session = velaria.Session()
    session.create_temp_view("t", session.create_dataframe_from_arrow({"a": [1, 2]}))
    reader = pa.RecordBatchReader.from_stream(session.sql("SELECT a FROM t"))
    session.close()
    del session
    assert reader.read_all().to_pydict() == {"a": [1, 2]}


def test_stream_without_rows_has_its_schema(session: velaria.Session, people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    empty = pa.table(session.sql("SELECT * FROM people WHERE id > 9"))
    assert empty.num_rows == 0
    assert [str(field.type) for field in empty.schema] == ["int64", "string", "double"]


def test_every_consumer_reads_the_same_rows(session: velaria.Session, people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    expected = {"id": [1, 2, 3], "name": ["ada", None, "bo"], "score": [9.5, 7.0, None]}
    assert people.to_arrow().to_pydict() == expected
    assert pa.table(people).to_pydict() == expected
    assert pa.RecordBatchReader.from_stream(people).read_all().to_pydict() == expected


def test_polars_reads_a_frame(people: velaria.DataFrame) -> None:
    polars = need("polars")
    assert polars.DataFrame(people).rows() == people.fetchall()
    assert people.to_polars().rows() == people.fetchall()


def test_pandas_reads_a_frame(people: velaria.DataFrame) -> None:
    need("pandas")
    need("pyarrow")
    frame = people.to_pandas()
    assert list(frame.columns) == ["id", "name", "score"]
    assert frame["id"].tolist() == [1, 2, 3]
    assert frame["name"].isna().tolist() == [False, True, False]


def test_duckdb_reads_a_frame(people: velaria.DataFrame) -> None:
    duckdb = need("duckdb")
    connection = duckdb.connect()
    connection.register("frame", people.to_arrow())
    assert connection.sql("SELECT SUM(id), COUNT(name) FROM frame").fetchall() == [(6, 2)]
    # The object itself, found by its Python name.
    assert connection.sql("SELECT SUM(score) FROM people").fetchall() == [(16.5,)]


def test_error_while_a_stream_is_read_reaches_the_consumer_whole(session: velaria.Session) -> None:
    pa = need("pyarrow")
    session.create_temp_view("t", session.create_dataframe_from_arrow({"a": ["1", "x"]}))
    frame = session.sql("SELECT CAST(a AS INT) AS n FROM t")
    with pytest.raises(Exception) as expected:
        frame.fetchall()
    reads: List[Callable[[], Any]] = [lambda: pa.table(frame), frame.to_arrow]
    for read in reads:
        with pytest.raises(pa.ArrowInvalid) as raised:
            read()
        assert "[VEL-5003]" in str(raised.value)
        assert str(expected.value) in str(raised.value)


def test_types_go_out_as_they_came_in(session: velaria.Session) -> None:
    pa = need("pyarrow")
    table = pa.table(
        {
            "bool": pa.array([True, None]),
            "int8": pa.array([1, None], pa.int8()),
            "float32": pa.array([0.5, None], pa.float32()),
            "decimal": pa.array([None, None], pa.decimal128(10, 2)),
            "large": pa.array(["a", None], pa.large_string()),
            "zoned": pa.array([dt.datetime(2026, 1, 2), None], pa.timestamp("ms", "Asia/Shanghai")),
            "vector": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
            "struct": pa.array([{"a": 1}, None]),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
            "duration": pa.array([1, None], pa.duration("ns")),
        }
    )
    session.create_temp_view("t", session.create_dataframe_from_arrow(table))
    for frame in (session.sql("SELECT * FROM t"), session.sql("SELECT * FROM t WHERE bool OR bool IS NULL")):
        out = frame.to_arrow()
        assert out.schema == table.schema
        assert out.to_pydict() == table.to_pydict()


def requested(frame: velaria.DataFrame, schema: Any) -> Any:
    """The rows of a frame with the types that a consumer asks for."""
    pa = need("pyarrow")
    return pa.RecordBatchReader._import_from_c_capsule(frame.__arrow_c_stream__(schema.__arrow_c_schema__())).read_all()


def test_requested_types_are_cast_to(people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    wanted = pa.schema([("id", pa.int8()), ("name", pa.large_string()), ("score", pa.float32())])
    table = requested(people, wanted)
    assert table.schema == wanted
    assert table.to_pydict() == people.to_arrow().to_pydict()
    assert pa.RecordBatchReader.from_stream(people, schema=wanted).read_all() == table
    assert requested(people, people.to_arrow().schema) == people.to_arrow()


def test_value_that_does_not_fit_the_requested_type_is_an_error_and_not_null(session: velaria.Session) -> None:
    pa = need("pyarrow")
    frame = session.create_dataframe_from_arrow({"a": [1, 300]})
    with pytest.raises(pa.ArrowInvalid, match="300"):
        requested(frame, pa.schema([("a", pa.int8())]))
    with pytest.raises(errors.DataError, match="300") as raised:
        frame.__arrow_c_array__(pa.schema([("a", pa.int8())]).__arrow_c_schema__())
    assert raised.value.code == "VEL-5003"


def test_requested_columns_must_be_those_of_the_frame(people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    for wanted in (pa.schema([("id", pa.int64())]), pa.schema([("x", pa.int64()), ("name", pa.string()), ("score", pa.float64())])):
        with pytest.raises(errors.DataError, match="requested schema has columns") as raised:
            requested(people, wanted)
        assert raised.value.code == "VEL-5006"


def test_requested_schema_must_be_a_schema_capsule(people: velaria.DataFrame) -> None:
    with pytest.raises(TypeError):
        people.__arrow_c_stream__(3)  # type: ignore[arg-type]
    with pytest.raises(errors.DataError) as raised:
        people.__arrow_c_stream__(people.__arrow_c_stream__())
    assert raised.value.code == "VEL-5009"


def test_array_holds_all_rows(session: velaria.Session) -> None:
    pa = need("pyarrow")
    frame = session.sql("SELECT value AS a FROM generate_series(1, 20000) ORDER BY value")
    batch = pa.RecordBatch._import_from_c_capsule(*frame.__arrow_c_array__())
    assert batch.num_rows == 20000
    assert batch.column(0).to_pylist() == list(range(1, 20001))


def test_array_of_no_rows_has_its_schema(session: velaria.Session, people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    batch = pa.RecordBatch._import_from_c_capsule(*people.limit(0).__arrow_c_array__())
    assert (batch.num_rows, batch.schema.names) == (0, ["id", "name", "score"])


def test_schema_export_executes_nothing(session: velaria.Session, tmp_path: Any) -> None:
    pa = need("pyarrow")
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n")
    session.create_temp_view("t", session.read_csv(path))
    path.unlink()
    frame = session.sql("SELECT b, SUM(a) AS total FROM t GROUP BY b")
    for source in (frame, frame.schema):
        assert pa.schema(source) == pa.schema([("b", pa.string()), ("total", pa.int64())])
    endless = session.sql("SELECT COUNT(*) AS n FROM ({}) AS e".format(ENDLESS))
    assert pa.schema(endless).names == ["n"]


def test_schema_of_stream_and_of_frame_are_the_same(session: velaria.Session, people: velaria.DataFrame) -> None:
    pa = need("pyarrow")
    for sql in ("SELECT * FROM people", "SELECT COUNT(*) AS n, MAX(name) AS m FROM people", "SELECT 1 AS a, NULL AS b", "SELECT name, COUNT(*) FROM people GROUP BY name"):
        frame = session.sql(sql)
        assert pa.schema(frame) == pa.RecordBatchReader.from_stream(frame).schema == frame.to_arrow().schema


def address(column: Any) -> int:
    """Where the values of the first chunk begin."""
    found: int = column.chunk(0).buffers()[1].address
    return found


def test_numbers_go_through_without_a_copy(session: velaria.Session) -> None:
    pa = need("pyarrow")
    table = pa.table({"i": list(range(100)), "f": [0.5] * 100})
    out = session.create_dataframe_from_arrow(table).to_arrow()
    assert [address(out[name]) for name in ("i", "f")] == [address(table[name]) for name in ("i", "f")]
    session.create_temp_view("t", session.create_dataframe_from_arrow(table))
    assert address(session.sql("SELECT f FROM t").to_arrow()["f"]) == address(table["f"])


def test_numpy_numbers_go_through_without_a_copy(session: velaria.Session) -> None:
    need("pyarrow")
    numpy = need("numpy")
    values = numpy.arange(100)
    assert address(session.create_dataframe_from_arrow({"a": values}).to_arrow()["a"]) == values.ctypes.data


def test_result_outlives_everything_that_made_it(session: velaria.Session) -> None:
    need("pyarrow")
    numpy = need("numpy")
    out = velaria.Session().create_dataframe_from_arrow({"a": numpy.arange(1_000_000)}).to_arrow()
    numpy.full(1_000_000, 7)
    assert out["a"].to_numpy().sum() == 499_999_500_000


def test_frame_goes_round_through_another_session(people: velaria.DataFrame) -> None:
    other = velaria.Session()
    other.create_temp_view("people", other.create_dataframe_from_arrow(people))
    assert other.sql("SELECT * FROM people").fetchall() == people.fetchall()
