#!/usr/bin/env bash
# The Python regression: wheel, install in clean environments, tests, demos, command line smoke.
# The whole suite runs on one interpreter (VELARIA_PYTHON_BIN, or the first that fits); every other CPython from 3.9 on
# that is found installs the same wheel and runs the smoke program.
# Usage: scripts/run_python_ecosystem_regression.sh [--results FOLDER]
source "$(dirname "$0")/common.sh"

results=$(mktemp -d)
if [ "${1:-}" = "--results" ]; then results=${2:?a folder}; fi
python=$(find_python)

build() { "$ROOT/scripts/build_wheel.sh"; }

install() {
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check -r "$ROOT/pybind/tests/requirements.txt" \
        -r "$ROOT/pybind/tests/requirements-vectors.txt"
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-index --force-reinstall "$DIST"/velaria-*.whl
}

python_tests() {
    (cd "$ROOT/pybind" && timeout 1200 "$VENV/bin/python" -m pytest -q tests --junitxml "$results/pytest.xml")
}

demos() {
    local demo
    for demo in "$ROOT"/pybind/examples/*.py; do
        (cd "$ROOT" && "$VENV/bin/python" "$demo" >/dev/null) || die "demo $demo failed"
        echo "demo $(basename "$demo"): ok" | tee -a "$results/demos.txt"
    done
}

smoke() {
    "$ROOT/scripts/cli_smoke.sh" "$VENV/bin/velaria-cli" | tee "$results/smoke-wheel.txt"
    "$ROOT/scripts/cli_smoke.sh" "$VENV/bin/python" -m velaria | tee "$results/smoke-module.txt"
}

# Every CPython from 3.9 on, one for each minor version, without the one that ran the whole suite.
other_pythons() {
    local main candidate version seen=" "
    main=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 $(compgen -c | grep -E '^python3\.[0-9]+$' | sort -u); do
        version=$("$candidate" -c 'import sys, venv; assert sys.version_info >= (3, 9); print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        [ "$version" != "$main" ] && [[ "$seen" != *" $version "* ]] || continue
        seen+="$version "
        command -v "$candidate"
    done
}

matrix() {
    local other venv
    for other in $(other_pythons); do
        venv=$(mktemp -d)
        "$other" -m venv "$venv"
        "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-index "$DIST"/velaria-*.whl
        "$venv/bin/python" "$ROOT/pybind/tests/smoke.py" | tee -a "$results/matrix.txt"
        rm -rf "$venv"
    done
}

step "wheel" build
step "install into a clean environment" install
step "python tests" python_tests
step "demos" demos
step "command line smoke" smoke
step "other interpreters" matrix
print_steps
