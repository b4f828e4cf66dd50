#!/usr/bin/env bash
# Makes a throw-away CA and a SPIFFE certificate for each service account of the shop. usage: certificates.sh DIRECTORY
# For trying things out on loopback only: the keys are not protected, and the certificates end tomorrow.
set -euo pipefail
cd "${1:?usage: certificates.sh DIRECTORY}"
umask 077

openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -days 1 -subj "/O=cluster.local/CN=throw-away root" -out ca.pem \
  -addext "keyUsage=critical,keyCertSign,cRLSign"

for account in frontend-sa backend-sa db-sa; do
  openssl ecparam -name prime256v1 -genkey -noout -out "$account.key"
  openssl req -new -key "$account.key" -subj "/" -out "$account.csr"
  cat > "$account.ext" <<EXTENSIONS
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = critical, URI:spiffe://cluster.local/ns/shop/sa/$account
EXTENSIONS
  openssl x509 -req -in "$account.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile "$account.ext" -out "$account.pem" 2> /dev/null
  rm "$account.csr" "$account.ext"
done
