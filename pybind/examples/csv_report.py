"""A report over a CSV file: the flights of each carrier. The file can be named as the first argument."""

import sys
from pathlib import Path

import velaria

FLIGHTS = Path(__file__).resolve().parents[2] / "sqllogic" / "data" / "flights_jan.csv"


def main(path: Path) -> None:
    with velaria.Session() as session:
        session.create_temp_view("flights", session.read_csv(path))
        report = session.sql("""
            SELECT
                carrier,
                COUNT(*) AS flights,
                COUNT(*) - COUNT(dep_time) AS cancelled,
                ROUND(AVG(dep_delay), 1) AS mean_delay_minutes,
                SUM(distance) AS miles
            FROM flights
            GROUP BY carrier
            ORDER BY flights DESC, carrier
        """)
        report.show()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FLIGHTS)
