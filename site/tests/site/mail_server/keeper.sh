# shellcheck shell=sh disable=SC2317 # What a trap calls is reached.
# Runs a mail server until its own input ends, which is when the test does, by whatever death. Then it takes away what only
# the server's user may take away.
exim=$1
folder=$2
"$exim" -C "$folder/exim.conf" -bdf </dev/null >"$folder/told" 2>&1 &
server=$!
cat >/dev/null
kill "$server" 2>/dev/null
wait "$server"
rm -rf "$folder/spool" "$folder/log" "$folder/mail" "$folder/pid" "$folder/told"
