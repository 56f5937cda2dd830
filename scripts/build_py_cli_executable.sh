#!/usr/bin/env bash
# Puts the command line into one file that needs no Python: the binary of engine/cli.
# Usage: scripts/build_py_cli_executable.sh [OUT_DIR=dist] [NAME=velaria-cli]
# The name of this script and its arguments are those of the original, whose file held an interpreter.
source "$(dirname "$0")/common.sh"

out_dir=${1:-$DIST}
name=${2:-velaria-cli}

require_rust
(cd "$ROOT" && cargo build --release --locked --quiet -p velaria-cli)
mkdir -p "$out_dir"
# A new file that takes the place of an old one: the old one may be running.
cp "$CARGO_TARGET_DIR/release/velaria-cli" "$out_dir/.$name.new"
if command -v strip >/dev/null; then strip "$out_dir/.$name.new"; fi
mv "$out_dir/.$name.new" "$out_dir/$name"
version=$("$out_dir/$name" --version)
echo "executable: $out_dir/$name, $(du -m "$out_dir/$name" | cut -f1) MB, $version"
