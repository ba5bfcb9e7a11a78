#!/usr/bin/env bash
# Assembles the fork server's machine code. usage: tools/assemble.sh SOURCE.S OUTPUT.bin
set -euo pipefail
object=$(mktemp)
trap 'rm -f "$object"' EXIT
as --64 -o "$object" "$1"
objcopy -O binary -j .text "$object" "$2"
