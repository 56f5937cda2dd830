"""Tests of the bench's own parts: python -m unittest discover bench/cross. What needs numpy or pyarrow is skipped
where there is none."""

import hashlib
import unittest
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import checksum
import cli
import run
import streams
import streams_runs
import vectors
import workload

HAS_DATA_TOOLS = find_spec("numpy") is not None and find_spec("pyarrow") is not None
MASK = (1 << 64) - 1


def events_text(rows):
    """The definition of bench/workloads/README.md word by word, as slow as it is plain."""
    state = 42

    def draw():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    lines = ["id,key,user,value,category"]
    for row in range(rows):
        key, user, value, category = draw() % 1_000, draw() % 1_000_000, draw() % 100_000, draw() % 20
        lines.append(f"{row},{key},{user},{value // 100}.{value % 100:02},category_{category:02}")
    return "\n".join(lines) + "\n"


class WorkloadTest(unittest.TestCase):
    def test_every_workload_file_is_well_formed(self):
        self.assertGreaterEqual(len(workload.load_all()), 16)

    def test_a_line_that_is_not_key_and_value_is_refused_with_its_number(self):
        with self.assertRaisesRegex(ValueError, "w.toml:2"):
            workload.parse('name = "a"\nrows\n', "w.toml")

    def test_an_unknown_workload_name_is_refused(self):
        with self.assertRaisesRegex(ValueError, "no such workload: nope"):
            workload.load_all(["nope"])

    def test_scaled_rows_stay_at_or_above_the_check(self):
        self.assertEqual(workload.scaled_rows({"rows": 10_000_000, "check_rows": 10_000}, 0.01), 100_000)
        self.assertEqual(workload.scaled_rows({"rows": 10_000_000, "check_rows": 10_000}, 0.0001), 10_000)


class ChecksumTest(unittest.TestCase):
    ROWS = [(1, 2.5, "a"), (2, None, "é"), (None, -1.0, None)]
    EXPECTED = {"rows": 3, "non_null": [2, 2, 2], "sums": [3.0, 1.5, 97.0 + 0xC3 + 0xA9]}

    def test_rows_are_counted_and_summed_by_column(self):
        self.assertEqual(checksum.of_rows(self.ROWS), self.EXPECTED)

    @unittest.skipUnless(HAS_DATA_TOOLS, "needs pyarrow")
    def test_a_table_has_the_checksum_of_its_rows(self):
        import pyarrow as pa

        columns = dict(zip("abc", map(list, zip(*self.ROWS))))
        self.assertEqual(checksum.of_table(pa.table(columns)), self.EXPECTED)

    def test_one_row_lost_in_ten_million_is_a_difference(self):
        whole = {"rows": 1, "non_null": [1], "sums": [10_000_000.0]}
        self.assertIsNone(checksum.difference(whole, whole))
        self.assertIn("sums of column 1", checksum.difference(whole, dict(whole, sums=[9_999_999.0])))

    def test_engines_that_differ_are_named(self):
        wrong = dict(self.EXPECTED, non_null=[2, 2, 3])
        found = {"velaria": [self.EXPECTED, wrong], "duckdb": [self.EXPECTED] * 2, "polars": [wrong] * 2}
        problems = run.disagreements(found, with_sums=True)
        self.assertEqual(len(problems), 2)
        self.assertIn("polars differs from duckdb", problems[0])
        self.assertIn("velaria differs from duckdb", problems[1])


@unittest.skipUnless(HAS_DATA_TOOLS, "needs numpy and pyarrow")
class EventsTest(unittest.TestCase):
    def test_the_fast_generator_writes_the_defined_bytes(self):
        import dataset

        with TemporaryDirectory() as folder:
            target = Path(folder) / "events.csv"
            dataset.write_events_csv(target, 1_000)
            self.assertEqual(target.read_text(encoding="utf-8"), events_text(1_000))

    def test_the_definition_has_not_moved(self):
        digest = hashlib.sha256(events_text(10_000).encode()).hexdigest()
        self.assertEqual(digest, "aef89297a649c9a0af423406d2b72d26d82ff61da6018c8e44d0de95296d0d88")

    def test_a_slice_does_not_depend_on_where_it_is_cut(self):
        import dataset

        self.assertEqual(dataset.events(0, 100).slice(40, 20), dataset.events(40, 60))


class ReportTest(unittest.TestCase):
    WORKLOAD = {"name": "w", "timed": "query", "repeat": 1}

    def test_a_ratio_under_one_means_that_velaria_is_faster(self):
        found = run.row(self.WORKLOAD, 10, {"velaria": {"ms": 5.0}, "duckdb": {"ms": 20.0}, "polars": {"ms": 10.0}})
        self.assertEqual(found["ratios"], {"duckdb": 0.25, "polars": 0.5})
        self.assertEqual(found["best_peer"], "polars")

    def test_a_failed_engine_has_no_ratio(self):
        found = run.row(self.WORKLOAD, 10, {"velaria": {"ms": 5.0}, "duckdb": {"error": "out of memory"}})
        self.assertEqual((found["ratios"], found["best_peer"]), ({}, None))


class StreamsTest(unittest.TestCase):
    def test_every_workload_has_velaria_and_somebody_to_compare_with(self):
        for name, (asks, size, size_min, runs) in streams_runs.WORKLOADS.items():
            self.assertEqual(next(iter(runs)), "velaria", name)
            self.assertGreater(len(runs), 1, name)
            self.assertLess(size_min, size, name)
            self.assertTrue(asks, name)

    def test_an_engine_that_differs_is_named(self):
        one = {"rows": 1, "non_null": [1], "sums": [1.0]}
        problems = []
        self.assertTrue(streams.agree("w", {"velaria": one, "pyarrow": one}, problems))
        self.assertFalse(streams.agree("w", {"velaria": dict(one, sums=[2.0]), "pyarrow": one}, problems))
        self.assertEqual(len(problems), 1)
        self.assertIn("velaria differs from pyarrow", problems[0])

    @unittest.skipUnless(HAS_DATA_TOOLS, "needs pyarrow")
    def test_what_is_left_of_emissions_is_the_last_row_of_each_key(self):
        import pyarrow as pa

        told = pa.table({"key": ["a", "b", "a"], "s": [1, 2, 3]})
        self.assertEqual(streams_runs.last_by(told, ["key"]).to_pylist(), [{"key": "a", "s": 3}, {"key": "b", "s": 2}])

    @unittest.skipUnless(HAS_DATA_TOOLS, "needs pyarrow")
    def test_totals_by_hand_are_those_of_the_whole(self):
        import pyarrow as pa

        parts = [pa.table({"key": [1, 2], "value": [1.0, 2.0]}), pa.table({"key": [1], "value": [4.0]})]
        rows = sorted(streams_runs.pyarrow_totals(parts).to_pylist(), key=lambda row: row["key"])
        self.assertEqual(rows, [{"key": 1, "s": 5.0, "n": 2, "a": 2.5}, {"key": 2, "s": 2.0, "n": 1, "a": 2.0}])

    @unittest.skipUnless(HAS_DATA_TOOLS, "needs pyarrow")
    def test_micro_batches_are_cut_from_one_sequence(self):
        import streams_data

        batches = streams_data.events(10, 4)
        self.assertEqual([batch.num_rows for batch in batches], [4, 4, 2])
        self.assertEqual(batches[2], streams_data.events(10, 10)[0].slice(8, 2))


class VectorsTest(unittest.TestCase):
    CELL = {"rows": 1_000, "dimension": 10, "metric": "l2", "top_k": 10, "queries": 1, "threads": 1}

    def judged(self, times, queries=1):
        engines = {engine: {"ms": ms} for engine, ms in times.items()}
        cell = dict(self.CELL, queries=queries, engines=engines)
        # 40,000 bytes at 0.04 GB/s: the memory takes one millisecond.
        vectors.judge({"cells": [cell], "memory_gb_per_second": {1: 0.04}})
        return cell

    def test_a_bar_is_held_by_the_best_peer_and_the_memory(self):
        cell = self.judged({"velaria": 1.0, "velaria-plain": 1.2, "faiss": 3.0, "numpy": 2.0})
        self.assertEqual((cell["best_peer"], cell["missed"]), ("numpy", []))
        self.assertAlmostEqual(cell["ratios"]["velaria-plain"]["memory"], 1.2)

    def test_a_missed_bar_is_named_and_marked(self):
        cell = self.judged({"velaria": 1.1, "velaria-plain": 1.9, "faiss": 2.0})
        self.assertEqual(len(cell["missed"]), 3)
        self.assertEqual(vectors.cell_ratio(cell, "velaria", "best peer"), "0.55*")

    def test_many_queries_are_held_to_numpy_only(self):
        cell = self.judged({"velaria": 0.95, "faiss": 0.1, "numpy": 1.0}, queries=64)
        self.assertEqual(cell["missed"], ["velaria 0.95 of numpy, not 0.9"])

    def test_an_engine_with_a_wrong_answer_has_no_time(self):
        cell, problems = dict(self.CELL, engines={}), []
        for answer in ({"ms": [1.0], "recall": 1.0}, {"fault": "recall 0.9"}, {"ms": [1.0], "recall": 1.0}):
            vectors.take([cell], "faiss", [answer], problems)
        self.assertEqual(cell["engines"], {"faiss": {"fault": "recall 0.9"}})
        self.assertEqual(len(problems), 1)


@unittest.skipUnless(HAS_DATA_TOOLS, "needs numpy")
class VectorAnswersTest(unittest.TestCase):
    def setUp(self):
        import numpy as np
        import vectors_data

        self.np, self.data = np, vectors_data
        self.matrix = np.array([[0, 1], [1, 0], [1, 0], [3, 0], [0, 0]], dtype=np.float32)
        self.query = np.array([[2, 0]], dtype=np.float32)

    def nearest(self, metric, top_k):
        return self.data.nearest(self.matrix, self.query, metric, top_k).tolist()

    def test_the_right_answer_is_a_full_sort_with_ties_by_row(self):
        self.assertEqual(self.nearest("l2", 5), [[1, 2, 3, 4, 0]])
        self.assertEqual(self.nearest("dot", 5), [[3, 1, 2, 0, 4]])
        self.assertEqual(self.nearest("cosine", 5), [[1, 2, 3, 0, 4]])

    def test_a_wrong_row_is_a_fault_and_a_tie_is_none(self):
        right = self.np.array([[1, 2]])
        fault = lambda ids: self.data.fault(self.matrix, self.query, "l2", right, self.np.array([ids]), 1e-6)  # noqa: E731
        self.assertIsNone(fault([1, 2]))
        self.assertIsNone(fault([1, 3]))
        self.assertIn("recall 0.500", fault([1, 0]))
        self.assertIn("found twice", fault([1, 1]))
        self.assertIn("no such row", fault([1, 5]))
        self.assertIn("not (1, 2)", fault([1]))


class CommandLineTest(unittest.TestCase):
    def test_the_rows_of_every_command_are_the_same(self):
        row = {"category": "category_00", "n": 2, "total": 0.30000000000000004}
        expected = [("category_00", 2, 0.3)]
        for document in ([row], {"rows": [row]}, {"ok": True, "result": {"rows": [row]}}):
            self.assertEqual(cli.rows(document), expected)

    def test_a_program_is_what_it_is_and_a_script_that_is_not_duckdbs_as_well(self):
        with TemporaryDirectory() as folder:
            for head in (b"\x7fELF", b"#!/bin/false\nexit"):
                path = Path(folder) / "duckdb"
                path.write_bytes(head)
                self.assertEqual(cli.native_duckdb(str(path)), str(path))

    def test_the_file_has_its_rows(self):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "small.csv"
            cli.write_input(path, 3)
            self.assertEqual(path.read_text(), "id,category,value\n0,category_00,0.0\n1,category_01,79.19\n2,category_02,158.38\n")


if __name__ == "__main__":
    unittest.main()
