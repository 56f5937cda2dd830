"""Bitable records by a client whose transport is overridden, pasted URLs, groups, and records as a stream."""

import unittest
from typing import Any, Dict, List, Optional, Tuple

import pytest

pytest.importorskip("pyarrow")

from velaria import (  # noqa: E402
    BitableClient,
    Session,
    create_stream_from_custom_source,
    group_rows_by_field,
    group_rows_count_by_field,
)

PAGES: Dict[Optional[str], Dict[str, Any]] = {
    None: {
        "items": [
            {"record_id": "rec1", "fields": {"task": "write", "owner": "alice"}},
            {"record_id": "rec2", "fields": {"task": "test", "owner": "bob"}},
        ],
        "has_more": True,
        "page_token": "page-2",
    },
    "page-2": {
        "items": [{"record_id": "rec3", "fields": {"task": "ship", "owner": "alice"}}],
        "has_more": False,
    },
}


class PagedClient(BitableClient):
    """Answers from ``PAGES`` instead of the network."""

    calls: List[Tuple[str, str, Dict[str, Any]]]

    def _request_with_token(self, method: str, url: str, body: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        assert body is not None
        if not hasattr(self, "calls"):
            self.calls = []
        self.calls.append((method, url, dict(body)))
        return {"code": 0, "msg": "success", "data": PAGES[body.get("page_token")]}


class BitableTest(unittest.TestCase):
    def test_all_pages_are_read_in_two_calls(self) -> None:
        client = PagedClient("app-id", "app-secret")
        rows = client.list_records("appToken", "tblTable", page_size=2)
        self.assertEqual([row["task"] for row in rows], ["write", "test", "ship"])
        self.assertEqual(len(client.calls), 2)
        for method, url, _ in client.calls:
            self.assertEqual(method, "POST")
            self.assertIn("/apps/appToken/tables/tblTable/records/search", url)
        self.assertEqual([body.get("page_token") for _, _, body in client.calls], [None, "page-2"])

    def test_urls_name_application_table_and_view(self) -> None:
        parse = BitableClient.parse_bitable_url
        self.assertEqual(tuple(parse("https://x.feishu.cn/base/appA/tables/tblB?view=vewC")), ("appA", "tblB", "vewC"))
        self.assertEqual(tuple(parse("https://x.feishu.cn/base/appA/tables/tblB")), ("appA", "tblB", None))
        with self.assertRaises(ValueError):
            parse("https://x.feishu.cn/docs/abc")

    def test_rows_are_grouped_by_the_name_in_a_field(self) -> None:
        rows: List[Dict[str, Any]] = [
            {"owner": "alice"},
            {"owner": ["alice", "bob"]},
            {"owner": {"name": "carol", "id": "1"}},
            {"owner": None},
            {},
            {"owner": 7},
        ]
        self.assertEqual(group_rows_count_by_field(rows, "owner"), {"alice": 2, "carol": 1, "": 2, "7": 1})
        self.assertEqual(group_rows_by_field(rows, "owner")["alice"], rows[:2])

    def test_records_are_the_rows_of_a_stream(self) -> None:
        rows = PagedClient("app-id", "app-secret").list_records_from_url(
            "https://x.feishu.cn/base/appToken/tables/tblTable?view=vewView", page_size=2
        )
        self.assertEqual(len(rows), 3)
        session = Session()
        stream = create_stream_from_custom_source(session, rows, emit_interval_seconds=3600.0, emit_rows=2)
        session.create_temp_view("bitable_records", stream)
        counted = session.stream_sql("SELECT owner, COUNT(*) AS tasks FROM bitable_records GROUP BY owner")
        self.assertIsNotNone(counted)
        self.assertEqual(group_rows_count_by_field(rows, "owner"), {"alice": 2, "bob": 1})


if __name__ == "__main__":
    unittest.main()
