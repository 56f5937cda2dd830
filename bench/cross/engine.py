"""The engines behind one small face: open, register a table as `t`, run SQL, close. Runs in child processes only.

Every adapter uses the engine as its own documentation shows it, with default settings. `arrow` ends in a pyarrow
Table, `rows` in a list of Python tuples, whatever is the engine's shortest way there. `__init__` imports the engine.
`SCRIPT` is what a user would write for `timed = "process"`: it gets `PATH` and `SQL` and prints the rows.
"""


class Velaria:
    SCRIPT = """
import velaria
session = velaria.Session()
session.create_temp_view("t", session.read_csv(PATH))
print(session.sql(SQL).fetchall())
"""

    def __init__(self):
        import velaria

        self.module = velaria

    def open(self):
        self.session = self.module.Session()

    def register(self, file_format, source):
        readers = {
            "csv": self.session.read_csv,
            "parquet": self.session.read_parquet,
            "memory": self.session.create_dataframe_from_arrow,
        }
        self.session.create_temp_view("t", readers[file_format](source))

    def arrow(self, sql):
        return self.session.sql(sql).to_arrow()

    def rows(self, sql):
        return self.session.sql(sql).fetchall()

    def close(self):
        self.session.close()


class DuckDb:
    SCRIPT = """
import duckdb
print(duckdb.connect().execute("WITH t AS (FROM read_csv('" + PATH + "')) " + SQL).fetchall())
"""

    def __init__(self):
        import duckdb

        self.module = duckdb

    def open(self):
        self.connection = self.module.connect()
        self.prefix = ""

    def register(self, file_format, source):
        # A file stands in the query itself: a view would be bound twice, and a CSV file sniffed twice.
        self.prefix = ""
        if file_format == "memory":
            self.connection.register("t", source)
        else:
            self.prefix = f"WITH t AS (FROM read_{file_format}('{source}')) "

    def arrow(self, sql):
        # `sql`, not `execute`: only a relation is collected straight into Arrow (three times faster for large results).
        return self.connection.sql(self.prefix + sql).to_arrow_table()

    def rows(self, sql):
        return self.connection.execute(self.prefix + sql).fetchall()

    def close(self):
        self.connection.close()


class Polars:
    SCRIPT = """
import polars
print(polars.SQLContext(t=polars.scan_csv(PATH)).execute(SQL).collect().rows())
"""

    def __init__(self):
        import polars

        self.module = polars

    def open(self):
        self.context = self.module.SQLContext()

    def register(self, file_format, source):
        readers = {"csv": self.module.scan_csv, "parquet": self.module.scan_parquet, "memory": self.module.from_arrow}
        self.context.register("t", readers[file_format](source))

    def arrow(self, sql):
        return self.context.execute(sql).collect().to_arrow()

    def rows(self, sql):
        return self.context.execute(sql).collect().rows()

    def close(self):
        self.context = None


class DataFusion:
    SCRIPT = """
import datafusion
context = datafusion.SessionContext()
context.register_csv("t", PATH)
print([row for batch in context.sql(SQL).collect() for row in zip(*(column.to_pylist() for column in batch.columns))])
"""

    def __init__(self):
        import datafusion

        self.module = datafusion

    def open(self):
        self.context = self.module.SessionContext()

    def register(self, file_format, source):
        if file_format == "memory":
            self.context.deregister_table("t")
            self.context.register_record_batches("t", [source.to_batches()])
        else:
            getattr(self.context, "register_" + file_format)("t", source)

    def arrow(self, sql):
        return self.context.sql(sql).to_arrow_table()

    def rows(self, sql):
        batches = self.context.sql(sql).collect()
        return [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns))]

    def close(self):
        self.context = None


ENGINES = {"velaria": Velaria, "duckdb": DuckDb, "polars": Polars, "datafusion": DataFusion}
