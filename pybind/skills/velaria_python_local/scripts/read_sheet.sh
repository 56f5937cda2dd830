#!/usr/bin/env bash
# Prints the rows of a sheet of a workbook, as JSON unless an option says otherwise.
# Usage: read_sheet.sh FILE [--sheet NAME_OR_NUMBER] [options of velaria-cli file-sql, such as -o csv]
source "$(dirname "$0")/common.sh"

[ $# -ge 1 ] || usage
file=$1
shift
exec "$(dirname "$0")/query_excel.sh" "$file" "SELECT * FROM input_table" "$@"
