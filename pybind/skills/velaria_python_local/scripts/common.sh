# Sourced by the scripts beside it: which Velaria answers.
#   VELARIA_CLI         the command line, such as dist/velaria-cli
#   VELARIA_PYTHON_BIN  an interpreter that has the package
# Without either: velaria-cli on the PATH, then python3 with the package, then uv with the wheel of this repository.

set -euo pipefail

fail() {
    printf '%s\n' "$*" >&2
    exit 2
}

# The interpreter that has the package, in PYTHON; several words where uv brings it.
find_python() {
    local candidate repository wheels
    if [ -n "${VELARIA_PYTHON_BIN:-}" ]; then
        "$VELARIA_PYTHON_BIN" -c "import velaria" 2>/dev/null || fail "VELARIA_PYTHON_BIN=$VELARIA_PYTHON_BIN cannot import velaria"
        PYTHON=("$VELARIA_PYTHON_BIN")
        return
    fi
    repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../.." && pwd)
    for candidate in "${VIRTUAL_ENV:-/nowhere}/bin/python" "$repository/.venv/bin/python" python3 python; do
        if "$candidate" -c "import velaria" 2>/dev/null; then
            PYTHON=("$candidate")
            return
        fi
    done
    wheels=("$repository"/dist/velaria-*.whl)
    if [ -f "${wheels[0]}" ] && command -v uv >/dev/null; then
        PYTHON=(uv run --quiet --no-project --isolated --with "${wheels[0]}" python)
        return
    fi
    fail "velaria is not installed: install the wheel, or set VELARIA_PYTHON_BIN or VELARIA_CLI"
}

# The command line, in VELARIA.
find_velaria() {
    if [ -n "${VELARIA_CLI:-}" ]; then
        command -v "$VELARIA_CLI" >/dev/null || fail "VELARIA_CLI=$VELARIA_CLI is not a program"
        VELARIA=("$VELARIA_CLI")
    elif [ -z "${VELARIA_PYTHON_BIN:-}" ] && command -v velaria-cli >/dev/null; then
        VELARIA=(velaria-cli)
    else
        find_python
        VELARIA=("${PYTHON[@]}" -m velaria)
    fi
}

# The text at the top of a script is its help.
usage() {
    sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
