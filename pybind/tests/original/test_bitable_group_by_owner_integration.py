"""Owners of a real Bitable table; needs credentials and the network, so it is skipped unless they are given."""

import os
import unittest

from velaria import BitableClient, group_rows_by_field, group_rows_count_by_field

NEEDED = ("FEISHU_BITABLE_APP_ID", "FEISHU_BITABLE_APP_SECRET", "FEISHU_BITABLE_BASE_URL")


@unittest.skipUnless(all(os.environ.get(name) for name in NEEDED), "needs " + ", ".join(NEEDED))
class GroupByOwnerTest(unittest.TestCase):
    def test_owners_are_counted(self) -> None:
        client = BitableClient(os.environ["FEISHU_BITABLE_APP_ID"], os.environ["FEISHU_BITABLE_APP_SECRET"])
        rows = client.list_records_from_url(os.environ["FEISHU_BITABLE_BASE_URL"])
        field = os.environ.get("FEISHU_BITABLE_OWNER_FIELD", "owner")
        counts = group_rows_count_by_field(rows, field)
        self.assertEqual(sum(counts.values()), len(rows))
        self.assertEqual({key: len(group) for key, group in group_rows_by_field(rows, field).items()}, counts)


if __name__ == "__main__":
    unittest.main()
