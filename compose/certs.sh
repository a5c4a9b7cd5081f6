#!/bin/sh
# Certificates for docker-compose.tls.yml: an authority and what it signed for kafka and postgres. Its key is thrown
# away at once, so all three are made together, and anew when they have less than 30 days left.
#
# Each server finds its own key and no other's; clients find ca/ca.crt alone.
set -eu

for name in ca/ca kafka/kafka postgres/postgres; do
  openssl x509 -in "/certs/$name.crt" -noout -checkend 2592000 > /dev/null 2>&1 || missing=$name
done
if [ -z "${missing:-}" ]; then
  echo "certificates are there"
  exit
fi

work=$(mktemp -d)
cd "$work"
new_key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
# shellcheck disable=SC2086  # options, not a name
openssl req -x509 $new_key -subj "/CN=Driftline demonstration authority" -days 365 -keyout ca.key -out ca.crt \
  -addext "keyUsage=critical,keyCertSign,cRLSign" 2> /dev/null
for name in kafka postgres; do
  # shellcheck disable=SC2086
  openssl req $new_key -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2> /dev/null
  printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' "$name" > "$name.ext"
  openssl x509 -req -in "$name.csr" -extfile "$name.ext" -CA ca.crt -CAkey ca.key -days 365 -out "$name.crt" 2> /dev/null
done

# The authority's certificate comes last: where it is, the rest is. `install` removes what is there, so that nobody
# needs the right to write to it. 1000 is Kafka's user.
rm -f /certs/ca/ca.crt
cat kafka.key kafka.crt > kafka.pem
install -m 400 kafka.pem /certs/kafka/
chown 1000:1000 /certs/kafka/kafka.pem
install -m 600 postgres.key /certs/postgres/
chown postgres:postgres /certs/postgres/postgres.key
install -m 644 kafka.crt /certs/kafka/
install -m 644 postgres.crt /certs/postgres/
install -m 644 ca.crt /certs/ca/
rm -rf "$work"
echo "certificates are made"
