# Bash completion of authlinkctl: commands, their options, and what some of them take.
# A test compares the words with what `authlinkctl --help` and `authlinkctl COMMAND --help` say.

_authlinkctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word command=
  local common='--config --redis --json --reveal --yes --help' options
  local commands='enqueue status show export events dead pause resume audit doctor adopt'

  case $previous in
    --config | --csv)
      # --csv of export is a flag
      if [[ $previous = --config || " ${COMP_WORDS[*]} " != *' export '* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
      fi
      ;;
    --reason)
      if [[ " ${COMP_WORDS[*]} " = *' dead '* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'bad_json bad_member bad_id bad_expiry bad_redirect bad_ref too_long bad_record too_late
          rejected gave_up poison' -- "$current")
      fi
      return
      ;;
    --redis | --column | --ref-column | --link-expiry-mins | --redirect-url | --ref | --skip | --timeout | --every | --for | \
      --since | --group | --max | --rate)
      return
      ;;
  esac

  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ " $commands " = *" $word "* ]]; then
      command=$word
      break
    fi
  done
  case $command in
    '') options="$commands --version" ;;
    enqueue) options='--csv --column --ref-column --link-expiry-mins --redirect-url --ref --force --first --dry-run --skip-bad --skip --wait --timeout' ;;
    status) options='--watch --every' ;;
    export) options='--csv --jsonl --ref' ;;
    events) options='--follow --since --group' ;;
    dead) options='list retry rm --reason --ref --max --rate --dry-run' ;;
    pause) options='--for --reason' ;;
    resume) options='account' ;;
    *) options= ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options $common" -- "$current")
}
complete -F _authlinkctl authlinkctl
