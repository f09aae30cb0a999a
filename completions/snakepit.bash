# Generated from the verbs of snakepit (python -m tests.tools.regen). Do not edit.

_snakepit() {
    local current previous verb='' given=0 i word offered=''
    current=${COMP_WORDS[COMP_CWORD]}
    previous=${COMP_WORDS[COMP_CWORD - 1]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            (--adapter|--affinity|--arg|--args|--capacity|--color|--contain|--field|--from|--input|--instance|--joblog|--lines|--max-failures|--on-error|--output|--pool|--progress|--retries|--session|--size|--spare|--timeout|-L|-n|-p) i=$((i + 1)) ;;
            (-*) ;;
            (*)
                case $verb in
                    ('') verb=$word ;;
                    (adapters) verb="adapters $word" ;;
                    (bridge) verb="bridge $word" ;;
                    (debug) verb="debug $word" ;;
                    (server) verb="server $word" ;;
                    (*) given=$((given + 1)) ;;
                esac
                ;;
        esac
    done
    case $previous in
        --pool|-p) offered="$(snakepit __complete pools 2>/dev/null)" ;;
        --affinity) offered=$'hint\nstrict_queue\nstrict_fail_fast' ;;
        --progress) offered=$'auto\nbar\nplain\njsonl\nnone' ;;
        --on-error) offered=$'record\nstop' ;;
        --contain) offered=$'standard\nstrict' ;;
        --color) offered=$'auto\nalways\nnever' ;;
        --adapter|--affinity|--arg|--args|--capacity|--color|--contain|--field|--from|--input|--instance|--joblog|--lines|--max-failures|--on-error|--output|--pool|--progress|--retries|--session|--size|--spare|--timeout|-L|-n|-p) return ;;
        *)
            if [[ $current == -* ]]; then
                offered=$'-L\n--instance\n--no-start\n--color\n-q\n--quiet\n--debug\n--help\n'
                case $verb in
                    '') offered+=--version ;;
                    'exec') offered+=$'--args\n--pool\n-p\n--session\n--timeout\n--affinity\n--idempotent\n--json\n--field\n--raw' ;;
                    'stream') offered+=$'--args\n--pool\n-p\n--session\n--timeout\n--affinity\n--detach\n--json\n--field\n--raw\n--progress' ;;
                    'commands') offered+=$'--pool\n-p\n--json' ;;
                    'map') offered+=$'--input\n--output\n--arg\n--lines\n--unordered\n--envelope\n--on-error\n--max-failures\n--retries\n--timeout\n--joblog\n--resume\n--resume-failed\n--pool\n-p\n--session\n--progress' ;;
                    'tail') offered+=$'--from\n--field\n--raw\n--progress' ;;
                    'streams') offered+='--json' ;;
                    'wait') offered+=$'--timeout\n--json' ;;
                    'cancel') offered+='--json' ;;
                    'up') offered+=$'--size\n--adapter\n--capacity\n--contain\n--spare\n--timeout\n--no-wait\n--json' ;;
                    'down') offered+=$'--all\n--timeout\n--json' ;;
                    'scale') offered+=$'--timeout\n--json' ;;
                    'pause') offered+='--json' ;;
                    'resume') offered+='--json' ;;
                    'drain') offered+=$'--timeout\n--json' ;;
                    'restart') offered+=$'--timeout\n--json' ;;
                    'status') offered+='--json' ;;
                    'workers') offered+=$'--pool\n-p\n--json' ;;
                    'explain') offered+=$'--recent\n--json' ;;
                    'logs') offered+=$'--follow\n-f\n--lines\n-n' ;;
                    'reap') offered+=$'--dry-run\n--json' ;;
                    'adapters list') offered+='--json' ;;
                    'adapters show') offered+='--json' ;;
                    'adapters check') offered+='--json' ;;
                    'bridge list') offered+='--json' ;;
                    'bridge check') offered+=$'--adapter\n--json' ;;
                    'server stop') offered+=$'--timeout\n--json' ;;
                    'server restart') offered+='--timeout' ;;
                    'server status') offered+='--json' ;;
                    'debug failpoints') offered+='--json' ;;
                esac
            else
                case $verb:$given in
                    :0) offered=$'exec\nstream\ncommands\nmap\ntail\nstreams\nwait\ncancel\nup\ndown\nscale\npause\nresume\ndrain\nrestart\nstatus\nworkers\nexplain\nlogs\nreap\ncompletion\nadapters\nbridge\nserver\ndebug' ;;
                    adapters:0) offered=$'list\nshow\ncheck' ;;
                    bridge:0) offered=$'list\ninstall\ncheck' ;;
                    debug:0) offered='failpoints' ;;
                    server:0) offered=$'run\nstart\nstop\nrestart\nstatus' ;;
                    exec:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    stream:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    up:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    down:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    logs:0) offered="$(snakepit __complete workers 2>/dev/null)"$'\n'$'server\nwarden' ;;
                    scale:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    pause:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    resume:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    drain:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    restart:0) offered="$(snakepit __complete pools 2>/dev/null)"$'\n'"$(snakepit __complete workers 2>/dev/null)" ;;
                    tail:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    wait:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    cancel:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    map:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    completion:0) offered=$'bash\nzsh\nfish' ;;
                esac
            fi
            ;;
    esac
    while IFS='' read -r word; do
        if [[ -n $word && $word == "$current"* ]]; then COMPREPLY+=("$(printf %q "$word")"); fi
    done <<< "$offered"
}

complete -o default -F _snakepit snakepit
