"""Stream SQL from two Arrow batches to a CSV file, which is read back.

Prints two JSON objects: the progress of the query, then the columns and rows of the file.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import velaria

# Each is one micro-batch. Tables of pyarrow, pandas or polars can stand here as well.
BATCHES: List[Dict[str, List[Any]]] = [
    {"key": ["userX", "userY", "userZ"], "value": [7, 5, 99]},
    {"key": ["userX", "userY"], "value": [8, 3]},
]

TOTALS = """
    INSERT INTO totals
    SELECT key, SUM(value) AS value_sum FROM events WHERE value > 6 GROUP BY key HAVING value_sum > 15
"""


def main(folder: Path) -> None:
    path = folder / "totals.csv"
    with velaria.Session() as session:
        session.create_temp_view("events", session.create_stream_from_arrow(BATCHES))
        session.sql(f"CREATE SINK TABLE totals (key STRING, value_sum BIGINT) USING csv OPTIONS(path '{path}')")
        query = session.start_stream_sql(TOTALS, trigger_interval_ms=50)
        query.start()
        query.await_termination(max_batches=1)
        print(json.dumps(query.progress()))
        written = session.read_csv(path).to_rows()
        print(json.dumps({"schema": written["schema"], "roundtrip_rows": written["rows"]}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
