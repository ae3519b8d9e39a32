#!/bin/sh
# A guided test of docker-compose.yml, as a menu: ./setup.sh and `docker compose up -d --build` come first.
# Choices are read from standard input, so they can be piped: printf '%s\n' 4 6 0 | ./test-guide.sh
# Settings: SERVER_URL; COMPOSE, such as 'podman-compose'. Exits with 1 when something did not work.
set -u
cd "$(dirname -- "$0")" || exit 1

# As compose reads it: the last one counts.
setting() { tr -d '\r' <.env | sed -nE "s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*//p" | tail -n 1; }
[ -r .env ] || { echo 'test-guide: there is no .env to read; run ./setup.sh first' >&2; exit 1; }
# As it is written in a configuration of curl.
token=$(setting ADMIN_TOKEN | sed 's/[\\"]/\\&/g')
port=$(setting SERVER_PORT)
server=${SERVER_URL:-http://localhost:${port:-3000}}
sites='restaurant-001 restaurant-002 restaurant-003'
failed=0
shown=

if command -v md5sum >/dev/null 2>&1; then md5='md5sum'; else md5='md5 -r'; fi
if [ -n "${COMPOSE:-}" ]; then compose=$COMPOSE
elif docker compose version >/dev/null 2>&1; then compose='docker compose'
elif command -v docker-compose >/dev/null 2>&1; then compose='docker-compose'
else compose='podman-compose'; fi

say() { printf '%s\n' "$*"; }
wrong() { failed=1; say "$*"; return 1; }

# The token comes by standard input: arguments are in the list of processes.
call() { # PATH [CURL OPTION...]
  path=$1
  shift
  printf 'header = "Authorization: Bearer %s"\n' "$token" | curl -K - -sS --fail-with-body "$@" "$server$path"
}
# Numbers and plain texts of $answer, a JSON object.
field() { printf '%s' "$answer" | sed -nE "s/.*\"$1\":\"?([^\",}]*).*/\1/p"; }
# Why not: $answer says it, if there is one.
detail() {
  if [ -z "$answer" ]; then say "no answer from $server"; return; fi
  printf '%s' "$answer" | sed -nE 's/.*"detail":"(([^"\\]|\\.)*)".*/\1/p'
}
newest() { # QUERY; the download's id is in $id, empty if there is none
  answer=$(call "/downloads?limit=1&$1") || { wrong "$(detail)"; return 1; }
  id=$(printf '%s' "$answer" | sed -nE 's/.*"downloads":\[\{"id":"([^"]*)".*/\1/p')
}

question() { # TEXT; the answer is in $reply
  printf '%s ' "$1"
  read -r reply || { say; exit $failed; }
  [ -t 0 ] || say "$reply"
}
choose_site() {
  question 'Which one, 1, 2 or 3?'
  case $reply in
  [123]) site=restaurant-00$reply ;;
  *) wrong "There is no restaurant $reply." ;;
  esac
}

health() {
  for path in /health /ready; do call "$path" || wrong "No good answer from $server$path; is it up? $compose up -d --build"; done
}

ask() { # SITE; the download's id is in $id
  answer=$(call /api/download -H 'Content-Type: application/json' -d "{\"clientId\":\"$1\"}") || { wrong "$1: $(detail)"; return 1; }
  id=$(field requestId)
  say "$1: asked, download $id"
}

# A line about it, if it says something new. Its SHA-256 is known, and told, once all of it is there.
show() { # ID
  answer=$(call "/api/downloads/$1") || return 1
  status=$(field status)
  percent=$(field progress)
  checksum=$(field checksum)
  line="$(field clientId): $status"
  [ "$percent" = null ] || line="$line, $(field file_name), $percent %"
  [ "$checksum" = null ] || line="$line, SHA-256 $checksum"
  [ "$line" = "$shown" ] || say "$line"
  shown=$line
}

follow() { # ID; until it has ended. A server that starts anew goes on with it
  misses=0
  while [ $misses -lt 60 ]; do
    if show "$1"; then misses=0; else misses=$((misses + 1)) status=; fi
    case $status in
    completed) return ;;
    failed | cancelled | expired) wrong "$1: $(detail)"; return ;;
    esac
    sleep 1
  done
  wrong "$1: the server tells nothing of it any more."
}

download_all() {
  ids=
  for site in $sites; do ask "$site" && ids="$ids $id"; done
  for id in $ids; do follow "$id"; done
}

status_of_one() {
  question 'Id of the download (empty: the newest)?'
  id=$reply
  [ -n "$id" ] || newest '' || return
  [ -n "$id" ] || { wrong 'Nothing was downloaded yet.'; return; }
  shown=
  show "$id" || wrong "$id: $(detail)"
}

verify() {
  for site in $sites; do
    file=test-files/$site/file_to_download.txt
    want=$(sed -n "s|^\([0-9a-f]\{32\}\)  $file\$|\1|p" checksums.txt)
    newest "client=$site&status=completed" || return
    [ -n "$id" ] || { wrong "$site: nothing was downloaded yet"; continue; }
    got=$(call "/downloads/$id/content" | $md5 | cut -d ' ' -f 1)
    if [ "$got" = "$want" ]; then say "$site: OK, MD5 $got at both ends"
    else wrong "$site: FAILED, MD5 $got at the server, $want in checksums.txt"; fi
  done
}

logs() { $compose logs --tail 50 "$1" </dev/null || wrong "No logs of $1 from: $compose logs"; }

clean_up() {
  question 'Remove the containers and what they keep: downloads, database, keys (y/N)?'
  case $reply in
  [yY]*) $compose down -v </dev/null && say 'Gone. The test files, checksums.txt and .env are still there.' || wrong 'It did not work.' ;;
  *) say 'Nothing was removed.' ;;
  esac
}

while :; do
  cat <<'MENU'

 1  health                        6  verify the downloaded files
 2  list clients                  7  logs of the server
 3  download from one             8  logs of one client
 4  download from all three       9  clean up
 5  status of a download          0  exit
MENU
  question 'Choice?'
  case $reply in
  1) health ;;
  2) call /api/clients || wrong "No answer from $server." ;;
  3) choose_site && ask "$site" && follow "$id" ;;
  4) download_all ;;
  5) status_of_one ;;
  6) verify ;;
  7) logs server ;;
  8) choose_site && logs "client-$site" ;;
  9) clean_up ;;
  0) exit $failed ;;
  *) say "There is no choice $reply." ;;
  esac
done
