#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, on a socket that nobody else knows; MEDIASTACK_TEST_POSTGRES is its address.
# The server and its files are gone when the command ends.
set -euo pipefail

binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$binaries" ] || { echo 'postgres: not installed; `make setup` installs it' >&2; exit 1; }

folder=$(mktemp -d)
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
  # PostgreSQL refuses to run as root.
  chown postgres "$folder"
  as_owner=(runuser -u postgres --)
fi
stop() {
  "${as_owner[@]}" "$binaries/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

cd "$folder"
"${as_owner[@]}" "$binaries/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
# A test's database need not survive a power cut.
"${as_owner[@]}" "$binaries/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
  -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c max_connections=200" start >/dev/null \
  || { cat "$folder/log" >&2; exit 1; }
cd "$OLDPWD"
export MEDIASTACK_TEST_POSTGRES="postgres://postgres@localhost/postgres?host=$folder"
"$@"
