# Completion of backhaul for fish. What can be typed next says the program itself, which knows its commands and asks the server.
function __backhaul_complete
    set -l before (commandline -opc)
    set -e before[1]
    set -l current (commandline -ct)
    for line in (command backhaul complete -- $before "$current" 2>/dev/null)
        if test "$line" = ':files'
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c backhaul -f -a '(__backhaul_complete)'
