"""What comes in: everything that speaks Arrow, sequences of it, dicts of columns, numpy; and what is refused."""

import datetime as dt
import json
import signal
from typing import Any, Callable, Dict, List

import pytest

import hostile
import velaria
from support import need, run
from velaria import errors

COLUMNS: Dict[str, List[Any]] = {"a": [1, 2, 3], "b": ["x", None, "z"]}
ROWS = [(1, "x"), (2, None), (3, "z")]


class OnlyStream:
    """An object with the method and nothing else; it takes no arguments, as those of old consumers did not."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self) -> Any:
        return self.table.__arrow_c_stream__()


class OnlyArray:
    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        assert requested_schema is None
        return self.batch.__arrow_c_array__()


def table() -> Any:
    return need("pyarrow").table(COLUMNS)


def chunked_table() -> Any:
    pa = need("pyarrow")
    return pa.concat_tables([table().slice(0, 1), table().slice(1, 2)])


def duckdb_relation() -> Any:
    duckdb = need("duckdb")
    need("pyarrow")
    return duckdb.sql("SELECT * FROM (VALUES (1, 'x'), (2, NULL), (3, 'z')) AS t(a, b)")


INPUTS: Dict[str, Callable[[], Any]] = {
    "pyarrow table": table,
    "pyarrow table of chunks": chunked_table,
    "pyarrow record batch": lambda: table().to_batches()[0],
    "pyarrow record batch reader": lambda: chunked_table().to_reader(),
    "pyarrow struct array": lambda: table().to_struct_array().combine_chunks(),
    "pandas": lambda: (need("pyarrow"), need("pandas"))[1].DataFrame(COLUMNS),
    "polars": lambda: need("polars").DataFrame(COLUMNS),
    "duckdb relation": duckdb_relation,
    "velaria frame": lambda: velaria.Session().create_dataframe_from_arrow(COLUMNS),
    "object with a stream": lambda: OnlyStream(table()),
    "object with an array": lambda: OnlyArray(table().to_batches()[0]),
    "list of batches": lambda: chunked_table().to_batches(),
    "tuple of tables": lambda: (table().slice(0, 2), table().slice(2)),
    "list of several kinds": lambda: [table().slice(0, 1), OnlyStream(table().slice(1, 1)), {"a": [3], "b": ["z"]}],
    "nested lists": lambda: [[table().slice(0, 1)], [[], [table().slice(1, 1), (table().slice(2),)]][1:]],
    "sliced": lambda: need("pyarrow").concat_tables([table()] * 20).slice(30, 3),
    "dict of lists": lambda: COLUMNS,
    "dict of tuples": lambda: {name: tuple(values) for name, values in COLUMNS.items()},
    "dict of pyarrow arrays": lambda: {name: need("pyarrow").array(values) for name, values in COLUMNS.items()},
    "dict of pyarrow chunked arrays": lambda: {name: chunked_table().column(name) for name in COLUMNS},
    "dict of polars series": lambda: {name: need("polars").Series(values) for name, values in COLUMNS.items()},
    "dict of numpy arrays": lambda: {name: need("numpy").array(values) for name, values in COLUMNS.items()},
    "dict of several kinds": lambda: {"a": need("numpy").arange(1, 4), "b": need("pyarrow").array(COLUMNS["b"])},
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS.keys())
def test_input_is_accepted(session: velaria.Session, make: Callable[[], Any]) -> None:
    frame = session.create_dataframe_from_arrow(make())
    assert frame.columns == ["a", "b"]
    assert frame.fetchall() == ROWS
    assert frame.fetchall() == ROWS, "the input was taken in whole: a frame over it can be read again"
    session.create_temp_view("t", frame)
    assert session.sql("SELECT SUM(a) AS total, COUNT(b) AS texts FROM t").fetchall() == [(6, 2)]


def test_pandas_series_become_columns(session: velaria.Session) -> None:
    pandas = need("pandas")
    series = pandas.Series([1, 2])
    if not hasattr(series, "__arrow_c_stream__"):
        pytest.skip("this pandas has no Arrow export of series")
    assert session.create_dataframe_from_arrow({"a": series}).fetchall() == [(1,), (2,)]


def test_python_values_become_typed_columns(session: velaria.Session) -> None:
    moment = dt.datetime(2026, 3, 29, 10, 0, 0, 1)
    zoned = moment.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))
    columns = {
        "bool": [True, None],
        "int": [-(2**63), 2**63 - 1],
        "float": [0.5, None],
        "mixed": [1, 0.5],
        "str": ["größe", None],
        "bytes": [b"\0", None],
        "date": [dt.date(1, 1, 1), None],
        "datetime": [moment, None],
        "zoned": [zoned, None],
        "list": [[1, None], None],
        "vector": [[0.5, 1], (2.0,)],
        "lists": [[["a"], []], []],
        "none": [None, None],
    }
    frame = session.create_dataframe_from_arrow(columns)
    assert dict(zip(frame.schema.names, frame.schema.types)) == {
        "bool": "Boolean",
        "int": "Int64",
        "float": "Float64",
        "mixed": "Float64",
        "str": "Utf8",
        "bytes": "Binary",
        "date": "Date32",
        "datetime": "Timestamp(µs)",
        "zoned": 'Timestamp(µs, "UTC")',
        "list": "List(Int64)",
        "vector": "List(Float64)",
        "lists": "List(List(Utf8))",
        "none": "Null",
    }
    columns["mixed"] = [1.0, 0.5]
    columns["vector"] = [[0.5, 1.0], [2.0]]
    assert frame.fetchall() == list(zip(*columns.values()))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, "x"]}, "column a mixes int and str values"),
        ({"a": [True, 1]}, "column a mixes bool and int values"),
        ({"a": [dt.date(2026, 1, 1), dt.datetime(2026, 1, 1)]}, "column a mixes date and datetime values"),
        ({"a": [[1], ["x"]]}, "column a mixes int and str values"),
        ({"a": [object()]}, "column a holds a value of type object"),
        ({"a": [{"b": 1}]}, "column a holds a value of type dict"),
        ({"a": "text"}, "column a is str: pass a list"),
        ({"a": 1}, "column a is int: pass a list"),
        ({"a": None}, "column a is NoneType: pass a list"),
        ({1: [1]}, "column names must be text"),
    ],
)
def test_columns_that_have_no_type_are_refused(session: velaria.Session, columns: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as raised:
        session.create_dataframe_from_arrow(columns)
    assert isinstance(raised.value, errors.ArgumentTypeError)


def test_columns_of_different_lengths_are_refused(session: velaria.Session) -> None:
    with pytest.raises(errors.DataError, match="column b has 1 values, the columns before it have 2") as raised:
        session.create_dataframe_from_arrow({"a": [1, 2], "b": [1]})
    assert raised.value.code == "VEL-5006"


def test_integer_beyond_64_bits_is_refused(session: velaria.Session) -> None:
    with pytest.raises(errors.DataError, match="column a holds an integer beyond 64 bits") as raised:
        session.create_dataframe_from_arrow({"a": [2**63]})
    assert raised.value.code == "VEL-5004"
    assert isinstance(raised.value.__cause__, OverflowError)


def test_nothing_at_all_is_a_frame_without_columns(session: velaria.Session) -> None:
    nothings: List[Any] = [{}, [], ()]
    for nothing in nothings:
        assert session.create_dataframe_from_arrow(nothing).to_rows() == {"schema": [], "rows": []}


def test_table_without_rows_keeps_its_schema(session: velaria.Session) -> None:
    pa = need("pyarrow")
    empty = pa.table({"a": pa.array([], pa.int32()), "b": pa.array([], pa.list_(pa.string()))})
    assert empty.to_reader().read_all().num_rows == 0
    for source in (empty, empty.to_reader(), empty.slice(0, 0), OnlyStream(empty), [empty, empty]):
        frame = session.create_dataframe_from_arrow(source)
        assert frame.schema.names == ["a", "b"]
        assert frame.schema.types == ["Int32", "List(Utf8)"]
        session.create_temp_view("t", frame)
        assert session.sql("SELECT a FROM t WHERE b IS NULL").fetchall() == []
        assert session.sql("SELECT COUNT(*) AS n FROM t").fetchall() == [(0,)]


def test_batches_without_rows_are_skipped(session: velaria.Session) -> None:
    assert session.create_dataframe_from_arrow([table().slice(0, 0), table(), table().slice(3)]).fetchall() == ROWS


def test_dictionaries_come_as_their_values(session: velaria.Session) -> None:
    pa = need("pyarrow")
    texts = pa.array(["x", "y", None, "x"]).dictionary_encode()
    frame = session.create_dataframe_from_arrow(pa.table({"d": texts}))
    assert frame.schema.types == ["Utf8"]
    assert frame.fetchall() == [("x",), ("y",), (None,), ("x",)]
    session.create_temp_view("t", frame)
    assert session.sql("SELECT d, COUNT(*) FROM t GROUP BY d ORDER BY d NULLS LAST").fetchall() == [("x", 2), ("y", 1), (None, 1)]


def test_dictionaries_that_differ_from_batch_to_batch(session: velaria.Session) -> None:
    pa = need("pyarrow")
    batches = [pa.record_batch({"d": pa.array(texts).dictionary_encode()}) for texts in (["x", "y"], ["z"], ["y"])]
    assert session.create_dataframe_from_arrow(batches).fetchall() == [("x",), ("y",), ("z",), ("y",)]


def test_pandas_categories_come_as_their_values(session: velaria.Session) -> None:
    pandas = need("pandas")
    need("pyarrow")
    frame = pandas.DataFrame({"c": pandas.Categorical(["lo", "hi", None], categories=["lo", "hi"])})
    assert session.create_dataframe_from_arrow(frame).fetchall() == [("lo",), ("hi",), (None,)]


def test_pandas_missing_values_are_null(session: velaria.Session) -> None:
    pandas = need("pandas")
    need("pyarrow")
    frame = pandas.DataFrame({"t": pandas.to_datetime(["2026-01-02", None]), "i": pandas.array([1, None], dtype="Int64")})
    assert session.create_dataframe_from_arrow(frame).fetchall() == [(dt.datetime(2026, 1, 2), 1), (None, None)]


def test_row_that_is_null_as_a_whole_is_refused(session: velaria.Session) -> None:
    pa = need("pyarrow")
    rows = pa.StructArray.from_arrays([pa.array([1, 2])], ["a"], mask=pa.array([False, True]))
    with pytest.raises(errors.DataError, match="a whole row is NULL") as raised:
        session.create_dataframe_from_arrow(rows)
    assert raised.value.code == "VEL-5009"


def test_array_that_is_not_a_table_is_refused(session: velaria.Session) -> None:
    pa = need("pyarrow")
    for column in (pa.array([1]), pa.chunked_array([[1]])):
        with pytest.raises(errors.DataError, match="expected a table, found a column of Int64") as raised:
            session.create_dataframe_from_arrow(column)
        assert raised.value.hint == "pass a dict to give the column a name"


def test_stream_can_be_taken_once(session: velaria.Session) -> None:
    stream = hostile.Returns(table().__arrow_c_stream__())
    assert session.create_dataframe_from_arrow(stream).fetchall() == ROWS
    with pytest.raises(errors.DataError, match="the Arrow stream was consumed already") as raised:
        session.create_dataframe_from_arrow(stream)
    assert raised.value.code == "VEL-5009"
    assert raised.value.hint == "a reader can be read once; make a new one"


def test_reader_that_was_read_or_closed_has_no_rows_to_give(session: velaria.Session) -> None:
    reader = table().to_reader()
    assert session.create_dataframe_from_arrow(reader).fetchall() == ROWS
    # pyarrow exports the reader again, at its end.
    again = session.create_dataframe_from_arrow(reader)
    assert (again.columns, again.fetchall()) == (["a", "b"], [])


def test_batches_with_other_columns_are_refused(session: velaria.Session) -> None:
    pa = need("pyarrow")
    first = pa.table({"a": [1]})
    for other in (pa.table({"b": [1]}), pa.table({"a": ["x"]}), pa.table({"a": [1], "b": [1]}), pa.table({})):
        with pytest.raises(errors.DataError, match="Arrow stream batches must share the same schema") as raised:
            session.create_dataframe_from_arrow([first, other])
        assert raised.value.code == "VEL-5006"


def test_null_is_allowed_where_one_of_the_batches_allows_it(session: velaria.Session) -> None:
    pa = need("pyarrow")
    strict = pa.table([pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)]))
    loose = pa.table({"a": pa.array([None], pa.int64())})
    for order in ([strict, loose], [loose, strict]):
        session.create_temp_view("t", session.create_dataframe_from_arrow(order))
        assert session.sql("SELECT COUNT(*) FROM t WHERE a IS NULL").fetchall() == [(1,)]


def test_name_that_stands_twice_is_refused(session: velaria.Session) -> None:
    pa = need("pyarrow")
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(errors.PlanError, match="duplicate column: a") as raised:
        session.create_temp_view("t", session.create_dataframe_from_arrow(twice))
    assert raised.value.code == "VEL-2006"


@pytest.mark.parametrize("wrong", ["text", 3, 2.5, b"bytes", None, object(), {1, 2}, ["text"], [[3]], iter([])], ids=repr)
def test_other_objects_are_refused_with_what_is_accepted(session: velaria.Session, wrong: Any) -> None:
    with pytest.raises(TypeError, match="cannot make a table of .*: pass an object with __arrow_c_stream__") as raised:
        session.create_dataframe_from_arrow(wrong)
    assert isinstance(raised.value, RuntimeError)
    assert isinstance(raised.value, errors.InterfaceError)
    assert raised.value.code == "VEL-7001"
    for accepted in ("__arrow_c_array__", "pyarrow", "list", "dict of columns", "numpy"):
        assert accepted in str(raised.value)


def test_exception_of_a_producer_is_passed_on(session: velaria.Session) -> None:
    with pytest.raises(ZeroDivisionError, match="mine"):
        session.create_dataframe_from_arrow(hostile.Raises())


def test_failure_of_a_producer_in_python_is_told(session: velaria.Session) -> None:
    pa = need("pyarrow")

    def batches() -> Any:
        yield table().to_batches()[0]
        raise ValueError("out of paper")

    reader = pa.RecordBatchReader.from_batches(table().schema, batches())
    with pytest.raises(errors.DataError, match="out of paper") as raised:
        session.create_dataframe_from_arrow(reader)
    assert raised.value.code == "VEL-5009"


def test_producer_may_use_the_session_that_reads_it(session: velaria.Session) -> None:
    pa = need("pyarrow")

    def batches() -> Any:
        for number in range(3):
            yield pa.record_batch({"a": [session.sql("SELECT {} AS a".format(number)).fetchall()[0][0]]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    assert session.create_dataframe_from_arrow(reader).fetchall() == [(0,), (1,), (2,)]


NUMPY_TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", NUMPY_TYPES)
def test_numpy_numbers_keep_their_values(session: velaria.Session, kind: str, order: str) -> None:
    numpy = need("numpy")
    values = numpy.array([0, 1, 100], dtype=order + kind)
    frame = session.create_dataframe_from_arrow({"a": values})
    assert frame.fetchall() == [(0,), (1,), (100,)]


def test_numpy_types_become_arrow_types(session: velaria.Session) -> None:
    numpy = need("numpy")
    names = {"i": "Int", "u": "UInt", "f": "Float"}
    for kind in NUMPY_TYPES:
        frame = session.create_dataframe_from_arrow({"a": numpy.zeros(2, kind)})
        assert frame.schema.types == [names[kind[0]] + str(8 * int(kind[1]))]


@pytest.mark.parametrize(
    "cut",
    [
        lambda a: a[::2],
        lambda a: a[::-1],
        lambda a: a.reshape(3, 4).T[1],
        lambda a: a[5:7],
        lambda a: a[:0],
    ],
    ids=["every second", "backwards", "a column", "a slice", "nothing"],
)
def test_numpy_arrays_need_not_be_contiguous(session: velaria.Session, cut: Callable[[Any], Any]) -> None:
    numpy = need("numpy")
    values = cut(numpy.arange(12, dtype="f8"))
    assert session.create_dataframe_from_arrow({"a": values}).fetchall() == [(value,) for value in values.tolist()]


def test_numpy_arrays_of_other_kinds(session: velaria.Session) -> None:
    numpy = need("numpy")
    frame = session.create_dataframe_from_arrow(
        {
            "bool": numpy.array([True, False]),
            "text": numpy.array(["a", "größe"]),
            "object": numpy.array(["a", None], dtype=object),
            "day": numpy.array(["2026-01-02", "NaT"], dtype="M8[D]"),
            "second": numpy.array(["2026-01-02T03:04:05", "NaT"], dtype="M8[s]"),
            "nano": numpy.array(["2026-01-02T03:04:05.000001", "NaT"], dtype="M8[ns]"),
            "span": numpy.array([90, "NaT"], dtype="m8[s]"),
        }
    )
    assert frame.schema.types == ["Boolean", "Utf8", "Utf8", "Date32", "Timestamp(s)", "Timestamp(ns)", "Duration(s)"]
    assert frame.fetchall() == [
        (True, "a", "a", dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4, 5), dt.datetime(2026, 1, 2, 3, 4, 5, 1), dt.timedelta(seconds=90)),
        (False, "größe", None, None, None, None, None),
    ]


def test_hidden_values_of_masked_arrays_stay_hidden(session: velaria.Session) -> None:
    numpy = need("numpy")
    masked = numpy.ma.array([1, 2, 3], mask=[False, True, False])
    assert session.create_dataframe_from_arrow({"a": masked}).fetchall() == [(1,), (None,), (3,)]


def test_numpy_matrix_alone_is_a_column_of_vectors(session: velaria.Session) -> None:
    numpy = need("numpy")
    matrix = numpy.arange(6, dtype="f4").reshape(3, 2)
    expected = [([0.0, 1.0],), ([2.0, 3.0],), ([4.0, 5.0],)]
    frame = session.create_dataframe_from_arrow(matrix)
    assert (frame.schema.names, frame.schema.types) == (["vector"], ["FixedSizeList(2 x Float32)"])
    assert frame.fetchall() == expected
    assert session.create_dataframe_from_arrow({"v": matrix, "id": [1, 2, 3]}).count() == 3
    for view in (numpy.asfortranarray(matrix), numpy.repeat(matrix, 2, axis=0)[::2], numpy.hstack([matrix, matrix])[:, 2:]):
        assert session.create_dataframe_from_arrow(view).fetchall() == expected


def test_numpy_matrix_without_rows_keeps_its_width(session: velaria.Session) -> None:
    numpy = need("numpy")
    frame = session.create_dataframe_from_arrow(numpy.zeros((0, 4), "f4"))
    assert frame.schema.types == ["FixedSizeList(4 x Float32)"]
    assert frame.fetchall() == []


def test_numpy_arrays_of_other_shapes_are_refused(session: velaria.Session) -> None:
    numpy = need("numpy")
    with pytest.raises(TypeError, match="two-dimensional numpy array"):
        session.create_dataframe_from_arrow(numpy.arange(3))
    for shape in ((), (2, 2, 2)):
        with pytest.raises(errors.UsageError, match="one or two dimensions"):
            session.create_dataframe_from_arrow(numpy.zeros(shape))
    with pytest.raises(errors.UsageError, match="its rows are empty"):
        session.create_dataframe_from_arrow(numpy.zeros((3, 0), "f4"))


def test_memory_of_a_numpy_array_lives_as_long_as_the_frame(session: velaria.Session) -> None:
    numpy = need("numpy")
    frame = session.create_dataframe_from_arrow({"a": numpy.arange(1_000_000)})
    numpy.zeros(1_000_000)
    session.create_temp_view("t", frame)
    assert session.sql("SELECT SUM(a) AS total FROM t").fetchall() == [(499_999_500_000,)]


WELL_FORMED = {
    "well_formed": "[[1], [2], [3]]",
    "no_batches": "[]",
    "sliced": "[[2], [3]]",
    "well_formed_text": "[['x'], ['yz']]",
    "well_formed_dictionary": "[['x'], ['y'], ['x']]",
    "well_formed_vectors": "[[[0.0, 1.0]], [[2.0, 3.0]]]",
    "well_formed_views": "[['yyyyyyyyyyyyyyyyyyyy']]",
    "well_formed_short_view": "[['xy']]",
    "well_formed_list_views": "[[[2, 3]], [[1]]]",
    "well_formed_runs": "[[0], [0], [1]]",
    "well_formed_union": "[[1], [2], [3]]",
    "well_formed_dense_union": "[[1], [1], [2]]",
    "well_formed_map": "[[[(1, 1), (2, 2), (3, 3)]]]",
    "type_nested_30_deep": "[]",
    "misaligned": "[[1], [1]]",
    "misaligned_text": "[['x'], ['yz']]",
    "misaligned_wide_numbers": "[[Decimal('7')]]",
    "calls_back_into_velaria": "[[1], [2], [3]]",
    "asked_for_its_schema_once": "[[1], [2], [3]]",
    "ten_thousand_empty_batches": "[]",
    "released_by_another_thread": "[[1], [2], [3]]",
    "closes_the_session_meanwhile": "[[1], [2], [3]]",
    "pair": "[[1], [2], [3]]",
    "name_missing": "[[1], [2], [3]]",
    "empty_text_without_buffers": "[]",
    "null_count_unknown": "[[1], [None], [3]]",
    # Nothing reads metadata.
    "metadata_entries_negative": "[[1], [2], [3]]",
    "metadata_entries_2_31": "[[1], [2], [3]]",
    "metadata_length_2_31": "[[1], [2], [3]]",
    "metadata_not_utf8": "[[1], [2], [3]]",
}

# What the message must say beyond the code.
TOLD = {
    "error_with_text": "the Arrow stream failed: out of paper",
    "error_text_not_utf8": "the Arrow stream failed: caf\ufffd",
    "get_schema_missing": "no get_schema callback",
    "get_next_missing": "no get_next callback",
    "consumed_twice": "consumed already",
    "capsule_name": "__arrow_c_stream__ did not return what the Arrow PyCapsule interface asks for",
    "returns_none": "__arrow_c_stream__ did not return what the Arrow PyCapsule interface asks for",
    "struct_with_nulls": "a whole row is NULL",
    "not_a_struct": "expected a table",
    "null_count_without_bitmap": "says that it has 2 NULLs, and has 0",
    "null_count_zero_with_nulls": "says that it has 0 NULLs, and has 1",
    "length_2_62": "an array of Struct",
    "buffers_too_few": "an array of Int64 has 1 buffers instead of 2",
    "child_missing": "has 0 children instead of 1",
    "type_contains_itself": "nested more than 64 deep",
    "type_nested_1000_deep": "nested more than 64 deep",
    "decimal_of_200_digits": "there is no type Decimal128(200, 5)",
}

# Those that are refused because of what they are in Python.
NOT_TABLES = {"list_of_itself", "column_of_itself", "list_nested_100000_deep", "column_nested_100000_deep"}
WITHOUT_STREAM = NOT_TABLES | {name for name in hostile.CASES if name.startswith("pair")}


def outcomes(way: str) -> Dict[str, str]:
    """What becomes of each case. A process that ends without an error of Python ends with the case that it is at."""
    cases = list(hostile.CASES)
    found: Dict[str, str] = {}
    while len(found) < len(cases):
        left = [case for case in cases if case not in found]
        done = run([hostile.__file__, way, *left])
        found.update(json.loads(line) for line in done.stdout.splitlines())
        if done.returncode != 0 or done.stderr:
            name = signal.Signals(-done.returncode).name if done.returncode < 0 else str(done.returncode)
            case = next((case for case in cases if case not in found), cases[-1])
            found[case] = "the process ended with {}: {}".format(name, done.stderr)
    return found


@pytest.fixture(scope="module")
def taken_at_once() -> Dict[str, str]:
    return outcomes("table")


@pytest.fixture(scope="module")
def pulled() -> Dict[str, str]:
    return outcomes("stream")


def check_outcome(case: str, outcome: str) -> None:
    if case == "raises":
        assert outcome == "ZeroDivisionError None | mine"
    elif case == "interrupt_in_the_error_text":
        assert outcome.startswith("KeyboardInterrupt None | ")
    elif case in NOT_TABLES:
        assert outcome.startswith("ArgumentTypeError VEL-7001 | ")
    elif case in WELL_FORMED:
        assert outcome == "rows {}".format(WELL_FORMED[case])
    else:
        assert outcome.startswith("DataError VEL-5009 | ")
        assert TOLD.get(case, "") in outcome


@pytest.mark.parametrize("case", hostile.CASES)
def test_hostile_data_ends_with_an_error_and_never_with_a_crash(case: str, taken_at_once: Dict[str, str]) -> None:
    check_outcome(case, taken_at_once[case])


@pytest.mark.parametrize("case", hostile.CASES)
def test_hostile_stream_that_is_pulled_ends_its_query_with_an_error(case: str, pulled: Dict[str, str]) -> None:
    if case in WITHOUT_STREAM:
        assert pulled[case].startswith("ArgumentTypeError VEL-7001 | cannot read")
    elif case == "interrupt_in_the_error_text":
        # Nobody presses Ctrl-C on the thread that pulls.
        assert pulled[case].startswith("DataError VEL-5009 | the Arrow stream failed: KeyboardInterrupt")
    else:
        check_outcome(case, pulled[case])
