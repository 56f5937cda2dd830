#!/usr/bin/env bash
# Runs every command of a command line once, as a new user would; with --against also another command line, which has to
# print the same. Usage: scripts/cli_smoke.sh COMMAND... [--against COMMAND...]  (velaria-cli, or python -m velaria)
source "$(dirname "$0")/common.sh"

[ $# -gt 0 ] || die "which command?"
exec "$(find_python)" "$ROOT/scripts/smoke" "$@"
