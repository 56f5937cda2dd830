"""Workbooks: the fixture with employees, and one that pandas has written."""

import datetime
import tempfile
import unittest
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pytest.importorskip("openpyxl")

from velaria import Session, read_excel  # noqa: E402

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "employee_import_mock.xlsx"


class ReadExcelTest(unittest.TestCase):
    def test_employees_are_text(self) -> None:
        frame = read_excel(Session(), str(FIXTURE), sheet_name="员工", date_format="%Y-%m-%d")
        self.assertEqual(
            frame.to_rows(),
            {
                "schema": ["employee_id", "name", "join_date", "dept"],
                "rows": [
                    ["E1001", "Alice", "2024-02-01", "R&D"],
                    ["E1002", "Bob", "2024-02-05", "Ops"],
                    ["E1003", "Alice", "2024-02-10", "R&D"],
                ],
            },
        )

    def test_what_pandas_writes_is_read_back(self) -> None:
        written = pd.DataFrame(
            {
                "name": ["alice", "bob"],
                "joined": [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2)],
                "score": [10, 20],
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "people.xlsx"
            written.to_excel(path, index=False)
            session = Session()
            session.create_temp_view("excel_people", read_excel(session, str(path)))
            rows = session.sql("SELECT name, joined, score FROM excel_people").to_rows()["rows"]
        self.assertEqual(rows[0][:2], ["alice", "2024-01-01"])
        self.assertEqual(rows[1][2], 20)
        self.assertIsInstance(rows[1][2], int)


if __name__ == "__main__":
    unittest.main()
