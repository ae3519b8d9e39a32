#!/bin/sh
# A whole agent in five lines of shell and curl: serves one file, whatever path is asked for.
# Usage: curl-agent.sh SERVER CLIENT_ID FILE, or the same three as variables of the environment.
# For a verified SHA-256, add to the upload: -H "Repr-Digest: sha-256=:$(openssl dgst -sha256 -binary "$FILE" | base64):"
# Where the server wants to know who calls: CURL_CONFIG names a file with the line: header = "Authorization: Bearer bhb_..."
SERVER=${1:-${SERVER:?}} CLIENT_ID=${2:-${CLIENT_ID:?}} FILE=${3:-${FILE:?}}
while jobs=$(curl ${CURL_CONFIG:+-K "$CURL_CONFIG"} -fsS -m 60 -H 'Prefer: wait=25' "$SERVER/jobs?client=$CLIENT_ID") || sleep 5; do
  id=$(printf '%s' "$jobs" | sed -n 's/.*"jobs":\[{"id":"\([^"]*\)".*/\1/p')
  [ -z "$id" ] || curl ${CURL_CONFIG:+-K "$CURL_CONFIG"} -gfsS --speed-time 60 -T "$FILE" "$SERVER/jobs/$id/file" || sleep 5
done
