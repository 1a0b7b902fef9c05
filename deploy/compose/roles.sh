#!/bin/bash
# Run once, as the primary's database is made: who may follow it, and the limits of the site's own role. The site asks for them
# itself as it connects; PgBouncer does not hand that on.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/replication-password)" \
  --set=site="$POSTGRES_USER" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" << 'END'
ALTER ROLE :"site" SET statement_timeout = '10s';
ALTER ROLE :"site" SET lock_timeout = '5s';
ALTER ROLE :"site" SET idle_in_transaction_session_timeout = '15s';
CREATE ROLE replication LOGIN REPLICATION PASSWORD :'password';
END
echo 'host replication replication samenet scram-sha-256' >> "$PGDATA/pg_hba.conf"
