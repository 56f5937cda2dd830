"""A CSV file is kept in a second form that later sessions read, in the place and format of the environment."""

import os
import tempfile
import unittest
from pathlib import Path
from typing import List
from unittest import mock

from velaria import Session

QUERY = "SELECT COUNT(*) AS row_count, SUM(amount) AS total_amount FROM source_input WHERE id > 15000"


class SourceMaterializationTest(unittest.TestCase):
    def check(self, form: str, file_name: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source.csv"
            with source.open("w", encoding="utf-8") as file:
                file.write("id,amount\n")
                file.writelines("{},{}\n".format(number, number * 1.25) for number in range(1, 20001))
            cache = Path(folder) / "cache"
            environment = {"VELARIA_MATERIALIZATION_DIR": str(cache), "VELARIA_MATERIALIZATION_FORMAT": form}
            with mock.patch.dict(os.environ, environment):
                session = Session()
                written: List[int] = []
                for _ in range(2):
                    # The second time takes the name again.
                    session.create_temp_view("source_input", session.read_csv(str(source)))
                    self.assertEqual(session.sql(QUERY).to_rows()["rows"], [[5000, 109378125.0]])
                    (data,) = cache.rglob(file_name)
                    self.assertEqual(len(list(cache.rglob("meta.txt"))), 1)
                    written.append(data.stat().st_mtime_ns)
                self.assertEqual(written[0], written[1], "the second read writes nothing")

    def test_rows_in_batches(self) -> None:
        self.check("binary_row_batch", "table.bin")

    def test_arrow_ipc(self) -> None:
        self.check("nanoarrow_ipc", "table.nanoarrow")


if __name__ == "__main__":
    unittest.main()
