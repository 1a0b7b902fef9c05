# shellcheck shell=sh disable=SC2317 # What a trap calls is reached.
# Keeps one throw-away PostgreSQL for as long as its input is open: BIN PORT SETTINGS PLACE...
# SETTINGS are lines of postgresql.conf. Where there are any it is kept on a disk, as durable as they say.
# Says `ready` when the server answers, and otherwise what went wrong.
bin=$1
port=$2
settings=$3
shift 3

fail() {
  {
    echo "$1"
    [ -f "$log" ] && tail -n 30 "$log"
  } 2> /dev/null
  exit 1
}

# Runs at every end: that of the input, a failure, a signal.
clean_up() {
  [ -z "$folder" ] && return
  [ -f "$data/postmaster.pid" ] && "$bin/pg_ctl" stop -D "$data" -m immediate > /dev/null 2>&1
  # The last of the server's processes may still be removing files of its own.
  rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
}
folder=
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
# Whoever reads the answer may be dead by then, which must not end this before the cleaning up.
trap '' PIPE

# Memory is faster than a disk, where there is enough: every test leaves a database of some 8 MB, so 4 GiB at least.
if [ -z "$settings" ] && [ -d /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -ge 4194304 ]; then
  set -- /dev/shm "$@"
fi
for place in "$@"; do
  folder=$(mktemp -d "$place/vestibule-postgres-XXXXXX" 2> /dev/null) && break
done
data=$folder/data
log=$folder/log
[ -n "$folder" ] || fail "there is no folder to put it in: $*"

"$bin/initdb" -D "$data" -A trust -U postgres -E UTF8 --no-locale --no-sync > "$log" 2>&1 ||
  fail "initdb failed:"

# No durability, little WAL, and connections enough for tests that run side by side.
not_durable="fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 64MB
max_connections = 400
shared_buffers = 64MB"
cat >> "$data/postgresql.conf" << CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
log_min_messages = warning
${settings:-$not_durable}
CONF
# From here on the log is the server's.
: > "$log"
"$bin/pg_ctl" start -D "$data" -l "$log" -w -t 60 > /dev/null 2>&1 ||
  fail "the server did not start:"

echo ready 2> /dev/null || exit 1
read -r _
exit 0
