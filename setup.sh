#!/bin/sh
# Makes what docker-compose.yml needs: a file of 100 MB for each of three sites, checksums.txt, and .env with the tokens.
# What is there already is kept. Usage: ./setup.sh [SIZE_MB]
set -eu
cd "$(dirname -- "$0")"

# Two at once would each make a token, and the one that is in use be replaced.
mkdir .setup.lock || { echo 'setup: another one is at work; if there is none, remove the folder .setup.lock' >&2; exit 1; }
trap 'rmdir .setup.lock' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# macOS has no md5sum.
if command -v md5sum >/dev/null 2>&1; then md5='md5sum'; else md5='md5 -r'; fi

# 256 random bits as the server reads them: bho_ for operators, bhe_ for enrolments.
token() {
  printf '%s%s' "$1" "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')"
}

for site in restaurant-001 restaurant-002 restaurant-003; do
  file=test-files/$site/file_to_download.txt
  mkdir -p "test-files/$site"
  if [ -e "$file" ]; then echo "kept:   $file"; else ./generate-test-file.sh "$file" "${1:-100}"; fi
  # The agents are other users, and read only.
  chmod 755 "test-files/$site"
  chmod 644 "$file"
done
chmod 755 test-files

for file in test-files/*/file_to_download.txt; do
  $md5 "$file" | sed 's/^\([0-9a-f]*\) *\**/\1  /'
done >checksums.txt
echo 'made:   checksums.txt'

# Where releases of the agent are made, which the server hands out; an engine would make it as root.
mkdir -p dist

[ -e .env ] || (umask 077 && : >.env)
chmod 600 .env
# One that somebody else wrote may end without a line break.
[ -z "$(tail -c 1 .env)" ] || echo >>.env
for name in ADMIN_TOKEN=bho_ ENROL_TOKEN=bhe_; do
  # As compose reads it; one without a value is none.
  if grep -Eq "^[[:space:]]*(export[[:space:]]+)?${name%=*}[[:space:]]*=[[:space:]]*[^[:space:]]" .env; then
    echo "kept:   ${name%=*} in .env"
  else
    printf '%s=%s\n' "${name%=*}" "$(token "${name#*=}")" >>.env
    echo "made:   ${name%=*} in .env, which only you can read"
  fi
done

echo
echo 'Next: docker compose up -d --build (or docker-compose, podman-compose), then ./test-guide.sh'
