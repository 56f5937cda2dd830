#!/usr/bin/env bash
# Proves that DataFusion and everything below it has the same features in every build of the workspace: tests, command
# line and wheel. One feature of difference would compile DataFusion a second time. What to do about a difference: name
# the feature in the pins of engine/connector/Cargo.toml.
source "$(dirname "$0")/common.sh"
cd "$ROOT"

features() { cargo tree --locked --prefix none -f '{p}|{f}' "$@" | sed 's/ (\*)$//' | sort -u; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

features -e normal -p velaria-connector | grep -v '^velaria' > "$work/below"
for package in velaria velaria-cli velaria-conformance velaria-golden velaria-bench velaria-python; do
    for edges in normal normal,dev; do
        features -e "$edges" -p "$package" > "$work/found"
        grep -q '^datafusion v' "$work/found" || continue
        # Each package of the closure must be there with exactly the same features.
        missing=$(comm -23 "$work/below" "$work/found")
        [ -z "$missing" ] || die "$package ($edges) builds these with other features than velaria-connector: $missing"
    done
done
echo "features: $(wc -l < "$work/below") packages below DataFusion are the same in every build"
