"""Searches of real vectors, held to the full sort in 64 bits and to a flat index of FAISS: nothing may be missed.

A tie is what it is by its scores: rows whose scores are equal come by row id. The right scores here are computed in another
order than the engine's, and those of FAISS in 32 bits; so two rows nearer to each other than that are a tie for the test.
"""

from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

import velaria
from sentences import embedded, sentences
from support import need

np = need("numpy")

METRICS = ["cosine", "dot", "l2"]
TOP_KS = [1, 10, 100]
TIE = 1e-12
TIE_32_BITS = 1e-5


def digits() -> Any:
    """Pictures of handwritten digits, 8 by 8, with whole numbers and so with many ties."""
    return need("sklearn.datasets").load_digits().data.astype(np.float32)


def sentence_vectors() -> Any:
    return embedded(need("wordllama"), sentences()).astype(np.float32)


def kept_sentence_vectors() -> Any:
    """Fewer and shorter ones, which are there without the model; of 16-bit floats."""
    return np.load(Path(__file__).parent / "fixtures" / "sentence_vectors.npy")


CORPORA: Dict[str, Callable[[], Any]] = {
    "digits": digits,
    "sentences": sentence_vectors,
    "kept-sentences": kept_sentence_vectors,
}


@pytest.fixture(scope="module", params=list(CORPORA))
def corpus(request: Any) -> Any:
    return CORPORA[request.param]()


@pytest.fixture
def table(session: velaria.Session, corpus: Any) -> str:
    session.create_temp_view("corpus", session.create_dataframe_from_arrow({"v": corpus}))
    return "corpus"


def asked(corpus: Any) -> Any:
    """Rows of the corpus, whose nearest are themselves and whose ties are real, and what lies between two of them."""
    some = corpus[:: len(corpus) // 20][:20].astype(np.float32)
    return np.vstack([some, (some + np.roll(some, 1, axis=0)) / 2])


def scores(corpus: Any, queries: Any, metric: str) -> Any:
    """All scores in 64 bits: queries x rows."""
    rows, queries = corpus.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        return np.stack([np.sqrt(((rows - query) ** 2).sum(axis=1)) for query in queries])
    dots = queries @ rows.T
    if metric == "dot":
        return dots
    norms = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(rows, axis=1)
    return np.where(norms > 0, 1 - np.clip(dots / np.where(norms > 0, norms, 1), -1, 1), 1.0)


def nearest(found: Any, metric: str) -> Any:
    """The rows of each query in their right order: by score, then by row."""
    return np.argsort(-found if metric == "dot" else found, axis=1, kind="stable")


def search(session: velaria.Session, table: str, queries: Any, top_k: int, metric: str, **more: Any) -> Any:
    """(row_id, score) for each query."""
    frame = session.vector_search(table, "v", queries, top_k, metric, **more)
    rows = frame.to_arrow()
    count = len(queries) if queries.ndim == 2 else 1
    ids = np.asarray(rows.column("row_id")).reshape(count, -1)
    return ids, np.asarray(rows.column("score")).reshape(count, -1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("top_k", TOP_KS)
def test_every_row_that_is_found_is_the_right_one(
    session: velaria.Session, table: str, corpus: Any, top_k: int, metric: str
) -> None:
    queries = asked(corpus)
    ids, found = search(session, table, queries, top_k, metric)
    every = scores(corpus, queries, metric)
    right = nearest(every, metric)[:, :top_k]
    want = np.take_along_axis(every, right, axis=1)
    slack = TIE * max(1.0, np.abs(want).max())
    assert ids.shape == right.shape
    assert np.abs(found - want).max() <= slack
    # Another row than the right one is only found where the two are one for the test.
    assert np.abs(np.take_along_axis(every, ids, axis=1) - want)[ids != right].max(initial=0.0) <= slack
    assert all(len(set(row)) == top_k for row in ids.tolist())
    for row, score in zip(ids, found):
        ties = score[1:] == score[:-1]
        assert (row[1:] > row[:-1])[ties].all(), "rows of one score are not in their order"


# Not cosine, which rounds: its last bit is not known here.
@pytest.mark.parametrize("metric", ["dot", "l2"])
def test_whole_numbers_have_exact_scores_and_their_ties_come_by_row(session: velaria.Session, metric: str) -> None:
    corpus = digits()
    session.create_temp_view("corpus", session.create_dataframe_from_arrow({"v": corpus}))
    queries = corpus[:40]
    ids, found = search(session, "corpus", queries, len(corpus), metric)
    every = scores(corpus, queries, metric)
    assert (ids == nearest(every, metric)).all()
    assert (found == np.take_along_axis(every, ids, axis=1)).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("top_k", TOP_KS)
def test_recall_against_faiss_is_one_up_to_ties(
    session: velaria.Session, table: str, corpus: Any, top_k: int, metric: str
) -> None:
    queries = asked(corpus)
    ids, _ = search(session, table, queries, top_k, metric)
    theirs = flat_index(need("faiss"), corpus.astype(np.float32), queries, top_k, metric)
    every = scores(corpus, queries, metric)
    scale = max(1.0, float(np.abs(every).max()))
    missed: List[Tuple[int, int]] = []
    for query, (own, other) in enumerate(zip(ids.tolist(), theirs.tolist())):
        last = every[query, own[-1]]
        only_theirs = set(other) - set(own)
        missed += [(query, row) for row in only_theirs if abs(every[query, row] - last) > TIE_32_BITS * scale]
    assert not missed


def flat_index(faiss: Any, rows: Any, queries: Any, top_k: int, metric: str) -> Any:
    """The ids that FAISS finds; for cosine among unit vectors, as its documentation says."""
    if metric == "cosine":
        rows, queries = unit(rows), unit(queries)
    index = (faiss.IndexFlatL2 if metric == "l2" else faiss.IndexFlatIP)(rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    return index.search(np.ascontiguousarray(queries), top_k)[1]


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", METRICS)
def test_one_query_many_queries_and_no_acceleration_find_the_same_bits(
    session: velaria.Session, table: str, corpus: Any, metric: str
) -> None:
    queries = asked(corpus)
    ids, found = search(session, table, queries, 10, metric)
    plain_ids, plain = search(session, table, queries, 10, metric, acceleration="off")
    assert (ids == plain_ids).all()
    assert found.tobytes() == plain.tobytes()
    for query, (own, score) in enumerate(zip(ids, found)):
        # The same column again and again, so that what is kept for later searches is used.
        one, alone = search(session, table, queries[query], 10, metric)
        assert one[0].tolist() == own.tolist()
        assert alone.tobytes() == score.tobytes()


def test_a_result_of_many_rows_is_nearest_first(session: velaria.Session) -> None:
    rows = np.tile(kept_sentence_vectors(), (200, 1))
    session.create_temp_view("many", session.create_dataframe_from_arrow({"v": rows}))
    _, found = search(session, "many", rows[0], len(rows), "cosine")
    assert found.shape == (1, 80_000)
    assert (np.diff(found[0]) >= 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_kept_of_a_large_column_changes_no_bit(session: velaria.Session, metric: str) -> None:
    """The compressed copy is for columns of some megabytes: a corpus, and copies of it that differ in single numbers, whose
    scores lie as near to each other as scores of real vectors can."""
    corpus = kept_sentence_vectors().astype(np.float32)
    random = np.random.default_rng(6)
    rows = np.tile(corpus, (100, 1))
    rows[np.arange(len(rows)), random.integers(0, rows.shape[1], len(rows))] *= np.float32(1 + 2.0**-20)
    session.create_temp_view("large", session.create_dataframe_from_arrow({"v": rows}))
    for query in asked(corpus)[::4]:
        plain_ids, plain = search(session, "large", query, 50, metric, acceleration="off")
        for _ in range(3):
            ids, found = search(session, "large", query, 50, metric)
            assert ids.tolist() == plain_ids.tolist()
            assert found.tobytes() == plain.tobytes()
