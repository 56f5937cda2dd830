#!/usr/bin/env bash
# The Python regression: extension and wheel, audits, clean environments, grouped tests, examples, command line, corpus.
# Prints the matrix of what was run as a table, and writes it as JSON.
# The whole suite runs on one interpreter (VELARIA_PYTHON_BIN, or the first that fits); every other CPython from 3.9 on
# that is found installs the same wheel and runs the smoke program.
# Usage: scripts/run_python_ecosystem_regression.sh [--wheel FILE] [--only GROUP,...] [--skip GROUP,...] [--full]
#            [--results FOLDER] [--json FILE]      (--help says more)
source "$(dirname "$0")/common.sh"

python=$(find_python)
export VELARIA_PYTHON_BIN="$python"
exec "$python" "$ROOT/scripts/ecosystem" "$@"
