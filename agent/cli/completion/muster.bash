# shellcheck shell=bash
# Completes the words of muster in bash: commands, flags, their values and the nodes of the requester.
#
#   for this shell    eval "$(muster completion bash)"
#   for this user     muster completion bash > ~/.local/share/bash-completion/completions/muster
#   for every user    muster completion bash > /usr/share/bash-completion/completions/muster
#
# The package bash-completion reads these files. Without it, add a line to ~/.bashrc that sources one of them.
# It works with bash 3.2, which macOS has. From bash 4 on, the names of files are completed exactly.

_muster() {
  local words=() word part rest=${COMP_LINE:0:COMP_POINT} glued='' i
  # Bash also splits words at = and at : so join the parts that no blank separates.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=${rest#"${rest%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$part
    if ((i > 0)) && [[ $part == "$rest" ]]; then
      words[${#words[@]} - 1]+=$word
      glued=1
    else
      words+=("$word")
      glued=''
    fi
    rest=${part#"$word"}
  done
  for ((i = 0; i < ${#words[@]}; i++)); do
    # shellcheck disable=SC2088 # The shell has not expanded the tilde of a word that is still typed.
    [[ ${words[i]} != "~/"* ]] || words[i]=$HOME/${words[i]#"~/"}
  done

  local program=${words[0]} typed=${words[${#words[@]} - 1]} before='' from='' kind=''
  # The command may be an alias. Then use the program on PATH.
  [[ $program == */* ]] || program=muster
  if [[ $typed == --*=* ]]; then
    [[ $COMP_WORDBREAKS == *=* ]] || before=${typed%%=*}=
    typed=${typed#*=}
  fi
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    case $word in
      :files) from=default kind=file ;;
      :folders) from=dirnames kind=directory ;;
      "${typed#[\"\']}"*) [[ -z $word ]] || COMPREPLY+=("$before$word") ;;
    esac
  done < <(command "$program" completion-words --quoted -- "${words[@]:1}" 2>/dev/null)

  compopt +o default 2>/dev/null
  [[ -n $from ]] || return 0
  # Readline replaces only what follows the last : or = of an unquoted name.
  if [[ -n $glued && $typed == *[:=]* && $typed != *[\"\'\\]* ]]; then
    part=${typed%"${typed##*[:=]}"}
    while read -r word; do COMPREPLY+=("${word#"$part"}"); done < <(compgen -A $kind -- "$typed")
    compopt -o filenames 2>/dev/null
  else
    compopt -o "$from" 2>/dev/null
  fi
  return 0
}

complete -o default -F _muster muster
