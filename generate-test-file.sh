#!/bin/sh
# Makes a text file of random lines to try downloads with; it appears complete or not at all.
# Usage: ./generate-test-file.sh [PATH] [SIZE_MB]     by default $HOME/file_to_download.txt, 100 MB (104857600 bytes)
set -eu

fail() {
  echo "generate-test-file: $1" >&2
  exit "${2:-1}"
}

case ${1:-} in
-h | --help)
  sed -n '2,3s/^# //p' "$0"
  exit 0
  ;;
esac
[ $# -le 2 ] || fail 'too many arguments; usage: ./generate-test-file.sh [PATH] [SIZE_MB]' 2

path=${1:-${HOME:?HOME is not set; name a PATH}/file_to_download.txt}
megabytes=${2:-100}
case $megabytes in
'' | *[!0-9]* | ??????*) fail "SIZE_MB must be a whole number from 1 to 99999, not \"$megabytes\"" 2 ;;
esac
[ "$megabytes" -gt 0 ] || fail 'SIZE_MB must be at least 1' 2
[ ! -d "$path" ] || fail "$path is a folder; name a file" 2

folder=$(dirname -- "$path")
[ -w "$folder" ] || fail "cannot write to the folder $folder; make it first, or name another PATH" 2

size=$((megabytes * 1024 * 1024))
# 57 random bytes become a line of 76 characters and its end.
random=$(((size / 77 + 1) * 57))

# GNU, or else BSD and macOS.
if base64 -w 76 </dev/null >/dev/null 2>&1; then wrap=-w; else wrap=-b; fi
if command -v sha256sum >/dev/null 2>&1; then digest='sha256sum'; else digest='shasum -a 256'; fi

unfinished=$path.new-$$
trap 'rm -f -- "$unfinished"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

{
  head -c "$random" /dev/urandom | base64 $wrap 76 | head -c $((size - 1))
  echo
} >"$unfinished" || fail "cannot write $unfinished"

written=$(($(wc -c <"$unfinished")))
[ "$written" -eq "$size" ] || fail "only $written of $size bytes could be written; is the disk full?"
sha256=$($digest <"$unfinished" | cut -d ' ' -f 1)
mv -f -- "$unfinished" "$path"

echo "path:   $path"
echo "size:   $size bytes ($megabytes MB)"
echo "sha256: $sha256"
