"""The helper scripts for people and agents: one command for each question, over the command line of the wheel."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

import pytest

from support import ROOT, WATCHDOG_SECONDS

SKILL = ROOT / "pybind" / "skills" / "velaria_python_local"
BOOK = ROOT / "pybind" / "tests" / "fixtures" / "employee_import_mock.xlsx"


def script(name: str, *arguments: str, env: Optional[Dict[str, str]] = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(SKILL / "scripts" / name), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=WATCHDOG_SECONDS,
        env={**os.environ, "VELARIA_PYTHON_BIN": sys.executable, "VELARIA_CLI": "", **(env or {})},
    )


def answer(name: str, *arguments: str) -> Dict[str, object]:
    done = script(name, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    document: Dict[str, object] = json.loads(done.stdout)
    return document


def test_a_csv_file_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a b.csv"
    path.write_text("name,score\nalice,10\nbob,7\n")
    found = answer("query_csv.sh", str(path), "SELECT name FROM input_table WHERE score > :least", "--param", "least=8")
    assert found["rows"] == [{"name": "alice"}]


def test_a_workbook_is_asked() -> None:
    query = "SELECT dept, COUNT(*) AS people FROM input_table GROUP BY dept ORDER BY dept"
    found = answer("query_excel.sh", str(BOOK), query, "--sheet", "员工")
    assert found["rows"] == [{"dept": "Ops", "people": 1}, {"dept": "R&D", "people": 2}]


def test_a_sheet_is_read() -> None:
    found = answer("read_sheet.sh", str(BOOK))
    assert found["schema"] == ["employee_id", "name", "join_date", "dept"]
    rows = found["rows"]
    assert isinstance(rows, list) and len(rows) == 3


def test_the_smoke_test_passes() -> None:
    done = script("smoke.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"3 checks passed$", done.stdout)


def test_an_error_is_the_document_of_the_command_line() -> None:
    done = script("query_csv.sh", "missing.csv", "SELECT 1 FROM input_table")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error_type"] == "file_not_found"


@pytest.mark.parametrize("name", ["query_csv.sh", "query_excel.sh", "read_sheet.sh", "query_bitable.sh"])
def test_a_call_without_arguments_shows_the_usage(name: str) -> None:
    done = script(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: " + name in done.stderr


def test_bitable_needs_credentials_and_shows_none() -> None:
    secret = {"FEISHU_BITABLE_APP_ID": "cli_app", "FEISHU_BITABLE_APP_SECRET": ""}
    done = script("query_bitable.sh", "https://x.feishu.cn/base/app?table=tbl", "SELECT 1", env=secret)
    assert done.returncode != 0
    assert "FEISHU_BITABLE_APP_SECRET" in done.stderr


def test_a_bitable_table_is_asked() -> None:
    fake = pytest.importorskip("fake_bitable")
    with fake.FakeBitable() as service:
        service.field("owner", fake.PERSON)
        for owner in ("Bo", "Ada", "Bo"):
            service.add(owner=[{"name": owner}])
        env = {
            "FEISHU_BITABLE_APP_ID": fake.APP_ID,
            "FEISHU_BITABLE_APP_SECRET": fake.APP_SECRET,
            "VELARIA_BITABLE_SERVICE": service.url,
        }
        query = "SELECT owner, COUNT(*) AS n FROM input_table GROUP BY owner ORDER BY owner"
        done = script("query_bitable.sh", service.address(), query, "-o", "csv", env=env)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "owner,n\nAda,1\nBo,2\n")
        refused = script("query_bitable.sh", service.address(), "SELECT 1", env={**env, "FEISHU_BITABLE_APP_SECRET": "wrong-secret"})
        assert refused.returncode != 0
        assert "wrong-secret" not in refused.stdout + refused.stderr


def test_an_interpreter_without_the_package_is_named(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    done = script("query_csv.sh", "a.csv", "SELECT 1", env={"VELARIA_PYTHON_BIN": str(bare)})
    assert done.returncode == 2
    assert str(bare) in done.stderr


def test_the_page_names_every_script_and_none_else() -> None:
    page = (SKILL / "SKILL.md").read_text(encoding="utf-8")
    there: List[str] = sorted(path.name for path in (SKILL / "scripts").glob("*.sh") if path.name != "common.sh")
    assert sorted(set(re.findall(r"scripts/(\w+\.sh)", page))) == there
    assert re.match(r"---\nname: [a-z0-9-]+\ndescription: .+\n---\n", page)
