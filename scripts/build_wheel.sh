#!/usr/bin/env bash
# Builds the wheel into dist/ and checks it.
# Usage: scripts/build_wheel.sh [--profile NAME]   (the profile `dist` is for releases: its link takes long)
source "$(dirname "$0")/common.sh"

profile=release
if [ "${1:-}" = "--profile" ]; then profile=${2:?a profile name}; fi

require_rust
make_venv "$VENV" "$(find_python)"
"$VENV/bin/python" -m pip install -q --disable-pip-version-check "$MATURIN"
mkdir -p "$DIST"
rm -f "$DIST"/velaria-*.whl
"$VENV/bin/python" "$ROOT/scripts/sbom.py" > "$DIST/velaria.cyclonedx.json"
(cd "$ROOT/pybind" && "$VENV/bin/maturin" build --quiet --locked --profile "$profile" --compression-level 9 --interpreter "$VENV/bin/python" \
    --sbom-include "$DIST/velaria.cyclonedx.json" --out "$DIST")
"$VENV/bin/python" "$ROOT/scripts/validate_wheel.py" "$DIST"/velaria-*.whl
