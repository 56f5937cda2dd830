#!/usr/bin/env bash
# Every check of the repository, from an empty cache if need be. Ends with one line of counts.
source "$(dirname "$0")/common.sh"
cd "$ROOT"

RESULTS=$(mktemp -d)
python=$(find_python)

# Whatever happens, the last lines say what was run.
finish() {
    local status=$?
    print_steps
    "$python" "$ROOT/scripts/summary.py" "$RESULTS" "$status"
    rm -rf "$RESULTS"
    exit "$status"
}

format() { cargo fmt --all --check; }

build() { cargo build --release --locked --workspace --exclude velaria-python; }

lint() {
    cargo clippy --release --locked --workspace --exclude velaria-python --all-targets -- -D warnings
    PYO3_BUILD_EXTENSION_MODULE=1 cargo clippy --release --locked -p velaria-python -- -D warnings
}

rust_tests() { cargo test --release --locked --workspace --exclude velaria-python 2>&1 | tee "$RESULTS/cargo.txt"; }

policy() {
    local tools="${XDG_CACHE_HOME:-$HOME/.cache}/velaria/tools"
    if [ ! -x "$tools/bin/cargo-deny" ]; then
        CARGO_TARGET_DIR="$tools/target" cargo install --quiet --locked --root "$tools" --version "=0.20.2" cargo-deny
        rm -rf "$tools/target"
    fi
    "$tools/bin/cargo-deny" --log-level error check bans licenses sources
}

# Without the corpus, which the step "conformance" runs on all surfaces.
regression() { "$ROOT/scripts/run_python_ecosystem_regression.sh" --skip corpus --results "$RESULTS"; }

conformance() {
    "$CARGO_TARGET_DIR/release/velaria-conformance" run --suite core --python "$VENV/bin/python" \
        --cli "$CARGO_TARGET_DIR/release/velaria-cli" --json "$RESULTS/conformance.json"
}

# Batch queries over micro-batches: the law that a stream ends with the rows of the batch query.
replay() {
    "$CARGO_TARGET_DIR/release/velaria-conformance" run --suite replay --json "$RESULTS/replay.json"
}

# Stream queries in processes that are killed at random moments: nothing is lost, nothing is there twice.
kills() {
    "$CARGO_TARGET_DIR/release/velaria-conformance" kill --trials 100 --seed 1 | tee "$RESULTS/kills.txt"
}

# Tracked runs that are started at the same time, and some killed: no record is lost, none is there twice. 640 runs are a
# matter of a minute or two: `velaria-conformance runs`.
tracked_runs() {
    "$CARGO_TARGET_DIR/release/velaria-conformance" runs --rounds 3 --parallel 16 --kill 0.2 \
        --cli "$CARGO_TARGET_DIR/release/velaria-cli" | tee "$RESULTS/runs.txt"
}

smoke() { "$ROOT/scripts/cli_smoke.sh" "$CARGO_TARGET_DIR/release/velaria-cli" | tee "$RESULTS/smoke-binary.txt"; }

require_rust
trap finish EXIT
step "format" format
step "one feature set" "$ROOT/scripts/check_features.sh"
step "build" build
step "rust tests" rust_tests
step "lint" lint
step "licences, bans and sources" policy
step "browser" want_chromium
step "python regression" regression
step "command line smoke (binary)" smoke
step "conformance" conformance
step "batch queries as streams" replay
step "stream queries killed at random" kills
step "tracked runs killed at random" tracked_runs
