"""The command line as a module of its own, for programs that import ``velaria_cli``.

>>> import velaria_cli
>>> velaria_cli.main(["sql", "SELECT 1 AS one", "-o", "csv"])
one
1
0
"""

import json
import os
from typing import Any, Dict, List, Sequence, Union

from velaria import Session
from velaria._velaria import cli_act
from velaria.__main__ import entry_point, main

__all__ = ["main"]

_Path = Union[str, "os.PathLike[str]"]


def _run_vector_search(
    csv_path: _Path, vector_column: str, query_vector: Union[str, Sequence[float]], metric: str, top_k: int
) -> Dict[str, Any]:
    """Search one CSV file on this thread and return the document of ``vector-search``."""
    session = Session()
    session.create_temp_view("input_table", session.read_csv(str(csv_path)))
    search: Dict[str, Any] = {
        "table": "input_table",
        "vector_column": vector_column,
        "query_vector": _numbers(query_vector),
        "top_k": top_k,
        "metric": metric,
    }
    rows = session.vector_search(**search).to_arrow()
    return {
        "metric": "cosine" if metric == "cosin" else metric,
        "top_k": top_k,
        "schema": list(rows.schema.names),
        "rows": rows.to_pylist(),
        "explain": session.explain_vector_search(**search),
    }


def _numbers(vector: Union[str, Sequence[float]]) -> List[float]:
    if not isinstance(vector, str):
        return [float(number) for number in vector]
    text = vector.strip()
    text = text[1:] if text.startswith("[") else text
    text = text[:-1] if text.endswith("]") else text
    if not text.strip():
        raise ValueError("--query-vector must not be empty")
    return [float(number) for number in (text.split(",") if "," in text else text.split())]


def _execute_stream_sql_once(
    *,
    source_csv_dir: _Path,
    source_table: str,
    source_delimiter: str,
    sink_table: str,
    sink_schema: str,
    sink_path: Union[_Path, None],
    sink_delimiter: str,
    query: str,
    trigger_interval_ms: int,
    checkpoint_delivery_mode: str,
    execution_mode: str,
    local_workers: int,
    max_inflight_partitions: int,
    max_batches: int,
    run_id: str,
) -> Dict[str, Any]:
    """Do ``stream-sql-once`` on this thread, in a run that exists, and return its document and the files that it made."""
    arguments: Dict[str, Any] = {
        "source-csv-dir": source_csv_dir,
        "source-table": source_table,
        "source-delimiter": source_delimiter,
        "sink-table": sink_table,
        "sink-schema": sink_schema,
        "sink-path": sink_path,
        "sink-delimiter": sink_delimiter,
        "query": query,
        "trigger-interval-ms": trigger_interval_ms,
        "checkpoint-delivery-mode": checkpoint_delivery_mode,
        "execution-mode": execution_mode,
        "local-workers": local_workers,
        "max-inflight-partitions": max_inflight_partitions,
        "max-batches": max_batches,
    }
    given = ["--{}={}".format(name, value) for name, value in arguments.items() if value is not None]
    result: Dict[str, Any] = json.loads(cli_act(run_id, ["stream-sql-once", *given]))
    return result


if __name__ == "__main__":
    entry_point()
