# shellcheck shell=bash
# Completion of backhaul for bash. What can be typed next says the program itself, which knows its commands and asks the server.
_backhaul() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      compopt -o default
    else
      COMPREPLY+=("${line%%$'\t'*}")
    fi
  done < <(command backhaul complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _backhaul backhaul
