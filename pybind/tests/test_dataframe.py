"""``velaria.DataFrame``: rows as Python values, counting, limiting, printing."""

import contextlib
import datetime as dt
import decimal
import html
import io
import math
import re
import zoneinfo
from typing import Any, Callable, List, Tuple

import pytest

import velaria
from support import DATA, need
from velaria import errors

Rows = Callable[[str], List[Tuple[Any, ...]]]
D = decimal.Decimal
UTC = dt.timezone.utc


def arrow_types() -> List[Any]:
    """A type, its value in Arrow, and the Python value that comes back; built without pyarrow at import."""

    def case(name: str, make: Callable[[Any], Any], value: Any, expected: Any) -> Any:
        return pytest.param(make, value, expected, id=name)

    east = dt.timezone(dt.timedelta(hours=5, minutes=30))
    west = dt.timezone(-dt.timedelta(hours=8))
    moment = dt.datetime(2026, 3, 29, 10, 0, 0, 123456)
    return [
        case("bool", lambda pa: pa.bool_(), True, True),
        case("int8", lambda pa: pa.int8(), -128, -128),
        case("int16", lambda pa: pa.int16(), -32768, -32768),
        case("int32", lambda pa: pa.int32(), -(2**31), -(2**31)),
        case("int64", lambda pa: pa.int64(), -(2**63), -(2**63)),
        case("uint8", lambda pa: pa.uint8(), 255, 255),
        case("uint16", lambda pa: pa.uint16(), 65535, 65535),
        case("uint32", lambda pa: pa.uint32(), 2**32 - 1, 2**32 - 1),
        case("uint64", lambda pa: pa.uint64(), 2**64 - 1, 2**64 - 1),
        case("float16", lambda pa: pa.float16(), 1.5, 1.5),
        case("float32", lambda pa: pa.float32(), 0.25, 0.25),
        case("float64", lambda pa: pa.float64(), 0.1, 0.1),
        case("float64 infinity", lambda pa: pa.float64(), math.inf, math.inf),
        case("string", lambda pa: pa.string(), "größe \0 \U0001f600", "größe \0 \U0001f600"),
        case("large_string", lambda pa: pa.large_string(), "a", "a"),
        case("string_view", lambda pa: pa.string_view(), "longer than twelve bytes", "longer than twelve bytes"),
        case("binary", lambda pa: pa.binary(), b"\x00\xff", b"\x00\xff"),
        case("large_binary", lambda pa: pa.large_binary(), b"", b""),
        case("binary_view", lambda pa: pa.binary_view(), b"longer than twelve", b"longer than twelve"),
        case("fixed_size_binary", lambda pa: pa.binary(2), b"ab", b"ab"),
        case("date32", lambda pa: pa.date32(), dt.date(1, 1, 1), dt.date(1, 1, 1)),
        case("date64", lambda pa: pa.date64(), dt.date(9999, 12, 31), dt.date(9999, 12, 31)),
        case("timestamp s", lambda pa: pa.timestamp("s"), dt.datetime(1969, 12, 31, 23, 59, 59), dt.datetime(1969, 12, 31, 23, 59, 59)),
        case("timestamp ms", lambda pa: pa.timestamp("ms"), dt.datetime(2026, 1, 2, 3, 4, 5, 6000), dt.datetime(2026, 1, 2, 3, 4, 5, 6000)),
        case("timestamp us", lambda pa: pa.timestamp("us"), moment, moment),
        case("timestamp ns", lambda pa: pa.timestamp("ns"), 1_000, dt.datetime(1970, 1, 1, 0, 0, 0, 1)),
        case("timestamp first", lambda pa: pa.timestamp("us"), dt.datetime(1, 1, 1), dt.datetime(1, 1, 1)),
        case("timestamp last", lambda pa: pa.timestamp("us"), dt.datetime.max, dt.datetime.max),
        case("timestamp UTC", lambda pa: pa.timestamp("us", "UTC"), moment.replace(tzinfo=UTC), moment.replace(tzinfo=UTC)),
        case("timestamp east", lambda pa: pa.timestamp("us", "+05:30"), moment.replace(tzinfo=east), moment.replace(tzinfo=east)),
        case("timestamp west", lambda pa: pa.timestamp("s", "-08:00"), 0, dt.datetime(1969, 12, 31, 16, tzinfo=west)),
        case("time32 s", lambda pa: pa.time32("s"), dt.time(23, 59, 59), dt.time(23, 59, 59)),
        case("time32 ms", lambda pa: pa.time32("ms"), dt.time(0, 0, 0, 1000), dt.time(0, 0, 0, 1000)),
        case("time64 us", lambda pa: pa.time64("us"), dt.time(1, 2, 3, 4), dt.time(1, 2, 3, 4)),
        case("time64 ns", lambda pa: pa.time64("ns"), 1_000, dt.time(0, 0, 0, 1)),
        case("duration s", lambda pa: pa.duration("s"), dt.timedelta(days=3), dt.timedelta(days=3)),
        case("duration us", lambda pa: pa.duration("us"), dt.timedelta(microseconds=-1), dt.timedelta(microseconds=-1)),
        case("duration ns", lambda pa: pa.duration("ns"), 1_000, dt.timedelta(microseconds=1)),
        case("interval", lambda pa: pa.month_day_nano_interval(), (1, 2, 3), (1, 2, 3)),
        case("decimal32", lambda pa: pa.decimal32(5, 2), D("-123.45"), D("-123.45")),
        case("decimal64", lambda pa: pa.decimal64(18, 0), D(10**17), D(10**17)),
        case("decimal128", lambda pa: pa.decimal128(38, 3), D("1.500"), D("1.500")),
        case("decimal128 negative scale", lambda pa: pa.decimal128(5, -2), D("12300"), D("12300")),
        case("decimal256", lambda pa: pa.decimal256(76, 10), D(10) ** 60, D(10) ** 60),
        case("list", lambda pa: pa.list_(pa.int64()), [1, None, 3], [1, None, 3]),
        case("large_list", lambda pa: pa.large_list(pa.string()), ["a"], ["a"]),
        case("list_view", lambda pa: pa.list_view(pa.int64()), [1, 2], [1, 2]),
        case("list of lists", lambda pa: pa.list_(pa.list_(pa.date32())), [[dt.date(2026, 1, 2)], []], [[dt.date(2026, 1, 2)], []]),
        case("vector", lambda pa: pa.list_(pa.float32(), 3), [1.0, 2.0, 0.5], [1.0, 2.0, 0.5]),
        case(
            "struct",
            lambda pa: pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
            {"a": 1, "b": ["x", None]},
            {"a": 1, "b": ["x", None]},
        ),
        case("map", lambda pa: pa.map_(pa.string(), pa.int64()), [("k", 1), ("l", None)], [("k", 1), ("l", None)]),
        case("dictionary", lambda pa: pa.dictionary(pa.int8(), pa.string()), "x", "x"),
        case("list of dictionary", lambda pa: pa.list_(pa.dictionary(pa.int8(), pa.string())), ["x", "y", "x"], ["x", "y", "x"]),
    ]


@pytest.mark.parametrize(("make", "value", "expected"), arrow_types())
def test_value_keeps_its_type(session: velaria.Session, make: Callable[[Any], Any], value: Any, expected: Any) -> None:
    pa = need("pyarrow")
    table = pa.table({"c": pa.array([None, value, value], make(pa))})
    frame = session.create_dataframe_from_arrow(table)
    session.create_temp_view("t", frame)
    for read in (frame, session.sql("SELECT c FROM t"), session.sql("SELECT c FROM t WHERE c IS NOT NULL OR TRUE")):
        first, second, third = read.fetchall()
        assert first == (None,)
        assert second == third == (expected,)
        assert type(second[0]) is type(expected)
        assert read.to_rows() == {"schema": ["c"], "rows": [[None], [expected], [expected]]}


def test_named_zone_is_kept(session: velaria.Session) -> None:
    pa = need("pyarrow")
    zone = zoneinfo.ZoneInfo("Asia/Shanghai")
    moment = dt.datetime(2026, 3, 29, 18, tzinfo=zone)
    frame = session.create_dataframe_from_arrow(pa.table({"c": pa.array([moment], pa.timestamp("us", "Asia/Shanghai"))}))
    ((value,),) = frame.fetchall()
    assert value == moment
    assert value.tzinfo == zone
    assert value.isoformat() == "2026-03-29T18:00:00+08:00"


def test_nulls_of_the_null_type(session: velaria.Session, rows: Rows) -> None:
    assert rows("SELECT NULL AS a") == [(None,)]
    assert session.create_dataframe_from_arrow({"a": [None, None]}).fetchall() == [(None,), (None,)]


def test_run_ends_are_decoded(session: velaria.Session) -> None:
    pa = need("pyarrow")
    column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, None]))
    assert session.create_dataframe_from_arrow({"c": column}).fetchall() == [(7,), (7,), (None,)]


def test_union_is_the_value_that_it_holds(session: velaria.Session) -> None:
    pa = need("pyarrow")
    column = pa.UnionArray.from_sparse(pa.array([0, 1, 1], pa.int8()), [pa.array([1, 2, 3]), pa.array(["a", "b", None])])
    assert session.create_dataframe_from_arrow({"c": column}).fetchall() == [(1,), ("b",), (None,)]


def test_dictionary_of_a_query_is_decoded(rows: Rows) -> None:
    found = rows("SELECT arrow_cast(CAST(value % 3 AS STRING), 'Dictionary(Int32, Utf8)') AS c FROM generate_series(0, 9999) ORDER BY value")
    assert found == [(str(value % 3),) for value in range(10_000)]


@pytest.mark.parametrize(
    ("unit", "raw"), [("ns", 1), ("ns", -1), ("s", 2**60), ("ms", 2**62), ("us", -(2**62))], ids=lambda value: str(value)
)
def test_timestamp_that_python_cannot_hold_is_an_error_and_not_another_one(session: velaria.Session, unit: str, raw: int) -> None:
    pa = need("pyarrow")
    frame = session.create_dataframe_from_arrow(pa.table({"c": pa.array([raw], pa.timestamp(unit))}))
    for read in (frame.fetchall, frame.to_rows):
        with pytest.raises(errors.DataError, match="does not fit Python's datetime") as raised:
            read()
        assert raised.value.code == "VEL-5010"
        assert raised.value.hint
    assert frame.to_arrow().column(0).cast(pa.int64()).to_pylist() == [raw]


def test_other_values_that_python_cannot_hold(session: velaria.Session) -> None:
    pa = need("pyarrow")
    for kind, raw, word in [
        (pa.date32(), 2**30, "date"),
        (pa.time64("ns"), 1, "time"),
        (pa.duration("ns"), 1, "timedelta"),
        (pa.duration("s"), 2**60, "timedelta"),
    ]:
        frame = session.create_dataframe_from_arrow(pa.table({"c": pa.array([raw], kind)}))
        with pytest.raises(errors.DataError, match="does not fit Python's {} ".format(word)) as raised:
            frame.fetchall()
        assert raised.value.code == "VEL-5010"


def test_zone_that_python_does_not_know(session: velaria.Session) -> None:
    pa = need("pyarrow")
    frame = session.create_dataframe_from_arrow(pa.table({"c": pa.array([0], pa.timestamp("s", "Nowhere/Town"))}))
    with pytest.raises(errors.DataError, match="Nowhere/Town"):
        frame.fetchall()


def test_rows_of_sql_literals(rows: Rows) -> None:
    assert rows("SELECT 1, 1.5, 'x', TRUE, NULL, DATE '2026-01-02', TIMESTAMP '2026-01-02 03:04:05.5', CAST(1.5 AS DECIMAL(10, 2))") == [
        (1, 1.5, "x", True, None, dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5, 500000), D("1.50"))
    ]


def test_to_rows_and_fetchall_hold_the_same_values(people: velaria.DataFrame) -> None:
    assert people.to_rows() == {"schema": ["id", "name", "score"], "rows": [[1, "ada", 9.5], [2, None, 7.0], [3, "bo", None]]}
    assert people.fetchall() == [(1, "ada", 9.5), (2, None, 7.0), (3, "bo", None)]


def test_frame_without_rows_keeps_its_columns(session: velaria.Session, people: velaria.DataFrame) -> None:
    empty = session.sql("SELECT * FROM people WHERE id > 9")
    assert (empty.to_rows()["schema"], empty.to_rows()["rows"]) == (["id", "name", "score"], [])
    assert empty.fetchall() == []
    assert empty.count() == 0
    assert empty.columns == ["id", "name", "score"]


def test_frame_runs_again_each_time_it_is_read(session: velaria.Session) -> None:
    session.sql("CREATE TABLE t (id INT)")
    frame = session.sql("SELECT COUNT(*) AS n FROM t")
    assert frame.fetchall() == frame.fetchall() == [(0,)]
    assert frame.to_rows() == frame.to_rows()
    assert frame.count() == frame.count() == 1


def test_count_is_that_of_the_rows(people: velaria.DataFrame, session: velaria.Session) -> None:
    assert people.count() == 3
    assert session.sql("SELECT * FROM people WHERE id > 1").count() == 2
    assert session.sql("SELECT 1").count() == 1


def test_limit_is_at_most(people: velaria.DataFrame) -> None:
    assert people.limit(0).fetchall() == []
    assert people.limit(2).fetchall() == people.fetchall()[:2]
    assert people.limit(99).count() == 3
    assert people.limit(2).limit(5).count() == 2
    assert people.count() == 3, "the frame itself is not changed"


@pytest.mark.parametrize("wrong", [-1, -(2**70), 2**70])
def test_number_of_rows_is_checked(people: velaria.DataFrame, wrong: int) -> None:
    for call in (people.limit, people.show):
        with pytest.raises(errors.UsageError, match="a number of rows cannot be {}".format(wrong)) as raised:
            call(wrong)
        assert raised.value.code == "VEL-7001"


@pytest.mark.parametrize("wrong", [1.5, "1", None])
def test_number_of_rows_is_an_integer(people: velaria.DataFrame, wrong: Any) -> None:
    with pytest.raises(TypeError):
        people.limit(wrong)


def test_schema_says_names_and_types(people: velaria.DataFrame) -> None:
    schema = people.schema
    assert schema.names == people.columns == ["id", "name", "score"]
    assert schema.types == ["Int64", "Utf8", "Float64"]
    assert len(schema) == 3
    assert list(schema) == [("id", "Int64"), ("name", "Utf8"), ("score", "Float64")]  # type: ignore[call-overload]
    assert schema[-1] == ("score", "Float64")
    for index in (3, -4, 2**62, -(2**62)):
        with pytest.raises(IndexError):
            schema[index]
    assert schema == people.schema
    assert schema != people.limit(0).to_rows()
    assert repr(schema) == "Schema(id: Int64, name: Utf8, score: Float64)"


def test_repr_names_the_columns_and_runs_nothing(session: velaria.Session, people: velaria.DataFrame) -> None:
    assert repr(people) == "<velaria.DataFrame [id: Int64, name: Utf8, score: Float64]>"
    assert "n: Int64" in repr(session.sql("SELECT COUNT(*) AS n FROM generate_series(1, 1000000) AS a(v), generate_series(1, 1000000) AS b(w)"))


def shown(frame: velaria.DataFrame, *arguments: int) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        frame.show(*arguments)
    return out.getvalue()


def test_show_prints_to_the_stdout_of_python(people: velaria.DataFrame) -> None:
    assert shown(people) == (
        "┌────┬──────┬───────┐\n"
        "│ id ┆ name ┆ score │\n"
        "╞════╪══════╪═══════╡\n"
        "│  1 ┆ ada  ┆   9.5 │\n"
        "│  2 ┆ NULL ┆   7.0 │\n"
        "│  3 ┆ bo   ┆  NULL │\n"
        "└────┴──────┴───────┘\n"
        "3 rows\n"
    )


def test_show_prints_through_capsys(people: velaria.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    people.show()
    captured = capsys.readouterr()
    assert "ada" in captured.out
    assert captured.err == ""


def test_show_prints_at_most_max_rows(session: velaria.Session, people: velaria.DataFrame) -> None:
    assert "ada" in shown(people, 1)
    assert "bo" not in shown(people, 1)
    assert shown(people.limit(1)) == shown(people, 1)
    many = session.sql("SELECT value AS number FROM generate_series(1000, 1099)")
    assert len(re.findall(r"1\d\d\d", shown(many))) == 20
    assert len(re.findall(r"1\d\d\d", shown(many, 50))) == 50


def test_explain_has_three_sections_and_runs_nothing(session: velaria.Session) -> None:
    text = session.sql("SELECT COUNT(*) FROM generate_series(1, 1000000) AS a(v), generate_series(1, 1000000) AS b(w)").explain()
    assert re.findall(r"^(logical|physical|strategy)$", text, re.MULTILINE) == ["logical", "physical", "strategy"]
    assert text.startswith("logical\n")
    assert "selected_mode=single-process" in text


def test_html_escapes_hostile_values_and_names(session: velaria.Session) -> None:
    hostile = "<script>alert('x')</script>&\""
    text = session.create_dataframe_from_arrow({hostile: [hostile], "l": [[hostile]]})._repr_html_()
    assert "<script" not in text
    assert html.unescape(text).count(hostile) == 3
    assert re.sub(r"</?(table( class=\"velaria\")?|thead|tbody|tr|th|td|small|br)>", "", text).count("<") == 0


def test_html_says_how_many_rows_it_shows(session: velaria.Session) -> None:
    def footer(rows: int) -> str:
        text = session.sql("SELECT value FROM generate_series(1, {})".format(rows))._repr_html_()
        assert text.count("<td>") == min(rows, 20)
        return text.rsplit("<small>", 1)[1].replace("</small>", "")

    assert [footer(rows) for rows in (0, 1, 2, 20, 21, 100_000)] == ["0 rows", "1 row", "2 rows", "20 rows", "first 20 rows", "first 20 rows"]


def test_html_shows_null_and_cuts_long_values(session: velaria.Session) -> None:
    text = session.create_dataframe_from_arrow({"a": [None, "é" * 1000]})._repr_html_()
    assert "<td>NULL</td>" in text
    assert "<td>" + "é" * 200 + "…</td>" in text


def test_to_pandas_and_to_polars_hold_the_rows(people: velaria.DataFrame) -> None:
    need("pyarrow")
    pandas = need("pandas")
    assert people.to_pandas()["id"].tolist() == [1, 2, 3]
    assert isinstance(people.to_pandas(), pandas.DataFrame)
    polars = need("polars")
    assert people.to_polars().rows() == people.fetchall()
    assert isinstance(people.to_polars(), polars.DataFrame)


def test_real_flights_come_back_as_they_are_in_the_file(session: velaria.Session) -> None:
    import csv

    with (DATA / "flights_jan.csv").open(newline="") as source:
        lines = list(csv.DictReader(source))
    frame = session.read_csv(DATA / "flights_jan.csv")
    assert frame.columns == list(lines[0])
    index = frame.columns.index("distance")
    assert [row[index] for row in frame.fetchall()] == [int(line["distance"]) for line in lines]
