#!/bin/bash
# What the images of Containerfile.parts begin with: the part that the variables ask for.
set -euo pipefail
if [ -n "${DB_HOST:-}" ]; then
  printf '"%s" "%s"\n' "$DB_USER" "$(cat "$DB_PASSWORD_FILE")" > /tmp/users
  cat > /tmp/pgbouncer.ini << END
[databases]
$DB_NAME = host=$DB_HOST port=5432 dbname=$DB_NAME
[pgbouncer]
listen_addr = 0.0.0.0
listen_port = $LISTEN_PORT
auth_type = $AUTH_TYPE
auth_file = /tmp/users
pool_mode = $POOL_MODE
max_prepared_statements = $MAX_PREPARED_STATEMENTS
ignore_startup_parameters = $IGNORE_STARTUP_PARAMETERS
max_client_conn = $MAX_CLIENT_CONN
default_pool_size = $DEFAULT_POOL_SIZE
unix_socket_dir =
END
  chown -R postgres /tmp/users /tmp/pgbouncer.ini
  exec setpriv --reuid=postgres --regid=postgres --clear-groups pgbouncer /tmp/pgbouncer.ini
elif [ -n "${POSTGRES_USER:-}" ]; then
  if [ "$(id -u)" = 0 ]; then
    chown postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
  fi
  [ $# -gt 0 ] || set -- postgres
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --auth-local=trust > /dev/null
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    # As the official image does: by its socket alone until all is made.
    pg_ctl start --silent --wait --options="-c listen_addresses='' -c unix_socket_directories=/tmp"
    export PGHOST=/tmp
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB" 2> /dev/null || true
    for file in /docker-entrypoint-initdb.d/*.sh; do
      if [ -f "$file" ]; then bash "$file"; fi
    done
    pg_ctl stop --silent --wait --mode=fast
  fi
  exec "$1" -c listen_addresses='*' -c unix_socket_directories=/tmp,/var/run/postgresql "${@:2}"
else
  exec "$@"
fi
