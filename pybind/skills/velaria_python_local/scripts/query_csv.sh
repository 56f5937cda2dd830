#!/usr/bin/env bash
# Asks a CSV file, a pattern of files, or - for standard input; in the query it is called input_table.
# Usage: query_csv.sh FILE "SELECT … FROM input_table" [options of velaria-cli csv-sql, such as -o table]
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || usage
file=$1 query=$2
shift 2
find_velaria
exec "${VELARIA[@]}" csv-sql --csv "$file" --query "$query" "$@"
