#!/bin/sh
# Installs the Backhaul agent as a service of this machine; run again, it updates it, and changes what is named:
#   curl -fsSL https://SERVER/install.sh | sudo sh -s -- --enrol-file enrol-token --root /var/log/pos
# --help lists what it takes. Nothing is done before the last line is read: a script that was cut off does nothing.
set -eu

server='@SERVER@'
library=/usr/local/lib/backhaul-agent
command=/usr/local/bin/backhaul-agent
unit=/etc/systemd/system/backhaul-agent.service
# Of the packed and the unpacked executable together.
needed_kib=204800

# Who signs releases: an Ed25519 key.
release_key() {
  cat <<'KEY'
@RELEASE_KEY@
KEY
}

usage() {
  cat <<'TEXT'
Installs the Backhaul agent as a service of systemd, or updates it.

  --enrol TOKEN           the token that this site is enrolled with, once; other users of this machine can see it
  --enrol-file FILE       the same in a file, which they cannot
  --root FOLDER           share what lies under this folder; may be repeated
  --id ID                 the name of this site; without it, the name of this machine
  --group NAME            read what this group may read, as adm; may be repeated
  --server URL            another server than the one that this script came from
  --ca FILE               trust these certificate authorities, and no others
  --pin sha256//BASE64    the server's key must be this one, too
  --release-key FILE      the key that the release is signed with, instead of the one in this script
  --download-only FOLDER  fetch and check the executable, and install nothing; needs no rights
  --platform PLATFORM     with --download-only: linux-x64 or linux-arm64, for another machine
  --no-updates            this site is not updated from the server; --updates takes that back
  --uninstall             remove the service, its settings and keys, and the executable

Everything else is handed to `backhaul-agent service install`, whose --help lists it.
TEXT
}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

main() {
  umask 022
  enrol='' ca='' pin='' key_file='' folder='' platform='' uninstall=''
  left=$#
  while [ "$left" -gt 0 ]; do
    given=$1
    shift
    left=$((left - 1))
    value=${given#*=}
    case $given in
      --enrol | --enrol-file | --server | --ca | --pin | --release-key | --download-only | --platform)
        [ "$left" -gt 0 ] || fail "$given needs a value"
        value=$1
        shift
        left=$((left - 1))
        ;;
    esac
    # A variable that nobody set: never a download that becomes an installation, nor a key that is not asked for.
    [ -n "$value" ] || fail "an empty value was given${given:+ to ${given%%=*}}"
    case ${given%%=*} in
      --enrol) enrol=$value ;;
      --enrol-file) set -- "$@" --enrol-file "$value" ;;
      --server) server=${value%/} ;;
      --ca) ca=$value && set -- "$@" --ca "$value" ;;
      --pin) pin=$value && set -- "$@" --pin "$value" ;;
      --release-key) key_file=$value ;;
      --download-only) folder=$value ;;
      --platform) platform=$value ;;
      --uninstall) uninstall=yes ;;
      --help) usage && return ;;
      *) set -- "$@" "$given" ;;
    esac
  done

  if [ -n "$uninstall" ]; then
    need_root
    remove
    return
  fi
  [ -z "$platform" ] || [ -n "$folder" ] || fail '--platform is for --download-only: what is installed must fit this machine'
  [ -n "$folder" ] || need_root
  [ -n "$folder" ] || need_systemd
  [ -n "$platform" ] || platform=$(platform_here)
  need_programs
  case $server in http://?* | https://?*) ;; *) fail 'which server? Name it: --server https://HOST' ;; esac

  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  find_release
  if [ -n "$folder" ]; then
    mkdir -p "$folder"
    unpack "$folder" "$folder/backhaul-agent-$version-$platform"
    say "$folder/backhaul-agent-$version-$platform is as it was signed"
    return
  fi
  install_executable
  if [ -n "$enrol" ]; then
    (umask 077 && printf '%s\n' "$enrol" >"$work/enrol-token")
    set -- "$@" --enrol-file "$work/enrol-token"
  fi
  "$command" service install --server "$server" --release-key "$work/key" "$@"
}

need_root() {
  [ "$(id -u)" = 0 ] || fail 'only root may install a service: … | sudo sh -s -- …'
}

need_systemd() {
  [ -d /run/systemd/system ] || fail 'there is no systemd here; --download-only FOLDER fetches the executable, to be run by what starts programs on this machine'
  ! is_packaged || fail 'the package backhaul-agent is installed here: update it as a package, or apt-get purge backhaul-agent first'
}

is_packaged() {
  [ -e /usr/lib/systemd/system/backhaul-agent.service ] || [ -e /lib/systemd/system/backhaul-agent.service ]
}

platform_here() {
  [ "$(uname -s)" = Linux ] || fail "the agent is made for Linux, and this is $(uname -s)"
  case $(uname -m) in
    x86_64 | amd64) echo linux-x64 ;;
    aarch64 | arm64) echo linux-arm64 ;;
    *) fail "the agent is made for x86_64 and aarch64, and this processor is $(uname -m)" ;;
  esac
}

need_programs() {
  for program in curl openssl sha256sum gunzip awk flock; do
    command -v "$program" >/dev/null || fail "$program is needed, and not here: install it first"
  done
  openssl pkeyutl -help 2>&1 | grep -q rawin || fail "OpenSSL 3 is needed to check the signature, and this is $(openssl version)"
}

# Of the server, as it is trusted.
get() {
  curl -fSL --proto '=http,https' --connect-timeout 30 ${ca:+--cacert "$ca"} ${pin:+--pinnedpubkey "$pin"} "$@"
}

# Sets $name, $version and $digest: of what was signed, what fits the platform.
find_release() {
  for file in SHA256SUMS SHA256SUMS.sig; do
    get -sS --retry 5 --max-time 60 --max-filesize 65536 -o "$work/$file" "$server/agents/$file" ||
      fail "$server/agents/$file cannot be fetched; does that server have a release, and is --ca needed?"
  done
  if [ -n "$key_file" ]; then cp "$key_file" "$work/key"; else release_key >"$work/key"; fi
  openssl pkey -pubin -in "$work/key" -noout 2>/dev/null || fail "${key_file:-this script} holds no public key; --release-key FILE names one"
  openssl base64 -d -in "$work/SHA256SUMS.sig" -out "$work/signature" 2>/dev/null || : >"$work/signature"
  openssl pkeyutl -verify -pubin -inkey "$work/key" -rawin -in "$work/SHA256SUMS" -sigfile "$work/signature" >/dev/null 2>&1 ||
    fail 'the signature of the release is wrong: it was not made by who made this script. Nothing was installed'
  line=$(grep -E "^[0-9a-f]{64}  backhaul-agent-[0-9A-Za-z.+]+(-[0-9A-Za-z.+]+)*-$platform\.gz\$" "$work/SHA256SUMS") ||
    fail "the release has no executable for $platform"
  [ "$(printf '%s\n' "$line" | wc -l)" = 1 ] || fail "the release has more than one executable for $platform"
  digest=${line%% *}
  name=${line##* }
  version=${name#backhaul-agent-}
  version=${version%"-$platform.gz"}
}

has_digest() { # FILE SHA256
  [ -f "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]
}

# A download that was cut goes on where it ended, now and in the next run.
download() { # FILE
  quiet=-sS
  [ ! -t 2 ] || quiet=--progress-bar
  tries=0 wrong=0
  until has_digest "$1" "$digest"; do
    code=0
    status=$(get "$quiet" --speed-time 60 --speed-limit 1 -C - -o "$1" -w '%{http_code}' "$server/agents/$name") || code=$?
    case $code:$status in
      0:* | 22:416 | 33:* | 36:*)
        # It is whole, and not what was signed: what lay there may be of another release.
        has_digest "$1" "$digest" && break
        rm -f "$1"
        wrong=$((wrong + 1))
        [ "$wrong" -lt 2 ] || fail "$server/agents/$name is not what was signed (its SHA-256 is another). Nothing was installed"
        ;;
      22:429 | 22:5?? | [567]:* | 18:* | 28:* | 35:* | 52:* | 55:* | 56:* | 92:*)
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || fail "$server/agents/$name could not be fetched; run this again, and it goes on from there"
        say "the download was cut; going on in $tries s"
        sleep "$tries"
        ;;
      23:*) fail "$1 cannot be written: $(room "${1%/*}") MiB are free there, and about $((needed_kib / 1024)) are needed" ;;
      *) fail "$server/agents/$name cannot be fetched (curl $code, HTTP $status)" ;;
    esac
  done
}

room() { # FOLDER
  # What is mounted can have spaces in its name: the fields are counted from the numbers on.
  df -Pk "$1" | awk 'NR == 2 && match($0, / [0-9]+ +[0-9]+ +[0-9]+ +[0-9-]+%? /) { split(substr($0, RSTART), field); print int(field[3] / 1024) }'
}

# Fetches the executable and puts it to a file; it is there whole, or not at all.
unpack() { # FOLDER-OF-THE-DOWNLOAD FILE
  [ "$(room "$1")" -ge "$((needed_kib / 1024))" ] ||
    fail "$1 has not enough room: $(room "$1") MiB are free there, and about $((needed_kib / 1024)) are needed"
  download "$1/$name"
  gunzip -c "$1/$name" >"$2.new" || {
    free=$(room "${2%/*}")
    rm -f "$2.new"
    fail "$2 cannot be written: $free MiB are free there"
  }
  chmod 755 "$2.new"
  # On disk before it has the name: a power cut leaves no empty file of it.
  sync "$2.new" 2>/dev/null || sync
  mv -f "$2.new" "$2"
}

install_executable() {
  mkdir -p "$library"
  # Two would write the same files at once. What ends lets go of it, however it ends.
  exec 9>"$library/lock"
  flock -n 9 || fail 'another install.sh is at work on this machine: wait for it, and run this again'
  file=$library/backhaul-agent-$version
  previous=$(readlink "$command" || :)
  updater=$(readlink "$library/updater" || :)
  if [ "$(cat "$file.sha256" 2>/dev/null)" = "$digest" ] && [ "$("$file" --version 2>/dev/null)" = "$version" ]; then
    say "backhaul-agent $version is here already"
  else
    mkdir -p "$library/download"
    rm -f "$file.sha256"
    unpack "$library/download" "$library/new"
    [ "$("$library/new" --version)" = "$version" ] || fail "the executable does not run here: it needs the GNU C library, and a /usr that programs may be run from"
    mv -f "$library/new" "$file"
    echo "$digest" >"$file.sha256"
    rm -rf "$library/download"
  fi
  # Under another name first: there is no moment without the command.
  mkdir -p "${command%/*}"
  ln -sf "$file" "$command.new"
  mv -f "$command.new" "$command"
  # The one before stays, to go back to, also when this one is installed again; and the one that carries out updates, until
  # the new one does.
  [ "$previous" = "$file" ] || for old in "$library"/backhaul-agent-*; do
    case ${old%.sha256} in
      "$file" | "$previous" | "$updater") ;;
      *) rm -f "$old" ;;
    esac
  done
}

remove() {
  ! is_packaged || fail 'the agent came as a package: apt-get purge backhaul-agent'
  # What knows all that belongs to it is the executable.
  [ -x "$command" ] || [ ! -e "$unit" ] ||
    fail "$command is not here, and its service still is: install it again, and then --uninstall"
  if [ -x "$command" ]; then "$command" service uninstall; else say "$command is not here"; fi
  rm -f "$command" "$command.new"
  rm -rf "$library"
}

# The braces: what was cut off within this line is no command either.
{ main "$@" </dev/null; }
