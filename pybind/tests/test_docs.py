"""Every ```python and ```sh block of the README and the docs runs as it stands from the root of the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Tuple

import pytest

pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[Tuple[str, str, str]]:
    for path in [ROOT / "README.md", ROOT / "pybind" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path.relative_to(ROOT).as_posix()}:{line}", found[1], found[2]


CASES = list(blocks())


@pytest.mark.parametrize("language, code", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_block_runs(language: str, code: str) -> None:
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-euc", code]
    # The velaria-cli of the wheel under test comes first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    result = subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert '"ok": false' not in result.stdout, result.stdout


def test_the_readme_has_both_kinds_of_examples() -> None:
    kinds = [language for name, language, _ in CASES if name.startswith("README.md:")]
    assert kinds.count("python") >= 2 and kinds.count("sh") >= 1
