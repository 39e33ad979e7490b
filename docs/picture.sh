#!/bin/bash
# Make docs/picture.svg from a running bot: `make picture`. It takes about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
# Long enough for some trades on a slow machine, so that the picture shows profits and fees.
trade_s=40
folder=$(mktemp -d)
.venv/bin/bot start --data-dir "$folder" --seed 1 2>"$folder.log" &
bot=$!
trap 'kill "$bot" 2>/dev/null || true; wait "$bot" || true; rm -rf "$folder" "$folder.log"' EXIT
for _ in $(seq 60); do
  .venv/bin/bot status --data-dir "$folder" >/dev/null 2>&1 && break
  sleep 1
done
sleep "$trade_s"
.venv/bin/bot tui --data-dir "$folder" --view vaults --screenshot docs/picture.svg
.venv/bin/bot stop --data-dir "$folder"
