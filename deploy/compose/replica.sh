#!/bin/bash
# What the replica runs: copies the primary the first time, and follows it.
set -euo pipefail
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  PGPASSWORD=$(cat /run/secrets/replication-password) pg_basebackup --host=production-database --username=replication \
    --pgdata="$data" --wal-method=stream --write-recovery-conf --checkpoint=fast
  chmod 700 "$data"
fi
exec postgres -D "$data" -c hot_standby=on
