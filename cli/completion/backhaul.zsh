#compdef backhaul
# Completion of backhaul for zsh. What can be typed next says the program itself, which knows its commands and asks the server.
_backhaul() {
  local line
  local -a values shown
  for line in "${(@f)$(command backhaul complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == ':files' ]]; then
      _files
    elif [[ -n $line ]]; then
      values+=("${line%%$'\t'*}")
      shown+=("${line/$'\t'/  }")
    fi
  done
  (( $#values )) && compadd -l -d shown -a values
}
# In a folder of fpath this is the function itself; otherwise it is read by a shell that is to know it.
if [[ $funcstack[1] == _backhaul ]]; then
  _backhaul "$@"
else
  compdef _backhaul backhaul
fi
