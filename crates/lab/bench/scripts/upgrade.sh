#!/bin/sh
# The upgrade as people script it: stop, tar and dump, unpack, migrate, start. Arguments: ROOT BUILD ARCHIVE PORT BACKUPS [DATABASE-URL].
set -eu
root=$1 build=$2 archive=$3 port=$4 backups=$5
export REFIT_ROOT="$root" REFIT_PARAM_PORT="$port"
pid=$(cat "$root/service.pid")
kill -TERM "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
tar -czf "$backups/files-$build.tar.gz" -C "$root" releases data
python3 - "$root/data/ledger.db" "$backups/dump-$build.sql" <<'PY'
import sqlite3, sys
with open(sys.argv[2], "w") as dump:
    for line in sqlite3.connect(sys.argv[1]).iterdump():
        dump.write(line + "\n")
PY
if [ $# -gt 5 ]; then pg_dump --format=custom --file="$backups/main-$build.dump" "$6"; fi
sync
mkdir -p "$root/releases/$build"
tar -xzf "$archive" -C "$root/releases/$build"
ln -sfn "releases/$build" "$root/current"
if [ "$build" = 1200 ]; then "$root/current/bin/ledger" migrate >/dev/null; fi
"$root/current/bin/ledger" serve >/dev/null 2>&1 &
echo $! > "$root/service.pid"
