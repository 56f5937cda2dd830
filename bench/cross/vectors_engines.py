"""The engines of vectors.py behind one small face: take a matrix, prepare a metric, search. Runs in child processes only.

Each is used as its documentation shows it for exact search, with the threads that are asked for. `search` gives what the
engine gives, ids and scores or distances; `ids` makes an array of queries x k of it, nearest first, after the clock.
"""

import numpy as np


class Velaria:
    """With the compressed copy, which it makes at the second search."""

    PACKAGE = "velaria"
    ACCELERATION = "auto"
    # What differs from the right answer is a fault; scores are compared in 64 bits, which can round the last of them.
    TOLERANCE = 1e-13
    # The second search may make what the third one uses.
    WARM_UPS = 3

    def __init__(self, matrix, threads):
        import velaria

        self.session = velaria.Session(threads=threads)
        self.session.create_temp_view("t", self.session.create_dataframe_from_arrow(arrow_table(matrix)))

    def prepare(self, metric):
        self.metric = metric

    def search(self, queries, top_k):
        asked = queries[0] if len(queries) == 1 else queries
        frame = self.session.vector_search("t", "v", asked, top_k, self.metric, acceleration=self.ACCELERATION)
        return frame.to_arrow()

    @staticmethod
    def ids(found, count):
        return found.column("row_id").to_numpy().reshape(count, -1)

    def explain(self, query, top_k):
        """The lines of the explanation: with which instructions, and how many rows were scored."""
        text = self.session.explain_vector_search("t", "v", query, top_k, self.metric, acceleration=self.ACCELERATION)
        return dict(line.split("=", 1) for line in text.splitlines())


class VelariaPlain(Velaria):
    """Without the compressed copy: every number of every vector is read."""

    ACCELERATION = "off"


class Faiss:
    """A flat index. For cosine it holds unit vectors, as its documentation says."""

    PACKAGE = "faiss-cpu"
    TOLERANCE = 2e-5
    WARM_UPS = 1

    def __init__(self, matrix, threads):
        import faiss

        self.module = faiss
        faiss.omp_set_num_threads(threads)
        self.matrix = matrix

    def prepare(self, metric):
        self.metric, self.index = metric, None
        kind = self.module.IndexFlatL2 if metric == "l2" else self.module.IndexFlatIP
        self.index = kind(self.matrix.shape[1])
        self.index.add(unit(self.matrix) if metric == "cosine" else self.matrix)

    def search(self, queries, top_k):
        return self.index.search(unit(queries) if self.metric == "cosine" else queries, top_k)

    @staticmethod
    def ids(found, count):
        return found[1]


class Numpy:
    """The matrix product, then a partition. Norms are computed before."""

    PACKAGE = "numpy"
    TOLERANCE = 2e-5
    WARM_UPS = 1

    def __init__(self, matrix, threads):
        self.matrix = matrix
        # One pass, without a copy of the matrix.
        self.squares = np.einsum("ij,ij->i", matrix, matrix)

    def prepare(self, metric):
        self.metric = metric
        self.weights = 1.0 / np.sqrt(self.squares) if metric == "cosine" else None

    def search(self, queries, top_k):
        if len(queries) == 1:
            return self.first(self.keys((self.matrix @ queries[0])[None]), top_k)
        return self.first(self.keys(queries @ self.matrix.T), top_k)

    def keys(self, dots):
        """Smaller is nearer; without what is the same for all rows of a query. In place: the array may be large."""
        if self.metric == "cosine":
            dots *= -self.weights
        elif self.metric == "dot":
            np.negative(dots, out=dots)
        else:
            dots *= -2.0
            dots += self.squares
        return dots

    @staticmethod
    def first(keys, top_k):
        ids = np.argpartition(keys, top_k - 1, axis=1)[:, :top_k]
        nearest = np.take_along_axis(keys, ids, axis=1)
        order = np.argsort(nearest, axis=1, kind="stable")
        return np.take_along_axis(ids, order, axis=1), np.take_along_axis(nearest, order, axis=1)

    @staticmethod
    def ids(found, count):
        return found[0]


class Usearch:
    """Its exact search, which has no index."""

    PACKAGE = "usearch"
    TOLERANCE = 2e-5
    WARM_UPS = 1

    def __init__(self, matrix, threads):
        from usearch.index import MetricKind, search

        self.kinds, self.run = MetricKind, search
        self.matrix, self.threads = matrix, threads

    def prepare(self, metric):
        self.kind = getattr(self.kinds, {"cosine": "Cos", "dot": "IP", "l2": "L2sq"}[metric])

    def search(self, queries, top_k):
        return self.run(self.matrix, queries, top_k, self.kind, exact=True, threads=self.threads)

    @staticmethod
    def ids(found, count):
        return np.asarray(found.keys).astype(np.int64).reshape(count, -1)


class DuckDb:
    """ORDER BY a distance function, with LIMIT. One query only: several would be a join without an end."""

    PACKAGE = "duckdb"
    TOLERANCE = 2e-5
    WARM_UPS = 1
    QUERIES_MAX = 1
    ORDERS = {
        "cosine": "array_cosine_distance(v, {})",
        "dot": "array_negative_inner_product(v, {})",
        "l2": "array_distance(v, {})",
    }

    def __init__(self, matrix, threads):
        import duckdb

        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = {threads}")
        vectors = arrow_table(matrix)  # noqa: F841 - found by its name
        self.connection.execute("CREATE TABLE t AS FROM vectors")
        self.dimension = matrix.shape[1]

    def prepare(self, metric):
        order = self.ORDERS[metric].format(f"?::FLOAT[{self.dimension}]")
        self.sql = f"SELECT rowid, {order} AS score FROM t ORDER BY score LIMIT ?"

    def search(self, queries, top_k):
        return self.connection.execute(self.sql, [queries[0].tolist(), top_k]).fetchnumpy()

    @staticmethod
    def ids(found, count):
        return found["rowid"][None]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def arrow_table(matrix):
    """The matrix as a column `v` of vectors, not copied."""
    import pyarrow as pa

    values = pa.array(matrix.reshape(-1))
    return pa.table({"v": pa.FixedSizeListArray.from_arrays(values, matrix.shape[1])})


ENGINES = {
    "velaria": Velaria,
    "velaria-plain": VelariaPlain,
    "faiss": Faiss,
    "numpy": Numpy,
    "usearch": Usearch,
    "duckdb": DuckDb,
}
