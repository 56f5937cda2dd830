#!/usr/bin/env bash
# Proves that the scripts beside this one answer: a CSV file and a workbook, made in a temporary folder.
# Usage: smoke.sh
source "$(dirname "$0")/common.sh"

scripts=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
find_velaria
passed=0

expect() {
    local what=$1 wanted=$2 found
    shift 2
    found=$("$@") || fail "$what: exit code $?: $found"
    [ "$found" = "$wanted" ] || fail "$what: '$found' instead of '$wanted'"
    passed=$((passed + 1))
}

printf 'name,score\nalice,10\nbob,22.5\nalice,15\n' > "$folder/scores.csv"
totals="SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name"
expect "a CSV file" $'name,total\nalice,25.0\nbob,22.5' "$scripts/query_csv.sh" "$folder/scores.csv" "$totals" -o csv
"$scripts/query_csv.sh" "$folder/scores.csv" "SELECT * FROM input_table" -o xlsx > "$folder/scores.xlsx"
expect "a workbook" $'name,total\nalice,25.0\nbob,22.5' "$scripts/query_excel.sh" "$folder/scores.xlsx" "$totals" -o csv
expect "a sheet" $'name,score\nalice,10.0\nbob,22.5\nalice,15.0' "$scripts/read_sheet.sh" "$folder/scores.xlsx" --sheet 0 -o csv
echo "helper scripts (${VELARIA[*]}): $passed checks passed"
