#!/usr/bin/env bash
# Asks a Bitable table of Feishu or Lark by its address; in the query it is called input_table.
# Usage: query_bitable.sh URL "SELECT … FROM input_table" [options of velaria-cli file-sql, such as -o table]
# FEISHU_BITABLE_APP_ID and FEISHU_BITABLE_APP_SECRET are the credentials; VELARIA_BITABLE_SERVICE is the address of the
# service where it is not that of the URL. Lists and structs are text: the first value, the name of a person. The rows are
# kept in a temporary file until the query is answered.
source "$(dirname "$0")/common.sh"

[ $# -ge 2 ] || usage
: "${FEISHU_BITABLE_APP_ID:?the id of an application}" "${FEISHU_BITABLE_APP_SECRET:?its secret}"
url=$1 query=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
find_python
# The address goes by the arguments, and the credentials stay in the environment: neither becomes code.
"${PYTHON[@]}" - "$url" "$folder/rows.arrow" <<'PROGRAM'
import os
import sys

import velaria
from velaria.bitable import BitableClient, read_bitable

try:
    client = BitableClient.from_env(base_url=os.environ.get("VELARIA_BITABLE_SERVICE") or None)
    with velaria.Session() as session:
        read_bitable(session, sys.argv[1], client=client, flat=True).write_arrow(sys.argv[2])
except velaria.Error as error:
    sys.exit(str(error))
PROGRAM
"${PYTHON[@]}" -m velaria file-sql --input-type arrow --input-path "$folder/rows.arrow" --query "$query" "$@"
