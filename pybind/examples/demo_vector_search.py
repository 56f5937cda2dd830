"""Exact vector search in memory: the nearest of four vectors. Prints the hits and what the search says about itself."""

import json
from typing import Any, Dict, List

import velaria

# A two-dimensional numpy array, or a table of pyarrow or polars, can stand here as well; its vectors are not copied.
ITEMS: Dict[str, List[Any]] = {
    "name": ["east", "mostly east", "north", "west"],
    "embedding": [[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]],
}
EAST = [1.0, 0.0, 0.0]


def main() -> None:
    with velaria.Session() as session:
        session.create_temp_view("items", session.create_dataframe_from_arrow(ITEMS))
        nearest = session.vector_search("items", "embedding", EAST, top_k=3, columns=["name"])
        print(json.dumps(nearest.to_rows()))
        close = session.hybrid_search("items", "embedding", EAST, score_threshold=0.5, filter="name <> 'east'")
        print(json.dumps([row[0] for row in close.fetchall()]))
        print(session.explain_vector_search("items", "embedding", EAST, top_k=3), end="")


if __name__ == "__main__":
    main()
