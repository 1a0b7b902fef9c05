# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# A certificate authority for the rehearsal: Pebble, on a machine of its own beside the server. It comes to the server's ports 80
# and 443, through the firewall, as that of a browser's would. It is sourced.

authority=vestibule-rehearsal-authority
authority_address=10.89.77.11
# What an ACME client is told, and where whom to trust as the authority's own server is on the rehearsal's server.
acme_directory=https://$authority_address:14000/dir
acme_root=/etc/ssl/rehearsal-authority.pem

# Starts it. Every name leads to the server at ADDRESS.
start_authority() { # ADDRESS
  local folder=$work/authority
  rm -rf "$folder" && mkdir -p "$folder"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=rehearsal" \
    -keyout "$folder/root-key.pem" -out "$folder/root.pem" 2> /dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=authority" -keyout "$folder/key.pem" \
    -out "$folder/request.pem" 2> /dev/null
  openssl x509 -req -in "$folder/request.pem" -CA "$folder/root.pem" -CAkey "$folder/root-key.pem" -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=IP:$authority_address") -out "$folder/chain.pem" 2> /dev/null
  cat > "$folder/config.json" << END
{ "pebble": { "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
  "certificate": "/authority/chain.pem", "privateKey": "/authority/key.pem", "httpPort": 80, "tlsPort": 443,
  "ocspResponderURL": "", "externalAccountBindingRequired": false } }
END
  container rm --force --time 1 "$authority" > /dev/null 2>&1 || true
  container run --detach --name "$authority" --network vestibule-rehearsal --ip "$authority_address" \
    --volume "$folder:/authority:ro" --env PEBBLE_VA_NOSLEEP=1 localhost/vestibule-rehearsal-server bash -c "
      pebble-challtestsrv -dns01 127.0.0.1:8053 -defaultIPv4 $1 -defaultIPv6 '' -http01 '' -https01 '' -tlsalpn01 '' &
      exec pebble -strict -config /authority/config.json -dnsserver 127.0.0.1:8053" > /dev/null
  until_it_works 30 root_of_authority
  in_server install -D -m 644 /dev/stdin "$acme_root" < "$folder/root.pem"
}

# Whom browsers would trust, had Pebble a place in them: into $work/root.pem.
root_of_authority() {
  curl -fsS --max-time 5 --cacert "$work/authority/root.pem" --output "$work/root.pem" "https://$authority_address:15000/roots/0"
}
