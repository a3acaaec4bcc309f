# shellcheck shell=bash
# bash completion for zxctl

_zxctl_run() {
  local cur=$1 prev=$2
  case $prev in
    --report-file) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    --report-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
    --report-budget | --timeout) mapfile -t COMPREPLY < <(compgen -W '500ms 5s 30s 2m' -- "$cur") && return ;;
    --follow) mapfile -t COMPREPLY < <(compgen -W 'all threads' -- "$cur") && return ;;
    --report) mapfile -t COMPREPLY < <(compgen -W 'text json none' -- "$cur") && return ;;
    --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur") && return ;;
    --on-timeout) mapfile -t COMPREPLY < <(compgen -W 'report kill' -- "$cur") && return ;;
    --on-tracer-death) mapfile -t COMPREPLY < <(compgen -W 'kill continue' -- "$cur") && return ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W '--follow --on-tracer-death --report --report-file --report-dir
      --report-budget --with-memory --core --color --timeout --on-timeout --help --' -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -c -- "$cur")
  fi
}

# The index of the word where the program of `run` stands; nothing while there is none yet.
_zxctl_program_index() {
  local i
  for ((i = 2; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --) echo $((i + 1)) && return ;;
      --follow | --on-tracer-death | --report | --report-file | --report-dir | --report-budget | --color | --timeout | \
        --on-timeout) [[ ${COMP_WORDS[i + 1]:-} == '=' ]] && ((i++)); ((i++)) ;;
      -*) ;;
      =) ((i++)) ;;
      *) echo "$i" && return ;;
    esac
  done
}

# An option of $2, or a process.
_zxctl_of_process() {
  local cur=$1
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$2" -- "$cur")
  else
    mapfile -t COMPREPLY < <(cd /proc && compgen -G '[0-9]*' | grep -- "^$cur")
  fi
}

_zxctl_guest() {
  local cur=$1 prev=$2
  if ((COMP_CWORD == 2)); then
    mapfile -t COMPREPLY < <(compgen -W 'run info --help' -- "$cur")
    return
  fi
  if [[ ${COMP_WORDS[2]} == info ]]; then
    mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$cur")
    return
  fi
  case $prev in
    --memory) mapfile -t COMPREPLY < <(compgen -W '64M 512M 2G' -- "$cur") && return ;;
    --timeout) mapfile -t COMPREPLY < <(compgen -W '500ms 5s 30s 2m' -- "$cur") && return ;;
    --trace) mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur") && return ;;
    --serial) mapfile -t COMPREPLY < <(compgen -W '0x3f8 none' -- "$cur") && return ;;
    --debug-exit) mapfile -t COMPREPLY < <(compgen -W '0xf4 none' -- "$cur") && return ;;
    --vcpus | --load | --trap) return ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W '--memory --vcpus --load --trap --serial --debug-exit --trace --timeout
      --help' -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}

_zxctl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'run doctor regs start-thread guest --help --version' -- "$cur")
    return
  fi
  # "--report=json" comes as three words.
  [[ $cur == '=' ]] && cur=
  [[ $prev == '=' ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
  case ${COMP_WORDS[1]} in
    run)
      program=$(_zxctl_program_index)
      if [[ -n $program && $program -lt $COMP_CWORD ]] && declare -F _command_offset >/dev/null; then
        _command_offset "$program"
      elif [[ -n $program && $program -lt $COMP_CWORD ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      elif [[ -n $program ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
      else
        _zxctl_run "$cur" "$prev"
      fi
      ;;
    doctor) _zxctl_of_process "$cur" '--json --help' ;;
    regs)
      case $prev in
        --timeout) mapfile -t COMPREPLY < <(compgen -W '500ms 5s 30s 2m' -- "$cur") ;;
        --set) ;;
        --kind) mapfile -t COMPREPLY < <(compgen -W 'general fp vector debug' -- "$cur") ;;
        *) _zxctl_of_process "$cur" '--set --kind --thread --timeout --json --help' ;;
      esac
      ;;
    start-thread)
      case $prev in
        --pc | --sp | --arg1 | --arg2 | --tp | --abi-reg) ;;
        *) _zxctl_of_process "$cur" '--pc --sp --arg1 --arg2 --tp --abi-reg --unchecked --help' ;;
      esac
      ;;
    guest) _zxctl_guest "$cur" "$prev" ;;
  esac
}

complete -F _zxctl zxctl
