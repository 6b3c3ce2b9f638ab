# Completes the words of muster in fish: commands, flags, their values and the nodes of the requester.
#
#   for this shell    muster completion fish | source
#   for this user     muster completion fish > ~/.config/fish/completions/muster.fish
#   for every user    muster completion fish > /usr/share/fish/vendor_completions.d/muster.fish

function __muster_complete
    set -l words (string replace -r '^~/' "$HOME/" -- (commandline -opc))
    set -l typed (commandline -ct)
    # The command may be an alias. Then use the program on PATH.
    set -l program (string match -e / -- $words[1]; or echo muster)
    set -e words[1]
    # In --flag=value, fish completes the flag and the value as one word.
    set -l before (string match -r -- '^--[^=]+=' "$typed"; or echo)
    set -l begun (string replace -r '^["\']' '' -- "$typed")
    for line in (command $program completion-words -- $words "$begun" 2>/dev/null)
        switch $line
            case :files
                __muster_paths "$before" "$typed" .
            case :folders
                __muster_paths "$before" "$typed" '/$'
            case '*'
                echo "$before$line"
        end
    end
end

# Prints the paths that fish itself would complete and that match a pattern.
function __muster_paths --argument-names before typed pattern
    set -l path (string replace -- "$before" '' "$typed")
    for each in (complete -C "'' $path" | string match -e -r -- $pattern)
        # After : and = fish also begins a new path. Such a path does not exist.
        string match -q -r '[:=]' -- "$path"; and not test -e (string replace -r '^~/' "$HOME/" -- $each); and continue
        echo "$before$each"
    end
end

complete -c muster -f -a '(__muster_complete)'
