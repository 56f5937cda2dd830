"""The smallest proof that a wheel works on an interpreter: no package but velaria is needed."""

import os
import sys
import tempfile

import velaria
from velaria.__main__ import main


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "scores.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("name,score\nalice,10\nbob,22.5\nalice,15\n")
        with velaria.Session() as session:
            session.create_temp_view("scores", session.read_csv(path))
            rows = session.sql("SELECT name, SUM(score) AS total FROM scores GROUP BY name ORDER BY name").fetchall()
            assert rows == [("alice", 25.0), ("bob", 22.5)], rows
            session.sql("CREATE TABLE t (id INT, name STRING)")
            assert session.sql("INSERT INTO t VALUES (1, 'a'), (2, NULL)").fetchall() == [(1, "insert done", 2)]
            assert session.create_dataframe_from_arrow({"x": [1, 2, 3]}).count() == 3
            try:
                session.sql("SELECT nope FROM t")
            except velaria.Error as error:
                assert error.code == "VEL-2001", error
            else:
                raise AssertionError("a wrong column was accepted")
        assert main(["csv-sql", "--csv", path, "--query", "SELECT COUNT(*) FROM input_table", "-o", "csv"]) == 0
    print("smoke passed on Python %d.%d.%d" % sys.version_info[:3])


if __name__ == "__main__":
    run()
