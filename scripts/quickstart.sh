#!/usr/bin/env bash
# Builds Velaria, installs it into .venv and answers a question about real data. A second run takes seconds.
source "$(dirname "$0")/common.sh"

require_rust
python=$(find_python)
echo "== building (the first time this compiles DataFusion: about a quarter of an hour on two cores)"
make_venv "$VENV" "$python"
"$VENV/bin/python" -m pip install -q --disable-pip-version-check "$MATURIN"
(cd "$ROOT" && cargo build --release --locked --quiet -p velaria-cli)
(cd "$ROOT/pybind" && "$VENV/bin/maturin" build --quiet --locked --release --interpreter "$VENV/bin/python" --out "$DIST")

echo "== installing into .venv"
"$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-index --force-reinstall "$DIST"/velaria-*.whl
ln -sf "$CARGO_TARGET_DIR/release/velaria-cli" "$VENV/bin/velaria-cli-native"

echo "== departure delays by carrier, from sqllogic/data/flights_jan.csv (New York, January 2013)"
"$VENV/bin/velaria-cli" csv-sql -o table --csv "$ROOT/sqllogic/data/flights_jan.csv" --table flights --query \
    "SELECT carrier, COUNT(*) AS flights, ROUND(AVG(dep_delay), 1) AS mean_delay_minutes FROM flights GROUP BY carrier ORDER BY flights DESC, carrier"
