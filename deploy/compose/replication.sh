#!/bin/bash
# Run once, as the primary's database is made: who may follow it.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/replication-password)" \
  --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" << 'END'
CREATE ROLE replication LOGIN REPLICATION PASSWORD :'password';
END
echo 'host replication replication samenet scram-sha-256' >> "$PGDATA/pg_hba.conf"
