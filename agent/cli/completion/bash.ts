// What bash has to read to complete the words of muster. From 3.2 on, which macOS has; from 4 on it is exact about files.

export const script = `# Completes the words of muster in bash: commands, flags, their values, and the nodes that the requester knows.
#
#   for this shell    eval "$(muster completion bash)"
#   for this user     muster completion bash > ~/.local/share/bash-completion/completions/muster
#   for every user    muster completion bash > /usr/share/bash-completion/completions/muster
#
# The files are read by the package bash-completion. Without it, have ~/.bashrc source one of them.

_muster() {
  local words=() word part rest=\${COMP_LINE:0:COMP_POINT} glued='' i
  # Bash also takes words apart at = and : so what no blank separates is put together again.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=\${rest#"\${rest%%[![:space:]]*}"}
    word=\${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$part
    if ((i > 0)) && [[ $part == "$rest" ]]; then
      words[\${#words[@]} - 1]+=$word
      glued=1
    else
      words+=("$word")
      glued=''
    fi
    rest=\${part#"$word"}
  done
  for ((i = 0; i < \${#words[@]}; i++)); do
    [[ \${words[i]} != "~/"* ]] || words[i]=$HOME/\${words[i]#"~/"}
  done

  local program=\${words[0]} typed=\${words[\${#words[@]} - 1]} before='' from='' kind=''
  # Under another name, such as an alias, it is the one on PATH.
  [[ $program == */* ]] || program=muster
  if [[ $typed == --*=* ]]; then
    [[ $COMP_WORDBREAKS == *=* ]] || before=\${typed%%=*}=
    typed=\${typed#*=}
  fi
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    case $word in
      :files) from=default kind=file ;;
      :folders) from=dirnames kind=directory ;;
      "\${typed#[\\"\\']}"*) [[ -z $word ]] || COMPREPLY+=("$before$word") ;;
    esac
  done < <(command "$program" completion-words --quoted -- "\${words[@]:1}" 2>/dev/null)

  compopt +o default 2>/dev/null
  [[ -n $from ]] || return 0
  # Of a name with a bare : or = readline sees the end only.
  if [[ -n $glued && $typed == *[:=]* && $typed != *[\\"\\'\\\\]* ]]; then
    part=\${typed%"\${typed##*[:=]}"}
    while read -r word; do COMPREPLY+=("\${word#"$part"}"); done < <(compgen -A $kind -- "$typed")
    compopt -o filenames 2>/dev/null
  else
    compopt -o "$from" 2>/dev/null
  fi
  return 0
}

complete -o default -F _muster muster
`;
