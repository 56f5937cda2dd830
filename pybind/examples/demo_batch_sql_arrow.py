"""SQL over Arrow data in memory: who scored more than 20. Prints one JSON object with the keys ``schema`` and ``rows``.

A pyarrow table where pyarrow is installed, and columns as Python has them where it is not: the answer is the same.
"""

import json
from typing import Any, Dict, List

import velaria

SCORES: Dict[str, List[Any]] = {
    "name": ["alice", "bob", "alice", "carol", "bob", "alice"],
    "score": [10, 7, 15, 4, 9, 3],
}


def scores() -> Any:
    try:
        import pyarrow  # type: ignore
    except ImportError:
        return SCORES
    return pyarrow.table(SCORES)


def main() -> None:
    with velaria.Session() as session:
        session.create_temp_view("scores", session.create_dataframe_from_arrow(scores()))
        best = session.sql("""
            SELECT name, SUM(score) AS total
            FROM scores
            WHERE score > 5
            GROUP BY name
            HAVING total > 20
            LIMIT 10
        """)
        print(json.dumps(best.to_rows()))


if __name__ == "__main__":
    main()
