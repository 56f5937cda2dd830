"""Checks that a wheel is what it says: one abi3 module, the package and nothing else, within the size budget.

Usage: validate_wheel.py WHEEL
"""

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import List

# The budget of the everyday profile, in bytes.
WHEEL_BYTES_MAX = 45_000_000

MODULE = "velaria/_velaria.abi3.so"

# The package, the command line for programs that import it, and the metadata.
ALLOWED = re.compile(r"velaria/|velaria_cli\.py$|velaria-[^/]+\.dist-info/")
REQUIRED = ("velaria/__init__.py", "velaria/py.typed", "velaria/_velaria.pyi", "velaria_cli.py", MODULE)

# Folders of a machine have no business in metadata.
MACHINE_PATH = re.compile(rb"file://|/home/|/root/|/tmp/|/Users/")


def check(condition: bool, message: str) -> None:
    if not condition:
        sys.exit(f"wheel: {message}")


def check_names(names: List[str]) -> None:
    foreign = [name for name in names if not ALLOWED.match(name)]
    check(not foreign, f"holds files outside of the package: {foreign}")
    missing = [name for name in REQUIRED if name not in names]
    check(not missing, f"misses {missing}")
    native = [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
    check(native == [MODULE], f"holds other native modules: {native}")
    unwanted = [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".rs"))]
    check(not unwanted, f"holds {unwanted}")


def check_metadata(wheel: zipfile.ZipFile, info: str) -> None:
    metadata = wheel.read(info + "METADATA").decode()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    check(not needed, f"requires other packages at run time: {needed}")
    check("\nLicense-File: LICENSE" in metadata, "has no licence file")
    check(len(wheel.read(info + "licenses/LICENSE")) > 1000, "has an empty licence file")
    said = wheel.read(info + "WHEEL").decode()
    check("Root-Is-Purelib: false" in said and "py3-none-any" not in said, "says that it holds no native module")
    check("velaria-cli=" in wheel.read(info + "entry_points.txt").decode().replace(" ", ""), "installs no velaria-cli")


def check_parts(wheel: zipfile.ZipFile, info: str) -> int:
    """The list of parts is there, and knows the crates that everything is built on."""
    path = info + "sboms/velaria.cyclonedx.json"
    check(path in wheel.namelist(), "has no list of parts: build it by scripts/build_wheel.sh")
    content = wheel.read(path)
    found = MACHINE_PATH.search(content)
    check(found is None, f"names a folder of this machine in its list of parts: {found}")
    parts = {part["name"] for part in json.loads(content)["components"]}
    check({"velaria-python", "datafusion", "arrow", "pyo3"} <= parts, "has a list of parts without the main ones")
    return len(parts)


def check_record(wheel: zipfile.ZipFile, info: str) -> None:
    """Every file is in RECORD, with the hash that it has."""
    rows = {row[0]: row[1] for row in csv.reader(io.StringIO(wheel.read(info + "RECORD").decode()))}
    for name in wheel.namelist():
        if name == info + "RECORD":
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
        check(rows.get(name) == "sha256=" + digest, f"has another hash in RECORD for {name}")
    check(set(rows) == set(wheel.namelist()), "has files in RECORD that it does not hold")


def needed_libraries(module: bytes) -> str:
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(module)
        file.flush()
        return subprocess.run(["readelf", "-d", file.name], check=True, capture_output=True, text=True).stdout


def main(path: Path) -> None:
    check("-cp39-abi3-" in path.name, f"{path.name} is not tagged cp39-abi3")
    size = path.stat().st_size
    check(size <= WHEEL_BYTES_MAX, f"{size} bytes are more than the budget of {WHEEL_BYTES_MAX}")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        check_names(names)
        info = next(name for name in names if name.endswith(".dist-info/METADATA"))[: -len("METADATA")]
        check_metadata(wheel, info)
        parts = check_parts(wheel, info)
        check_record(wheel, info)
        check("libpython" not in needed_libraries(wheel.read(MODULE)), "links libpython")
    budget = WHEEL_BYTES_MAX / 1e6
    print(f"wheel: {path.name}, {size / 1e6:.1f} MB (budget {budget:.0f} MB), {parts} parts, no run-time requirement, no libpython")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
