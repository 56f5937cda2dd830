"""The scripts that build, check and test the wheel: what they refuse, and that nothing is left out of the matrix."""

import ast
import base64
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List

import pytest

import extras
from support import ROOT

SCRIPTS = ROOT / "scripts"
INFO = "velaria-0.1.0.dist-info/"


@pytest.fixture
def ecosystem(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dict[str, ModuleType]]:
    """The modules of the regression, under the names that they have for each other."""
    names = [path.stem for path in (SCRIPTS / "ecosystem").glob("*.py") if path.stem != "__main__"]
    monkeypatch.syspath_prepend(str(SCRIPTS / "ecosystem"))
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def script(path: Path) -> Any:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location("_script_" + path.stem.strip("_"), path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_test_file_belongs_to_one_target(ecosystem: Dict[str, Any]) -> None:
    files: List[Path] = [path for found in ecosystem["test_steps"].test_files().values() for path in found]
    tests = ROOT / "pybind" / "tests"
    assert sorted(files) == sorted([*tests.glob("test_*.py"), *tests.glob("original/test_*.py")])
    assert all(ecosystem["test_steps"].test_files().values()), "a target has no file"


def test_the_original_has_as_many_cases_as_are_counted(ecosystem: Dict[str, Any]) -> None:
    files = sorted((ROOT / "pybind" / "tests" / "original").glob("test_*.py"))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    cases = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert (len(files), len(cases)) == (11, ecosystem["targets"].ORIGINAL_CASES)


def test_a_failed_step_is_a_row_and_the_next_one_runs(ecosystem: Dict[str, Any], tmp_path: Path) -> None:
    matrix_of = ecosystem["matrix"]
    matrix = matrix_of.Matrix()

    def fail() -> None:
        raise matrix_of.Failure("it broke")

    assert matrix.run("one", "good", lambda: matrix_of.Outcome(matrix_of.Counts(passed=3, skipped=1), "fine"))
    assert not matrix.run("one", "bad", fail)
    assert matrix.run("two", "none", lambda: matrix_of.Outcome(matrix_of.Counts(skipped=2)))
    assert matrix.run("two", "again", lambda: matrix_of.Outcome(matrix_of.Counts(passed=3), is_counted=False))
    assert matrix.totals == matrix_of.Counts(3, 1, 3)
    lines = matrix.table().splitlines()
    assert [line.split()[:3] for line in lines[2:]] == [
        ["one", "good", "passed"],
        ["one", "bad", "failed"],
        ["two", "none", "skipped"],
        ["two", "again", "passed"],
    ]
    assert lines[3].endswith("it broke")
    matrix.write(tmp_path / "matrix.json", {"wheel": "a.whl"}, tmp_path / "copy" / "m.json")
    written = json.loads((tmp_path / "copy" / "m.json").read_text())
    assert (written["ok"], written["wheel"], written["totals"]) == (False, "a.whl", {"passed": 3, "failed": 1, "skipped": 3})
    assert [row["status"] for row in written["rows"]] == ["passed", "failed", "skipped", "passed"]


def run_regression(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "ecosystem"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def test_the_groups_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "development" / "packaging.md").read_text(encoding="utf-8")
    table = page.split("| group | what it proves |")[1].split("\n\n")[0]
    said = re.findall(r"^  (\w+) ", run_regression("--help").stdout.split("groups:")[1], re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == said


def test_an_unknown_group_is_refused() -> None:
    done = run_regression("--only", "tests,tset")
    assert done.returncode == 2
    assert "unknown group tset" in done.stderr


def test_extras_are_the_same_everywhere(ecosystem: Dict[str, Any]) -> None:
    project = (ROOT / "pybind" / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE)
    assert declared == list(ecosystem["targets"].EXTRAS)
    assert set(extras.EXTRAS) == {"plain", *declared}
    assert set(extras.PROMISES) == set(extras.EXTRAS["all"])


METADATA = "Metadata-Version: 2.4\nName: velaria\nRequires-Dist: pyarrow>=16 ; extra == 'arrow'\nLicense-File: LICENSE\n"

PARTS = {"components": [{"name": name} for name in ("velaria-python", "datafusion", "arrow", "pyo3")]}


def contents() -> Dict[str, bytes]:
    """The files of a wheel in which nothing is wrong."""
    return {
        "velaria/__init__.py": b"",
        "velaria/py.typed": b"",
        "velaria/_velaria.pyi": b"",
        "velaria/_velaria.abi3.so": b"native",
        "velaria_cli.py": b"",
        INFO + "METADATA": METADATA.encode(),
        INFO + "WHEEL": b"Root-Is-Purelib: false\nTag: cp39-abi3-manylinux_2_35_x86_64\n",
        INFO + "entry_points.txt": b"[console_scripts]\nvelaria-cli=velaria.__main__:entry_point\n",
        INFO + "licenses/LICENSE": b"x" * 2000,
        INFO + "sboms/velaria.cyclonedx.json": json.dumps(PARTS).encode(),
    }


def wheel(folder: Path, files: Dict[str, bytes], name: str = "velaria-0.1.0-cp39-abi3-manylinux_2_35_x86_64.whl") -> Path:
    path = folder / name
    record = "".join(
        "{},sha256={},{}\n".format(file, base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode(), len(data))
        for file, data in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in {INFO + "RECORD": (record + INFO + "RECORD,,\n").encode(), **files}.items():
            archive.writestr(file, data)
    return path


@pytest.fixture
def validate(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = script(SCRIPTS / "validate_wheel.py")
    monkeypatch.setattr(module, "needed_libraries", lambda _: "libc.so.6")
    return module


def test_a_sound_wheel_is_accepted(validate: Any, tmp_path: Path, capsys: Any) -> None:
    validate.main(wheel(tmp_path, contents()))
    assert "no run-time requirement" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tests/test_a.py": b""}, "holds files outside of the package"),
        ({"velaria/py.typed": None}, "misses"),
        ({"velaria_cli.py": None}, "misses"),
        ({"velaria/_other.abi3.so": b""}, "other native modules"),
        ({"velaria/__pycache__/a.pyc": b""}, "holds"),
        ({INFO + "METADATA": METADATA.replace(" ; extra == 'arrow'", "").encode()}, "requires other packages"),
        ({INFO + "METADATA": METADATA.replace("License-File: LICENSE\n", "").encode()}, "has no licence file"),
        ({INFO + "WHEEL": b"Root-Is-Purelib: true\nTag: py3-none-any\n"}, "no native module"),
        ({INFO + "entry_points.txt": b"[console_scripts]\n"}, "installs no velaria-cli"),
        ({INFO + "sboms/velaria.cyclonedx.json": None}, "has no list of parts"),
        ({INFO + "sboms/velaria.cyclonedx.json": b'{"ref": "path+file:///home/me"}'}, "names a folder of this machine"),
        ({INFO + "sboms/velaria.cyclonedx.json": b'{"components": []}'}, "without the main ones"),
    ],
)
def test_a_wrong_wheel_is_refused(validate: Any, tmp_path: Path, changes: Dict[str, Any], message: str) -> None:
    files = {name: data for name, data in {**contents(), **changes}.items() if data is not None}
    with pytest.raises(SystemExit, match=message):
        validate.main(wheel(tmp_path, files))


def test_a_wheel_with_a_wrong_name_size_library_or_hash_is_refused(
    validate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="not tagged cp39-abi3"):
        validate.main(wheel(tmp_path, contents(), "velaria-0.1.0-cp311-cp311-linux_x86_64.whl"))
    sound = wheel(tmp_path, contents())
    changed = tmp_path / ("changed-" + sound.name)
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"changed" if name == "velaria/_velaria.abi3.so" else old.read(name))
    with pytest.raises(SystemExit, match="another hash in RECORD"):
        validate.main(changed)
    monkeypatch.setattr(validate, "needed_libraries", lambda _: "libpython3.11.so.1.0")
    with pytest.raises(SystemExit, match="links libpython"):
        validate.main(sound)
    monkeypatch.setattr(validate, "WHEEL_BYTES_MAX", 100)
    with pytest.raises(SystemExit, match="more than the budget"):
        validate.main(sound)
