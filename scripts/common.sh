# Shared by the scripts; sourced, not run.
# One target folder outside of the checkout, so that a fresh clone on the same machine does not build DataFusion again.

set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/velaria/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
# What `velaria-cli --version --json` says it was built of; nothing outside of a checkout.
VELARIA_COMMIT=$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || true)
export VELARIA_COMMIT
VENV="$ROOT/.venv"
DIST="$ROOT/dist"
MATURIN="maturin>=1.9,<2"

die() { echo "error: $*" >&2; exit 1; }

# The interpreter that builds and tests: VELARIA_PYTHON_BIN, or the first python3 of at least 3.9.
find_python() {
    local candidate
    for candidate in "${VELARIA_PYTHON_BIN:-}" python3 python3.13 python3.12 python3.11 python3.10 python3.9; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        [ "$candidate" != "${VELARIA_PYTHON_BIN:-}" ] || die "VELARIA_PYTHON_BIN=$candidate is not a Python of at least 3.9 with venv"
    done
    die "no Python of at least 3.9 found; set VELARIA_PYTHON_BIN"
}

# Runs one step and remembers how long it took.
STEPS=()
step() {
    local name=$1 started=$SECONDS
    shift
    echo "== $name"
    "$@"
    STEPS+=("$(printf '%6d s  %s' $((SECONDS - started)) "$name")")
}

print_steps() { printf '%s\n' "== time of each step" "${STEPS[@]}"; }

require_rust() {
    command -v cargo >/dev/null || die "cargo is not installed; rust-toolchain.toml says which version is needed"
    command -v cc >/dev/null || install_debian gcc libc6-dev
}

install_debian() {
    command -v apt-get >/dev/null || die "please install: $*"
    local run=()
    [ "$(id -u)" = 0 ] || run=(sudo)
    "${run[@]}" apt-get update -qq
    "${run[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# A browser for the tests of reports, where Debian has one; without it they say that they were skipped.
want_chromium() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "${VELARIA_CHROMIUM:-}" ] || {
        command -v apt-get >/dev/null || return 0
        (install_debian chromium) || echo "chromium cannot be installed: the tests of reports in a browser are skipped" >&2
    }
}

# Which Python an interpreter is, whatever environment it stands in.
identity() { "$1" -c 'import sys; print(sys.base_prefix, sys.version)'; }

# A virtual environment at $1 for the interpreter $2, made when it is missing or of another interpreter.
make_venv() {
    local target=$1 python=$2
    if ! "$target/bin/python" -c 'import pip' 2>/dev/null || [ "$(identity "$target/bin/python")" != "$(identity "$python")" ]; then
        rm -rf "$target"
        "$python" -m venv "$target"
    fi
}
