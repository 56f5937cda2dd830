#!/usr/bin/env bash
# Runs a command line as a new user would. Usage: scripts/cli_smoke.sh COMMAND...  (velaria-cli, or python -m velaria)
source "$(dirname "$0")/common.sh"

[ $# -gt 0 ] || die "which command?"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
printf 'name,score\nalice,10\nbob,22.5\nalice,15\n' > scores.csv
passed=0

expect() {
    local what=$1 wanted=$2 code=$3 out status=0
    shift 3
    out=$("$@" 2>stderr.txt) || status=$?
    [ "$status" = "$code" ] || die "$what: exit code $status instead of $code: $out"
    [[ "$out" == *"$wanted"* ]] || die "$what: no '$wanted' in: $out"
    passed=$((passed + 1))
}

query="SELECT name, SUM(score) AS total FROM input_table GROUP BY name ORDER BY name"
expect "json by default" '"total": 25.0' 0 "$@" csv-sql --csv scores.csv --query "$query"
expect "table" '3 rows' 0 "$@" csv-sql --csv scores.csv --query "SELECT * FROM input_table" -o table
expect "csv" $'name,total\nalice,25.0' 0 "$@" csv-sql --csv scores.csv --query "$query" -o csv
expect "ndjson" '{"name":"alice","total":25.0}' 0 "$@" csv-sql --csv scores.csv --query "$query" -o ndjson
expect "markdown" '| alice |' 0 "$@" csv-sql --csv scores.csv --query "$query" -o markdown
printf 'id,v\n1,[1 0]\n2,[0 1]\n' > vectors.csv
expect "vector search" '"row_id": 1' 0 "$@" vector-search --csv vectors.csv --vector-column v --query-vector "0,1" --top-k 1
expect "missing file" '"error_type": "file_not_found"' 1 "$@" csv-sql --csv missing.csv --query "$query"
expect "usage error" 'the following arguments are required: --query' 1 "$@" csv-sql --csv scores.csv
expect "unknown column" '"code": "VEL-2001"' 1 "$@" csv-sql --csv scores.csv --query "SELECT nope FROM input_table"
[ ! -s stderr.txt ] || die "errors of contract commands belong on standard output: $(cat stderr.txt)"
expect "read-only" '"code": "VEL-6004"' 1 "$@" csv-sql --csv scores.csv --query "DROP VIEW input_table"
expect "timeout" '"code": "VEL-8003"' 1 "$@" sql --timeout 0.2 "SELECT COUNT(*) FROM range(1000000000000000) AS t(v) WHERE v % 7 = 9"
expect "memory limit" '"code": "VEL-8001"' 1 "$@" sql --memory-limit 16MiB "SELECT array_agg(v) FROM range(100000000) AS t(v)"
export VELARIA_HOME="$work/home"
expect "tracked run" '"status": "succeeded"' 0 "$@" run start --tag smoke -- csv-sql --csv scores.csv --query "$query"
run_id=$("$@" run list --tag smoke | sed -n 's/.*"run_id": "\([^"]*\)".*/\1/p')
expect "result of a run" '"total": 25.0' 0 "$@" run result --run-id "$run_id"
expect "unknown run" 'run not found: missing-run' 1 "$@" run show --run-id missing-run
expect "help" 'Example:' 0 "$@" csv-sql --help
"$@" csv-sql --csv scores.csv --query "$query" -o parquet > result.parquet
[ "$(head -c 4 result.parquet)" = PAR1 ] || die "parquet: no magic"
echo "cli smoke ($*): $((passed + 1)) checks passed"
