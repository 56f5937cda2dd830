#!/usr/bin/env bash
# Asks a sheet of a workbook (xlsx, xls, xlsb, ods); in the query it is called input_table.
# Usage: query_excel.sh FILE "SELECT … FROM input_table" [--sheet NAME_OR_NUMBER] [options of velaria-cli file-sql]
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || usage
file=$1 query=$2
shift 2
options=()
if [ "${1:-}" = "--sheet" ]; then
    options=(--option "sheet=${2:?the name of a sheet, or its number from 0 on}")
    shift 2
fi
find_velaria
exec "${VELARIA[@]}" file-sql --input-type excel --input-path "$file" --query "$query" ${options[@]+"${options[@]}"} "$@"
