"""Steps about the wheel itself: build, contents, audits, source distribution, uv."""

import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Set

from matrix import Counts, Failure, Outcome
from shell import DIST, ROOT, TESTS, last_line, run, tools_venv

AUDITORS = ("abi3audit>=0.0.25", "auditwheel>=6")
UV = "uv>=0.8"
MATURIN = "maturin>=1.9,<2"


def passed(detail: str = "") -> Outcome:
    return Outcome(Counts(passed=1), detail)


def build_wheel() -> Path:
    """Builds extension and wheel, and checks both."""
    run(ROOT / "scripts" / "build_wheel.sh")
    return find_wheel(DIST)


def find_wheel(folder: Path) -> Path:
    wheels = sorted(folder.glob("velaria-*.whl"))
    if len(wheels) != 1:
        raise Failure("{} holds {} wheels of velaria instead of one".format(folder.name, len(wheels)))
    return wheels[0]


def check_wheel(python: Path, wheel: Path) -> Outcome:
    """Contents, metadata, size and libraries of the native wheel."""
    return passed(last_line(run(python, ROOT / "scripts" / "validate_wheel.py", wheel).stdout))


def audit_abi3(python: Path, wheel: Path) -> Outcome:
    """Every symbol of Python that the module uses belongs to the stable interface of the version in the tag."""
    tools = tools_venv(python, *AUDITORS)
    report = json.loads(run(tools / "abi3audit", "--strict", "--report", wheel, quiet=True).stdout)
    (module,) = report["specs"][str(wheel)]["wheel"]
    result = module["result"]
    if not result["is_abi3"] or not result["is_abi3_baseline_compatible"] or result["non_abi3_symbols"]:
        raise Failure("not abi3: {}".format(json.dumps(result)))
    return passed("{}: abi3 of {}".format(module["name"], result["baseline"]))


def audit_manylinux(python: Path, wheel: Path) -> Outcome:
    """The libraries and versions that the module needs are those of the platform in the tag."""
    tools = tools_venv(python, *AUDITORS)
    said = " ".join(run(tools / "auditwheel", "show", wheel, quiet=True).stdout.split())
    tag = wheel.name[: -len(".whl")].split("-")[-1]
    if tag.startswith("linux_"):
        return Outcome(Counts(skipped=1), "built for this machine only ({})".format(tag))
    if '"{}"'.format(tag) not in said:
        raise Failure("auditwheel does not confirm {}: {}".format(tag, said))
    return passed(tag)


def sbom(python: Path) -> Outcome:
    """The list of parts is the same when it is made twice, and names no path of this machine."""
    made = [run(python, ROOT / "scripts" / "sbom.py", quiet=True).stdout for _ in range(2)]
    if made[0] != made[1]:
        raise Failure("two runs give two lists")
    if str(ROOT) in made[0] or str(Path.home()) in made[0]:
        raise Failure("names a folder of this machine")
    return passed("{} parts".format(len(json.loads(made[0])["components"])))


def sdist(python: Path, full: bool) -> Outcome:
    """The source distribution is whole: it resolves by its own lock file; with ``full`` it is built as well."""
    tools = tools_venv(python, MATURIN)
    with tempfile.TemporaryDirectory() as folder:
        # Unpacked by this very process from what it has just made, so nothing foreign is in it.
        run(tools / "maturin", "sdist", "--out", folder, cwd=ROOT / "pybind", quiet=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            names = packed.getnames()
            packed.extractall(folder)
        source = archive.with_name(archive.name[: -len(".tar.gz")])
        for wanted in ("PKG-INFO", "pyproject.toml", "LICENSE", "Cargo.lock"):
            if not any(Path(name).name == wanted and len(Path(name).parts) <= 3 for name in names):
                raise Failure("the source distribution misses {}".format(wanted))
        if any(name.endswith(".so") for name in names):
            raise Failure("the source distribution holds a built module")
        # Without --locked, as pip builds it: Cargo may take entries out of the lock file, and must not change any.
        run("cargo", "tree", "-p", "velaria-python", "--depth", "1", cwd=source, quiet=True)
        changed = locked_versions(source / "Cargo.lock") - locked_versions(ROOT / "Cargo.lock")
        if changed:
            raise Failure("the source distribution resolves to other versions: {}".format(", ".join(sorted(changed))))
        DIST.mkdir(exist_ok=True)
        shutil.copy(archive, DIST)
        if full:
            run(tools / "maturin", "build", "--locked", "--quiet", "--interpreter", python, "--out", folder, cwd=source_project(source))
            check_wheel(python, find_wheel(Path(folder)))
        size = archive.stat().st_size / 1e6
    return passed("{}, {:.1f} MB, {} files, {}".format(archive.name, size, len(names), "built" if full else "resolved, not built"))


def locked_versions(path: Path) -> Set[str]:
    """The packages of a lock file."""
    found = re.findall(r'^name = "(.+)"\nversion = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    return {"{} {}".format(name, version) for name, version in found}


def source_project(source: Path) -> Path:
    """Where the ``pyproject.toml`` of an unpacked source distribution is."""
    return source if (source / "pyproject.toml").is_file() else source / "pybind"


def uv_install(python: Path, wheel: Path) -> Outcome:
    """``uv`` makes an environment from the wheel, and runs a program with it."""
    uv = uv_program(python)
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        run(uv, "venv", "--quiet", "--python", python, venv, quiet=True)
        run(uv, "pip", "install", "--quiet", "--no-index", "--python", venv, wheel, quiet=True)
        run(venv / "bin" / "python", TESTS / "smoke.py")
        said = run(uv, "run", "--quiet", "--no-project", "--isolated", "--python", python, "--with", wheel, TESTS / "smoke.py", cwd=Path(folder))
    return Outcome(Counts(passed=2), "venv and pip install, run: {}".format(last_line(said.stdout)))


def uv_project(python: Path) -> Outcome:
    """``uv sync``, ``uv run`` and ``uv build`` in the project; they compile the extension if it is not."""
    uv = uv_program(python)
    with tempfile.TemporaryDirectory() as folder:
        env = {"UV_PROJECT_ENVIRONMENT": str(Path(folder) / "venv"), "UV_PYTHON": str(python)}
        # Not `--frozen`: the lock file is not part of the repository, each user resolves for their own index.
        run(uv, "sync", "--quiet", cwd=ROOT / "pybind", env=env)
        run(uv, "run", "--quiet", "python", TESTS / "smoke.py", cwd=ROOT / "pybind", env=env)
        run(uv, "build", "--quiet", "--wheel", "--out-dir", folder, cwd=ROOT / "pybind", env=env)
        built = find_wheel(Path(folder))
    return Outcome(Counts(passed=3), "sync, run, build: {}".format(built.name))


def uv_program(python: Path) -> Path:
    found = shutil.which("uv")
    return Path(found) if found else tools_venv(python, UV) / "uv"


def cargo_target() -> Path:
    return Path(os.environ["CARGO_TARGET_DIR"])
