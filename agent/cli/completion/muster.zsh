#compdef muster
# Completes the words of muster in zsh: commands, flags, their values and the nodes of the requester.
#
#   for this shell    source <(muster completion zsh)
#   for this user     muster completion zsh > DIR/_muster, where DIR is a folder in $fpath
#   for every user    muster completion zsh > /usr/share/zsh/site-functions/_muster
#
# ~/.zshrc must have this line: autoload -Uz compinit && compinit

_muster() {
  local program=${(Q)words[1]} line word
  # The command may be an alias. Then use the program on PATH.
  [[ $program == */* ]] || program=muster
  local -a typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
  typed=("${(@)typed/#\~\//$HOME/}")
  [[ $PREFIX != --*=* ]] || compset -P 1 '*='
  local -a found=()
  for line in "${(@f)$(command ${program/#\~\//$HOME/} completion-words -- "${(@)typed}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files) _files && return ;;
      :folders) _path_files -/ && return ;;
      # _describe takes a word and its help with a colon between them.
      *$'\t'*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
      *) found+=("${line//:/\\:}") ;;
    esac
  done
  _describe -t words 'muster' found
}

if [[ $funcstack[1] == _muster ]]; then
  _muster "$@"
elif (( $+functions[compdef] )); then
  compdef _muster muster
fi
