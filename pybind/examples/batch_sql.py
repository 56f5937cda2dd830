"""SQL over data in memory: who scored more than 20. Prints one JSON object with the keys ``schema`` and ``rows``."""

import json

import velaria

# A pyarrow, pandas or polars table can stand here as well.
SCORES = {
    "name": ["alice", "bob", "alice", "carol", "bob", "alice"],
    "score": [10, 7, 15, 4, 9, 3],
}


def main() -> None:
    with velaria.Session() as session:
        session.create_temp_view("scores", session.create_dataframe_from_arrow(SCORES))
        best = session.sql("""
            SELECT name, SUM(score) AS total
            FROM scores
            WHERE score > 5
            GROUP BY name
            HAVING total > 20
        """)
        print(json.dumps(best.to_rows()))


if __name__ == "__main__":
    main()
