"""``Session.vector_search`` and its relatives: what goes in, what comes out, and what is refused."""

import array
import math
import random
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

import velaria
from support import need, run_code
from velaria import errors

# The vectors of the contract: the demo, and the figures that it promises for them.
DEMO: List[List[float]] = [[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0]]
MIXED: List[Optional[List[float]]] = [[1, 0, 0], [0, 0, 0], [0, 1, 0], [2, 0, 0], [-1, 0, 0], None]
X = [1.0, 0.0, 0.0]


def fixed(vectors: Sequence[Optional[Sequence[float]]], dimension: int = 3, item: str = "float32") -> Any:
    """A column of vectors of pyarrow."""
    pa = need("pyarrow")
    return pa.array(vectors, pa.list_(getattr(pa, item)(), dimension))


@pytest.fixture
def demo(session: velaria.Session) -> velaria.Session:
    pa = need("pyarrow")
    table = pa.table({"id": [10, 11, 12], "name": ["x", "nearly x", "y"], "embedding": fixed(DEMO)})
    session.create_temp_view("vectors", session.create_dataframe_from_arrow(table))
    return session


def hits(frame: velaria.DataFrame) -> List[Tuple[Any, ...]]:
    return frame.fetchall()


# What comes out.


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        ("cosine", [[0, 0.0], [1, 0.006116265828075562], [2, 1.0]]),
        ("cosin", [[0, 0.0], [1, 0.006116265828075562], [2, 1.0]]),
        ("dot", [[0, 1.0], [1, 0.8999999761581421], [2, 0.0]]),
        ("l2", [[0, 0.0], [1, 0.141421374149721], [2, 1.4142135623730951]]),
    ],
)
def test_scores_are_those_of_the_contract(demo: velaria.Session, metric: str, rows: List[List[float]]) -> None:
    found = demo.vector_search("vectors", "embedding", X, metric=metric).to_rows()
    assert found["schema"] == ["row_id", "score"]
    assert [row[0] for row in found["rows"]] == [row[0] for row in rows]
    assert [row[1] for row in found["rows"]] == pytest.approx([row[1] for row in rows], rel=1e-14, abs=1e-15)


def test_types_of_a_result_are_known(demo: velaria.Session) -> None:
    found = demo.vector_search("vectors", "embedding", X, 2)
    assert (found.columns, found.schema.types) == (["row_id", "score"], ["Int64", "Float64"])
    assert found.count() == 2
    assert need("pyarrow").table(found).schema.names == ["row_id", "score"]


def test_null_vectors_keep_their_row_ids_and_ties_go_by_row_id(session: velaria.Session) -> None:
    frame = session.create_dataframe_from_arrow({"v": fixed([None, *MIXED])})
    session.create_temp_view("t", frame)
    assert hits(session.vector_search("t", "v", X)) == [(1, 0.0), (4, 0.0), (2, 1.0), (3, 1.0), (5, 2.0)]
    assert hits(session.vector_search("t", "v", X, metric="dot")) == [(4, 2.0), (1, 1.0), (2, 0.0), (3, 0.0), (5, -1.0)]
    assert [row for row, _ in hits(session.vector_search("t", "v", X, metric="l2"))] == [1, 2, 4, 3, 5]


def test_rows_that_are_not_finite_come_last(session: velaria.Session) -> None:
    vectors = [[math.nan, 0, 0], [0, 1, 0], [math.inf, 0, 0], [1, 0, 0]]
    session.create_temp_view("t", session.create_dataframe_from_arrow({"v": fixed(vectors)}))
    for metric in ("cosine", "dot", "l2"):
        found = hits(session.vector_search("t", "v", X, metric=metric))
        assert [row for row, _ in found] == [3, 1, 0, 2]
        assert [math.isnan(score) for _, score in found] == [False, False, True, True]


def test_top_k_beyond_the_rows_finds_all(demo: velaria.Session) -> None:
    for top_k in (3, 4, 10**12, 2**64 - 1, 2**64, 2**200):
        assert len(hits(demo.vector_search("vectors", "embedding", X, top_k))) == 3


def test_a_table_without_rows_has_no_hits(session: velaria.Session) -> None:
    session.create_temp_view("t", session.create_dataframe_from_arrow({"v": fixed([])}))
    assert session.vector_search("t", "v", X).to_rows() == {"schema": ["row_id", "score"], "rows": []}
    explained = session.explain_vector_search("t", "v", X)
    assert "candidate_rows=0\n" in explained


def test_a_result_is_a_frame_like_others(demo: velaria.Session) -> None:
    demo.create_temp_view("hits", demo.vector_search("vectors", "embedding", X, 2))
    assert demo.sql("SELECT max(row_id) FROM hits").fetchall() == [(1,)]


def test_payload_columns_follow_in_the_order_asked_for(demo: velaria.Session) -> None:
    found = demo.vector_search("vectors", "embedding", X, 2, columns=["name", "id"])
    assert found.columns == ["row_id", "score", "name", "id"]
    assert [row[2:] for row in hits(found)] == [("x", 10), ("nearly x", 11)]
    assert demo.vector_search("vectors", "embedding", X, 1, columns=("embedding",)).fetchall()[0][2] == X


def test_a_filter_comes_before_top_k_and_keeps_row_ids(demo: velaria.Session) -> None:
    found = demo.vector_search("vectors", "embedding", X, 1, filter="id > 10")
    assert [row for row, _ in hits(found)] == [1]
    assert hits(demo.vector_search("vectors", "embedding", X, filter="name = 'nobody'")) == []
    explained = demo.explain_vector_search("vectors", "embedding", X, filter="id > 10")
    assert "filter_pushdown=true\n" in explained


# Many queries.


def test_many_queries_are_answered_one_after_the_other(demo: velaria.Session) -> None:
    queries = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]
    found = demo.vector_search("vectors", "embedding", queries, 2)
    assert (found.columns, found.schema.types) == (["query_id", "row_id", "score"], ["Int64", "Int64", "Float64"])
    expected = [
        (number, *hit)
        for number, query in enumerate(queries)
        for hit in hits(demo.vector_search("vectors", "embedding", query, 2))
    ]
    assert hits(found) == expected
    with_names = demo.vector_search("vectors", "embedding", queries, 2, columns=["name"])
    assert with_names.columns == ["query_id", "row_id", "score", "name"]


def test_many_may_be_one(demo: velaria.Session) -> None:
    np = need("numpy")
    for query in ([X], (X,), np.array([X]), [np.array(X)], fixed([X])):
        found = demo.vector_search("vectors", "embedding", query, 1)
        assert found.to_rows() == {"schema": ["query_id", "row_id", "score"], "rows": [[0, 0, 0.0]]}


# What goes in as a query.


class Unusual(Sequence[float]):
    """A sequence that is neither a list nor an array."""

    def __init__(self, values: List[float]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]


ONE = [3, 1, 2]


def spellings() -> Dict[str, Any]:
    return {
        "list": ONE,
        "tuple": tuple(ONE),
        "floats": [3.0, 1.0, 2.0],
        "range": range(3, 0, -1),
        "array": array.array("d", ONE),
        "memoryview": memoryview(array.array("f", ONE)),
        "sequence": Unusual([3.0, 1.0, 2.0]),
        "bools": [True, False, True],
    }


@pytest.mark.parametrize("kind", spellings())
def test_sequences_of_numbers_are_vectors(demo: velaria.Session, kind: str) -> None:
    query = spellings()[kind]
    expected = hits(demo.vector_search("vectors", "embedding", [float(value) for value in query]))
    assert hits(demo.vector_search("vectors", "embedding", query)) == expected


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "bool", "object"]
)
def test_numpy_arrays_of_every_number_are_vectors(demo: velaria.Session, dtype: str) -> None:
    np = need("numpy")
    values = [1, 0, 1] if dtype == "bool" else ONE
    expected = hits(demo.vector_search("vectors", "embedding", [float(value) for value in values]))
    query = np.array(values, dtype=dtype)
    assert hits(demo.vector_search("vectors", "embedding", query)) == expected
    both = np.array([values, [1, 1, 0]], dtype=dtype)
    found = hits(demo.vector_search("vectors", "embedding", both))
    assert [hit[1:] for hit in found if hit[0] == 0] == expected


def test_numpy_arrays_of_every_layout_are_vectors(demo: velaria.Session) -> None:
    np = need("numpy")
    expected = hits(demo.vector_search("vectors", "embedding", ONE))
    wide = np.zeros((2, 6))
    wide[0, ::2] = ONE
    fortran = np.asfortranarray([ONE, X])
    read_only = np.array(ONE, dtype="f4")
    read_only.flags.writeable = False
    backwards = np.array(ONE[::-1])[::-1]
    for query in (wide[0, ::2], read_only, backwards, list(np.array(ONE, dtype="f4")), [np.int8(3), 1, np.float16(2)]):
        assert hits(demo.vector_search("vectors", "embedding", query)) == expected
    assert [hit[1:] for hit in hits(demo.vector_search("vectors", "embedding", fortran)) if hit[0] == 0] == expected


def test_arrow_arrays_are_vectors(demo: velaria.Session) -> None:
    pa = need("pyarrow")
    expected = hits(demo.vector_search("vectors", "embedding", ONE))
    for kind in (pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.uint64()):
        assert hits(demo.vector_search("vectors", "embedding", pa.array(ONE, kind))) == expected
    assert hits(demo.vector_search("vectors", "embedding", pa.chunked_array([[3, 1], [2]]))) == expected
    assert hits(demo.vector_search("vectors", "embedding", pa.array([9, 3, 1, 2, 9]).slice(1, 3))) == expected
    lists = [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 3), pa.list_(pa.int16(), 3)]
    for kind in lists:
        both = pa.array([X, ONE, [7, 7, 7]], kind).slice(1, 1)
        assert hits(demo.vector_search("vectors", "embedding", both)) == [(0, *hit) for hit in expected]


def test_polars_and_pandas_series_are_vectors(demo: velaria.Session) -> None:
    pl, pd = need("polars"), need("pandas")
    expected = hits(demo.vector_search("vectors", "embedding", ONE))
    assert hits(demo.vector_search("vectors", "embedding", pl.Series(ONE))) == expected
    assert hits(demo.vector_search("vectors", "embedding", pl.Series(ONE, dtype=pl.Float32))) == expected
    both = pl.Series([ONE, X], dtype=pl.Array(pl.Float32, 3))
    assert [hit[1:] for hit in hits(demo.vector_search("vectors", "embedding", both)) if hit[0] == 0] == expected
    assert hits(demo.vector_search("vectors", "embedding", pd.Series(ONE))) == expected


NOT_NUMBERS = "query_vector must contain only numbers"
NOT_A_SEQUENCE = "query_vector must be a sequence of floats"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("1,0,0", NOT_NUMBERS),
        (b"100", NOT_NUMBERS),
        (bytearray(b"100"), NOT_NUMBERS),
        (["1", "0", "0"], NOT_NUMBERS),
        ([1.0, None, 0.0], NOT_NUMBERS),
        ([1.0, "0", 0.0], NOT_NUMBERS),
        ([1.0, [0.0], 0.0], NOT_NUMBERS),
        ([[1.0, 0.0, "0"]], NOT_NUMBERS),
        ([[[1.0, 0.0, 0.0]]], NOT_NUMBERS),
        ([X, 1.0], NOT_A_SEQUENCE),
        ([1j, 0, 0], NOT_NUMBERS),
        (3, NOT_A_SEQUENCE),
        (None, NOT_A_SEQUENCE),
        (object(), NOT_A_SEQUENCE),
        ({1.0, 2.0}, NOT_A_SEQUENCE),
        ({0: 1.0, 1: 0.0, 2: 0.0}, NOT_A_SEQUENCE),
        (iter(X), NOT_A_SEQUENCE),
    ],
)
def test_what_is_no_vector_is_a_type_error(demo: velaria.Session, query: Any, message: str) -> None:
    for call in (demo.vector_search, demo.explain_vector_search, demo.hybrid_search):
        with pytest.raises(errors.ArgumentTypeError) as raised:
            call("vectors", "embedding", query)
        assert raised.value.message == message
        assert isinstance(raised.value, RuntimeError) and isinstance(raised.value, TypeError)


def test_arrays_that_are_no_vectors_are_refused(demo: velaria.Session) -> None:
    np, pa = need("numpy"), need("pyarrow")
    bad = [
        np.array(["1", "0", "0"]),
        np.zeros((2, 2, 3)),
        np.array(1.0),
        np.array([1j, 0, 0]),
        np.array(["2024-01-01"] * 3, dtype="M8[s]"),
        np.ma.masked_array([1.0, 0.0, 0.0], mask=[0, 1, 0]),
        pa.array(["1", "0", "0"]),
        pa.array([1.0, None, 0.0]),
        pa.array([X, None]),
        pa.array([[1.0, None, 0.0]]),
        pa.table({"a": [1.0]}),
    ]
    for query in bad:
        with pytest.raises(RuntimeError):
            demo.vector_search("vectors", "embedding", query)


def test_a_list_that_holds_itself_is_refused(demo: velaria.Session) -> None:
    endless: List[Any] = []
    endless.append(endless)
    with pytest.raises(errors.ArgumentTypeError):
        demo.vector_search("vectors", "embedding", endless)


def test_an_item_that_raises_is_heard(demo: velaria.Session) -> None:
    class Bad:
        def __float__(self) -> float:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        demo.vector_search("vectors", "embedding", [1.0, Bad(), 0.0])  # type: ignore[list-item]


@pytest.mark.parametrize("query", [[], (), array.array("d"), [[]], [[], []]])
def test_a_query_without_numbers_is_refused(demo: velaria.Session, query: Any) -> None:
    with pytest.raises(errors.UsageError, match="query vector cannot be empty"):
        demo.vector_search("vectors", "embedding", query)


def test_queries_of_different_lengths_are_refused(demo: velaria.Session) -> None:
    pa = need("pyarrow")
    for query in ([X, [1.0, 0.0]], pa.array([X, [1.0]])):
        with pytest.raises(errors.UsageError, match="query vectors have different lengths: 3 and"):
            demo.vector_search("vectors", "embedding", query)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39, 10**400])
def test_queries_that_are_not_finite_are_refused(demo: velaria.Session, value: float) -> None:
    for query in ([1.0, value, 0.0], [X, [value, 0.0, 0.0]]):
        with pytest.raises(errors.UsageError) as raised:
            demo.vector_search("vectors", "embedding", query)
        assert raised.value.code == "VEL-7001"


# What is refused.


def test_another_dimension_is_a_runtime_error_with_both_numbers(demo: velaria.Session) -> None:
    with pytest.raises(RuntimeError, match="fixed vector length mismatch in vectorQuery") as searched:
        demo.vector_search("vectors", "embedding", [1.0, 0.0])
    assert isinstance(searched.value, velaria.Error)
    assert "2" in searched.value.message and "3" in searched.value.message
    with pytest.raises(RuntimeError, match="query vector dimension mismatch in explainVectorQuery"):
        demo.explain_vector_search("vectors", "embedding", [1.0, 0.0])


@pytest.mark.parametrize("top_k", [0, -1, -(2**70)])
def test_top_k_is_positive(demo: velaria.Session, top_k: int) -> None:
    for call in (demo.vector_search, demo.hybrid_search):
        with pytest.raises(errors.UsageError, match="top_k must be a positive integer"):
            call("vectors", "embedding", X, top_k)


@pytest.mark.parametrize("top_k", [1.5, "3", None, [3]])
def test_top_k_is_an_integer(demo: velaria.Session, top_k: Any) -> None:
    with pytest.raises(TypeError):
        demo.vector_search("vectors", "embedding", X, top_k)


def test_top_k_may_be_an_integer_of_numpy(demo: velaria.Session) -> None:
    assert demo.vector_search("vectors", "embedding", X, need("numpy").int64(2)).count() == 2


def test_words_that_are_not_known_are_refused(demo: velaria.Session) -> None:
    with pytest.raises(errors.UsageError, match="metric must be one of: cosine/cosin, dot, l2"):
        demo.vector_search("vectors", "embedding", X, metric="hamming")
    with pytest.raises(errors.UsageError, match="acceleration"):
        demo.vector_search("vectors", "embedding", X, acceleration="warp")


def test_names_that_are_not_there_are_refused(demo: velaria.Session) -> None:
    for call in (demo.vector_search, demo.explain_vector_search, demo.hybrid_search, demo.explain_hybrid_search):
        with pytest.raises(errors.CatalogError, match="view not found: nope"):
            call("nope", "embedding", X)
        with pytest.raises(RuntimeError, match="column not found: nope"):
            call("vectors", "nope", X)
        with pytest.raises(RuntimeError):
            call("vectors", "name", X)
    with pytest.raises(RuntimeError, match="column not found: nope"):
        demo.vector_search("vectors", "embedding", X, columns=["nope"])
    with pytest.raises(RuntimeError, match="nope"):
        demo.vector_search("vectors", "embedding", X, filter="nope = 1")


def test_filters_that_are_no_conditions_are_refused(demo: velaria.Session) -> None:
    for condition in ("id >", "id", "id > 1; DROP TABLE vectors", "", "SELECT 1", "count(*) > 1"):
        with pytest.raises(velaria.Error):
            demo.vector_search("vectors", "embedding", X, filter=condition).fetchall()
    assert len(hits(demo.vector_search("vectors", "embedding", X))) == 3


@pytest.mark.parametrize(
    "columns", ["name", 3, [3], [None]], ids=["a text", "a number", "a list of numbers", "a list of None"]
)
def test_payload_columns_are_names(demo: velaria.Session, columns: Any) -> None:
    with pytest.raises(errors.ArgumentTypeError, match="columns must"):
        demo.vector_search("vectors", "embedding", X, columns=columns)


def test_a_closed_session_refuses(demo: velaria.Session) -> None:
    demo.close()
    with pytest.raises(errors.UsageError) as raised:
        demo.vector_search("vectors", "embedding", X)
    assert raised.value.code == "VEL-7002"


# Explain.


def test_explanation_has_the_lines_of_the_contract(demo: velaria.Session) -> None:
    for query in (X, [], fixed([X, X])):
        assert demo.explain_vector_search("vectors", "embedding", query, 2, "cosin") == (
            "mode=exact-scan\nmetric=cosine\ndimension=3\ntop_k=2\ncandidate_rows=3\n"
            "acceleration=flat-buffer+heap-topk\nfilter_pushdown=false\n"
        )


# Hybrid search.


def test_hybrid_search_has_the_rows_themselves(demo: velaria.Session) -> None:
    found = demo.hybrid_search("vectors", "embedding", X, 2)
    assert found.columns == ["id", "name", "embedding", "vector_score"]
    assert [(row[0], row[3]) for row in hits(found)] == [(10, 0.0), (11, pytest.approx(0.006116265828075562))]


def test_a_threshold_cuts_after_top_k(demo: velaria.Session) -> None:
    def ids(**arguments: Any) -> List[int]:
        return [row[0] for row in demo.hybrid_search("vectors", "embedding", X, **arguments).fetchall()]

    assert ids(score_threshold=0.5) == [10, 11]
    assert ids(score_threshold=0) == [10]
    assert ids(score_threshold=-1.0) == []
    assert ids(metric="dot", score_threshold=0.9) == [10]
    assert ids(metric="l2", score_threshold=0.2, filter="id <> 10") == [11]
    assert ids(top_k=1, score_threshold=0.5, filter="id <> 10") == [11]
    for threshold in ("0.5", [0.5]):
        with pytest.raises(errors.ArgumentTypeError, match="score_threshold must be numeric"):
            ids(score_threshold=threshold)


def test_hybrid_explanation_has_the_lines_of_the_contract(demo: velaria.Session) -> None:
    lines = demo.explain_hybrid_search("vectors", "embedding", X, 2, score_threshold=0.5, filter="id > 10").splitlines()
    shown = dict(line.split("=", 1) for line in lines)
    assert list(shown)[:10] == [
        "mode",
        "metric",
        "top_k",
        "score_threshold",
        "score_threshold_compare",
        "input_rows",
        "candidate_rows",
        "returned_rows",
        "column_filter_stage",
        "column_filter_execution",
    ]
    assert (shown["mode"], shown["score_threshold_compare"]) == ("exact-scan-hybrid-search", "<=")
    assert (shown["input_rows"], shown["candidate_rows"], shown["returned_rows"]) == ("3", "2", "1")


# Columns of vectors from Python.


def test_vectors_from_every_library_give_the_same_rows(session: velaria.Session) -> None:
    np, pa, pl, pd = need("numpy"), need("pyarrow"), need("polars"), need("pandas")
    random_vectors = np.random.default_rng(5).standard_normal((300, 17)).astype("f4")
    rows = [[float(value) for value in row] for row in random_vectors]
    query = random_vectors[7] + np.float32(0.25)
    wide = np.zeros((300, 34), dtype="f4")
    wide[:, ::2] = random_vectors
    frames = {
        "numpy": random_vectors,
        "numpy column": {"vector": random_vectors},
        "numpy of doubles": random_vectors.astype("f8"),
        "numpy with steps": wide[:, ::2],
        "numpy by columns": np.asfortranarray(random_vectors),
        "fixed": pa.table({"vector": fixed(rows, 17)}),
        "lists": pa.table({"vector": pa.array(rows, pa.list_(pa.float32()))}),
        "large lists": pa.table({"vector": pa.array(rows, pa.large_list(pa.float64()))}),
        "sliced": pa.table({"vector": fixed([rows[9], *rows, rows[9]], 17)}).slice(1, 300),
        "chunks": pa.concat_tables([pa.table({"vector": fixed(part, 17)}) for part in (rows[:1], rows[1:99], rows[99:])]),
        "polars array": pl.DataFrame({"vector": pl.Series(rows, dtype=pl.Array(pl.Float32, 17))}),
        "polars list": pl.DataFrame({"vector": pl.Series(rows, dtype=pl.List(pl.Float32))}),
        "pandas": pd.DataFrame({"vector": rows}),
        "python": {"vector": rows},
    }
    for metric in ("cosine", "dot", "l2"):
        expected = None
        for kind, data in frames.items():
            session.create_temp_view("t", session.create_dataframe_from_arrow(data))
            found = hits(session.vector_search("t", "vector", query, 20, metric))
            expected = expected or found
            assert found == expected, (kind, metric)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4"])
def test_scores_agree_with_numpy(session: velaria.Session, dtype: str) -> None:
    np = need("numpy")
    vectors = (np.random.default_rng(6).standard_normal((500, 33)) * 8).astype(dtype)
    query = (np.random.default_rng(7).standard_normal(33) * 8).astype("f4")
    session.create_temp_view("t", session.create_dataframe_from_arrow(vectors))
    rows, wanted = vectors.astype("f8"), query.astype("f8")
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(wanted)
    scores = {"cosine": 1 - rows @ wanted / norms, "dot": -(rows @ wanted), "l2": np.linalg.norm(rows - wanted, axis=1)}
    for metric, expected in scores.items():
        found = hits(session.vector_search("t", "vector", query, 25, metric))
        order = np.argsort(expected, kind="stable")[:25]
        assert [row for row, _ in found] == order.tolist()
        sign = -1 if metric == "dot" else 1
        assert [sign * score for _, score in found] == pytest.approx(expected[order].tolist(), rel=1e-12, abs=1e-12)


def test_vectors_of_a_csv_file_can_be_searched(session: velaria.Session, tmp_path: Any) -> None:
    path = tmp_path / "vectors.csv"
    path.write_text('id,embedding\n1,[1 0 0]\n2,"[0.9,0.1,0]"\n3,\n4,[0 1 0]\n')
    session.create_temp_view("t", session.read_csv(path))
    found = hits(session.vector_search("t", "embedding", X, 2, columns=["id"]))
    assert [(row, number) for row, _, number in found] == [(0, 1), (1, 2)]
    assert [row for row, *_ in hits(session.vector_search("t", "embedding", X))] == [0, 1, 3]


def test_views_and_tables_of_sql_can_be_searched(demo: velaria.Session) -> None:
    demo.sql("CREATE TABLE kept AS SELECT id, embedding FROM vectors WHERE id <> 10")
    assert [row for row, _ in hits(demo.vector_search("kept", "embedding", X))] == [0, 1]
    demo.create_temp_view("upside", demo.sql("SELECT * FROM vectors ORDER BY id DESC LIMIT 3"))
    assert [row for row, _ in hits(demo.vector_search("upside", "embedding", X))] == [2, 1, 0]


def test_a_replaced_view_is_searched_anew(session: velaria.Session) -> None:
    np = need("numpy")
    for nearest in (0, 1, 2):
        vectors = np.zeros((3, 3), dtype="f4")
        vectors[nearest] = X
        session.create_temp_view("t", session.create_dataframe_from_arrow(vectors))
        for _ in range(3):
            assert session.vector_search("t", "vector", X, 1, "dot").fetchall() == [(nearest, 1.0)]


def test_acceleration_changes_nothing_that_is_found(session: velaria.Session) -> None:
    np = need("numpy")
    vectors = np.random.default_rng(8).standard_normal((30_000, 64)).astype("f4")
    vectors[100:200] = vectors[7]
    session.create_temp_view("t", session.create_dataframe_from_arrow(vectors))
    for metric in ("cosine", "dot", "l2"):
        plain = hits(session.vector_search("t", "vector", vectors[7], 150, metric, acceleration="off"))
        for _ in range(3):
            assert hits(session.vector_search("t", "vector", vectors[7], 150, metric)) == plain
        assert "acceleration=flat-buffer+heap-topk" in session.explain_vector_search(
            "t", "vector", vectors[7], metric=metric, acceleration="off"
        )


def test_threads_may_search_at_the_same_time(session: velaria.Session) -> None:
    np = need("numpy")
    vectors = np.random.default_rng(9).standard_normal((5_000, 24)).astype("f4")
    session.create_temp_view("t", session.create_dataframe_from_arrow(vectors))
    expected = [hits(session.vector_search("t", "vector", vectors[row], 5)) for row in range(8)]
    wrong: List[int] = []

    def search(row: int) -> None:
        for _ in range(20):
            if hits(session.vector_search("t", "vector", vectors[row], 5)) != expected[row]:
                wrong.append(row)

    threads = [threading.Thread(target=search, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_numpy_vectors_are_not_copied() -> None:
    need("numpy")
    pytest.importorskip("resource", reason="peak memory is asked from POSIX")
    # In a process of its own, whose peak nobody else raised.
    run_code(
        """
import resource, sys
import numpy as np
import velaria

unit = 1 if sys.platform == "darwin" else 1024
vectors = np.ones((400_000, 128), dtype="f4")
vectors[123_456] += np.arange(128, dtype="f4")
session = velaria.Session()
session.create_temp_view("t", session.create_dataframe_from_arrow(vectors[:10]))
session.vector_search("t", "vector", vectors[0], metric="l2").fetchall()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
session.create_temp_view("t", session.create_dataframe_from_arrow(vectors))
found = session.vector_search("t", "vector", vectors[123_456], 1, "l2").fetchall()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
assert found == [(123_456, 0.0)], found
assert after - before < 0.2 * vectors.nbytes, (after - before, vectors.nbytes)
"""
    )


def test_random_calls_agree_with_a_loop(session: velaria.Session) -> None:
    pa = need("pyarrow")
    source = random.Random(11)
    for _ in range(60):
        dimension, count = source.randint(1, 9), source.randint(1, 40)
        # Small integers make many ties.
        vectors = [
            None if source.random() < 0.15 else [float(source.randint(-2, 2)) for _ in range(dimension)]
            for _ in range(count)
        ]
        query = [float(source.randint(-2, 2)) for _ in range(dimension)]
        column = pa.array(vectors, pa.list_(pa.float32(), dimension))
        session.create_temp_view("t", session.create_dataframe_from_arrow({"n": list(range(count)), "v": column}))
        top_k, least = source.randint(1, count + 2), source.randint(0, count)
        expected = sorted(
            (math.dist(vector, query), row) for row, vector in enumerate(vectors) if vector is not None and row >= least
        )[:top_k]
        found = hits(session.vector_search("t", "v", query, top_k, "l2", filter="n >= {}".format(least)))
        assert [row for row, _ in found] == [row for _, row in expected]
        assert [score for _, score in found] == pytest.approx([score for score, _ in expected])


def numbered_rows(rows: int) -> Any:
    np, pa = need("numpy"), need("pyarrow")
    vectors = np.zeros((rows, 2), dtype="float32")
    vectors[:, 0] = np.arange(rows)
    return pa.table({"id": np.arange(rows), "v": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 2)})


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_function_of_sql_counts_the_rows_of_the_table(threads: int, tmp_path: Any) -> None:
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    table = numbered_rows(100_000)
    session = velaria.Session(threads=threads)
    chunks = pa.Table.from_batches(table.to_batches(max_chunksize=10_000))
    session.create_temp_view("chunks", session.create_dataframe_from_arrow(chunks))
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=10_000)
    session.create_temp_view("parquet", session.read_parquet(tmp_path / "v.parquet"))
    session.sql("CREATE TABLE filled (id BIGINT, v FLOAT[2])")
    for start in range(0, 100_000, 10_000):
        # Sorted, as an insert of several threads keeps no order.
        session.sql(f"INSERT INTO filled SELECT * FROM chunks WHERE id >= {start} AND id < {start + 10_000} ORDER BY id")
    for _ in range(3):
        for name in ("chunks", "parquet", "filled"):
            found = session.sql(f"SELECT row_id, id FROM vector_search('{name}', 'v', [70000, 0], 1, 'l2')").fetchall()
            assert found == [(70_000, 70_000)], name
            even = f"(SELECT * FROM {name} WHERE id % 2 = 0)"
            found = session.sql(f"SELECT row_id, id FROM vector_search({even}, 'v', [70000, 0], 1, 'l2')").fetchall()
            assert found == [(35_000, 70_000)], name
    for name in ("chunks", "filled"):
        ties = session.sql(f"SELECT id FROM {name} ORDER BY inner_product(v, [0, 1]) DESC LIMIT 2").fetchall()
        assert ties == [(0,), (1,)], name


def test_the_function_of_sql_reads_files_whose_types_are_still_open(session: velaria.Session, tmp_path: Any) -> None:
    path = tmp_path / "v.csv"
    path.write_text("id,v\n" + "".join(f"{row},[{row} 1]\n" for row in range(5000)))
    session.create_temp_view("file", session.read_csv(path))
    found = session.sql("SELECT row_id, id FROM vector_search('file', 'v', [4000, 1], 2, 'l2')").fetchall()
    assert found == [(4000, 4000), (3999, 3999)]


def test_a_filter_may_read_a_file_whose_types_are_still_open(demo: velaria.Session, tmp_path: Any) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("id\n" + "".join(f"{row}\n" for row in range(50_000)))
    demo.create_temp_view("ids", demo.read_csv(path))
    found = demo.vector_search("vectors", "embedding", X, filter="1 IN (SELECT id FROM ids)")
    assert len(found.fetchall()) == len(demo.vector_search("vectors", "embedding", X).fetchall())


@pytest.mark.parametrize("top_k", ["1.9", "true", "'2'", "DATE '1970-01-02'", "0", "-1", "NULL"])
def test_the_function_of_sql_takes_a_positive_integer(demo: velaria.Session, top_k: str) -> None:
    with pytest.raises(errors.UsageError, match="top_k must be a positive integer"):
        demo.sql(f"SELECT * FROM vector_search('vectors', 'embedding', [1, 0, 0], {top_k})")
