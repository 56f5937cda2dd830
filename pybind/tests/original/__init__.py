"""What programs written for the original Velaria do: its public behaviour, re-created from the contract.

Eleven files with its names and 35 cases, in its style (``unittest``), written anew. They use nothing but what the
original offers, so they also say what "keeps working" means. Run them with ``pytest tests/original`` from ``pybind``,
or with ``python -m unittest discover -t tests -s tests/original``.
"""

import sys
from pathlib import Path

# The original is run with its sources on the path; ``velaria_cli`` is a module beside the package there.
if not any((Path(entry) / "velaria_cli.py").is_file() for entry in sys.path if entry):
    sys.path.append(str(Path(__file__).resolve().parents[2]))
