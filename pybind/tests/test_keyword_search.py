"""``Session.keyword_search`` and ``Session.fused_search``: arguments in, frames out. What fits how well is SQL's affair."""

import math
from typing import Any

import pytest

import velaria
from velaria import errors

TITLES = ["the red apple", "a green apple and a red apple", None, "plums", "全文搜索 of apples"]


@pytest.fixture
def docs(session: velaria.Session) -> velaria.Session:
    vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.1], None]
    frame = session.create_dataframe_from_arrow({"id": [1, 2, 3, 4, 5], "title": TITLES, "embedding": vectors})
    session.create_temp_view("docs", frame)
    return session


def test_rows_with_a_word_are_found_best_first(docs: velaria.Session) -> None:
    found = docs.keyword_search("docs", ["title"], "Apple")
    assert found.columns == ["id", "title", "embedding", "keyword_score"]
    assert [row[0] for row in found.fetchall()] == [2, 1]
    assert [row[0] for row in docs.keyword_search("docs", ("title",), "搜索").fetchall()] == [5]
    assert docs.keyword_search("docs", ["title"], "pear").fetchall() == []


def test_scores_are_those_of_the_formula(docs: velaria.Session) -> None:
    found = docs.keyword_search("docs", ["title"], "red", filter="id <= 2").fetchall()
    # Both rows have the word once; they have 3 and 7 words, 5 on average.
    idf = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    expected = [idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / 5)) for length in (3, 7)]
    assert [row[0] for row in found] == [1, 2]
    assert [row[3] for row in found] == pytest.approx(expected)


def test_python_and_sql_find_the_same(docs: velaria.Session) -> None:
    clause = "SELECT * FROM docs WHERE id <> 1 KEYWORD SEARCH (title) QUERY 'red apple' TOP_K 3"
    assert docs.keyword_search("docs", ["title"], "red apple", 3, filter="id <> 1").fetchall() == docs.sql(clause).fetchall()


def test_top_k_bounds_the_rows(docs: velaria.Session) -> None:
    assert docs.keyword_search("docs", ["title"], "apple", 1).count() == 1
    assert docs.keyword_search("docs", ["title"], "apple", 2**70).count() == 2
    with pytest.raises(errors.UsageError, match="top_k must be (a )?positive"):
        docs.keyword_search("docs", ["title"], "apple", -1)


def test_what_cannot_be_searched_is_refused(docs: velaria.Session) -> None:
    with pytest.raises(errors.ArgumentTypeError, match="text_columns must be a sequence of strings"):
        docs.keyword_search("docs", "title", "apple")
    with pytest.raises(errors.UsageError, match="keywordSearch requires at least one text column"):
        docs.keyword_search("docs", [], "apple")
    for text in ("", "  ", "?!"):
        with pytest.raises(errors.UsageError, match="keywordSearch query"):
            docs.keyword_search("docs", ["title"], text)
    with pytest.raises(errors.CatalogError, match="nope"):
        docs.keyword_search("nope", ["title"], "apple")
    with pytest.raises(errors.PlanError, match="column not found: nope"):
        docs.keyword_search("docs", ["nope"], "apple")
    with pytest.raises(TypeError):
        docs.keyword_search("docs", ["title"], b"apple")  # type: ignore[arg-type]


def test_a_fused_search_mixes_two_rankings(docs: velaria.Session) -> None:
    found = docs.fused_search("docs", ["title"], "apple", "embedding", [1.0, 0.0])
    assert found.columns == ["id", "title", "embedding", "keyword_score", "vector_score", "rrf_score"]
    rows = {row[0]: row[3:] for row in found.fetchall()}
    # By words 2, 1; by vectors 1, 4, 3, 2.
    assert [row[0] for row in found.fetchall()] == [1, 2, 4, 3]
    ranks = {1: (2, 1), 2: (1, 4), 4: (None, 2), 3: (None, 3)}
    for number, places in ranks.items():
        assert rows[number][2] == pytest.approx(sum(1 / (60 + place) for place in places if place is not None))
        assert (rows[number][0] is None) == (places[0] is None)
    assert docs.fused_search("docs", ["title"], "apple", "embedding", [1.0, 0.0], 2).count() == 2
    only = docs.fused_search("docs", ["title"], "apple", "embedding", [1.0, 0.0], 5, "l2", filter="id > 3", candidates=1)
    assert [row[0] for row in only.fetchall()] == [4]


@pytest.mark.parametrize("query", [[[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
def test_a_fused_search_takes_one_vector(docs: velaria.Session, query: Any) -> None:
    with pytest.raises(errors.ArgumentTypeError, match="query_vector must be one vector here"):
        docs.fused_search("docs", ["title"], "apple", "embedding", query)


def test_a_fused_search_refuses_vectors_of_another_length(docs: velaria.Session) -> None:
    for query in ([1.0], [1.0, 0.0, 0.0]):
        with pytest.raises(RuntimeError, match="length mismatch"):
            docs.fused_search("docs", ["title"], "apple", "embedding", query).fetchall()
    with pytest.raises(errors.UsageError, match="query vector cannot be empty"):
        docs.fused_search("docs", ["title"], "apple", "embedding", [])
