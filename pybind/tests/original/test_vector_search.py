"""Exact vector search over fixed-size lists, what explain says about it, and a query vector of another length."""

import unittest
from typing import Any, Callable

import pytest

pa = pytest.importorskip("pyarrow")

from velaria import Session  # noqa: E402

VECTORS = [[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0]]


def by_type() -> Any:
    return pa.array(VECTORS, type=pa.list_(pa.float32(), 3))


def by_class() -> Any:
    flat = pa.array([item for vector in VECTORS for item in vector], type=pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, 3)


class VectorSearchTest(unittest.TestCase):
    def searched(self, name: str, vectors: Callable[[], Any]) -> Session:
        session = Session()
        table = pa.table({"id": [10, 20, 30], "embedding": vectors()})
        session.create_temp_view(name, session.create_dataframe_from_arrow(table))
        return session

    def test_nearest_rows_come_first(self) -> None:
        session = self.searched("vs_nearest", by_type)
        found = session.vector_search(
            table="vs_nearest", vector_column="embedding", query_vector=[1.0, 0.0, 0.0], top_k=2, metric="cosine"
        ).to_rows()
        self.assertEqual(found["schema"], ["row_id", "score"])
        self.assertEqual(len(found["rows"]), 2)
        self.assertEqual(found["rows"][0][0], 0)
        self.assertEqual([row[0] for row in found["rows"]], [0, 1])
        # Up to the rounding of 0.9 and 0.1 to 32 bits.
        self.assertAlmostEqual(found["rows"][1][1], 0.006116265828075562, places=7)
        for metric, scores in (("dot", [1.0, 0.9]), ("l2", [0.0, 0.02**0.5])):
            rows = session.vector_search("vs_nearest", "embedding", [1.0, 0.0, 0.0], 2, metric).to_rows()["rows"]
            self.assertEqual([row[0] for row in rows], [0, 1], metric)
            for row, score in zip(rows, scores):
                self.assertAlmostEqual(row[1], score, places=6)

    def test_explain_says_how(self) -> None:
        session = self.searched("vs_explain", by_class)
        said = session.explain_vector_search(
            table="vs_explain", vector_column="embedding", query_vector=[1.0, 0.0, 0.0], top_k=2, metric="cosine"
        )
        for line in (
            "mode=exact-scan",
            "metric=cosine",
            "dimension=3",
            "top_k=2",
            "candidate_rows=3",
            "filter_pushdown=false",
            "acceleration=flat-buffer+heap-topk",
        ):
            self.assertIn(line, said)

    def test_another_length_is_an_error(self) -> None:
        session = self.searched("vs_length", by_type)
        with self.assertRaises(RuntimeError):
            session.vector_search("vs_length", "embedding", [1.0, 0.0], top_k=2).to_rows()


if __name__ == "__main__":
    unittest.main()
