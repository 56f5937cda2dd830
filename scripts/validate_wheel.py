"""Checks that a wheel is what it says: one abi3 module, the package, the module ``velaria_cli`` and nothing else, within the
size budget."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# The budget of the everyday profile, in bytes.
WHEEL_BYTES_MAX = 45_000_000

# The command line for programs that import it; everything else is in the package.
MODULE = "velaria_cli.py"


def check(condition: bool, message: str) -> None:
    if not condition:
        sys.exit(f"wheel: {message}")


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
        foreign = [name for name in names if not name.startswith(("velaria/", "velaria-")) and name != MODULE]
        check(not foreign, f"holds files outside of the package: {foreign}")
        for required in (MODULE, "velaria/__init__.py", "velaria/py.typed", "velaria/_velaria.pyi", "velaria/_velaria.abi3.so"):
            check(required in names, f"misses {required}")
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        check(b"Requires-Dist" not in wheel.read(metadata), "requires other packages at run time")
        check("libpython" not in needed_libraries(wheel.read("velaria/_velaria.abi3.so")), "links libpython")
    print(f"wheel: {path.name}, {size / 1e6:.1f} MB (budget {WHEEL_BYTES_MAX / 1e6:.0f} MB), no run-time requirement, no libpython")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
