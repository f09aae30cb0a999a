# Generated from the verbs of snakepit (python -m tests.tools.regen). Do not edit.

_snakepit() {
    local current previous verb='' given=0 i word offered=''
    current=${COMP_WORDS[COMP_CWORD]}
    previous=${COMP_WORDS[COMP_CWORD - 1]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            (--adapter|--affinity|--arg|--args|--capacity|--color|--contain|--field|--from|--input|--instance|--joblog|--lines|--max-failures|--on-error|--output|--pool|--progress|--retries|--session|--size|--spare|--timeout|-L|-n) i=$((i + 1)) ;;
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
        --pool) offered="$(snakepit __complete pools 2>/dev/null)" ;;
        --affinity) offered="hint strict_queue strict_fail_fast" ;;
        --progress) offered="auto bar plain jsonl none" ;;
        --on-error) offered="record stop" ;;
        --contain) offered="standard strict" ;;
        --color) offered="auto always never" ;;
        --adapter|--affinity|--arg|--args|--capacity|--color|--contain|--field|--from|--input|--instance|--joblog|--lines|--max-failures|--on-error|--output|--pool|--progress|--retries|--session|--size|--spare|--timeout|-L|-n) return ;;
        *)
            if [[ $current == -* ]]; then
                offered='-L --instance --no-start --color -q --quiet --debug --help'
                case $verb in
                    '') offered+=' --version' ;;
                    'exec') offered+=' --args --pool --session --timeout --affinity --idempotent --json --field --raw' ;;
                    'stream') offered+=' --args --pool --session --timeout --affinity --detach --json --field --raw --progress' ;;
                    'commands') offered+=' --pool --json' ;;
                    'map') offered+=' --input --output --arg --lines --unordered --envelope --on-error --max-failures --retries --timeout --joblog --resume --resume-failed --pool --session --progress' ;;
                    'tail') offered+=' --from --field --raw --progress' ;;
                    'streams') offered+=' --json' ;;
                    'wait') offered+=' --timeout --json' ;;
                    'cancel') offered+=' --json' ;;
                    'up') offered+=' --size --adapter --capacity --contain --spare --timeout --no-wait --json' ;;
                    'down') offered+=' --all --timeout --json' ;;
                    'scale') offered+=' --timeout --json' ;;
                    'pause') offered+=' --json' ;;
                    'resume') offered+=' --json' ;;
                    'drain') offered+=' --timeout --json' ;;
                    'restart') offered+=' --timeout --json' ;;
                    'status') offered+=' --json' ;;
                    'workers') offered+=' --pool --json' ;;
                    'explain') offered+=' --recent --json' ;;
                    'logs') offered+=' --follow -f --lines -n' ;;
                    'reap') offered+=' --dry-run --json' ;;
                    'adapters list') offered+=' --json' ;;
                    'adapters show') offered+=' --json' ;;
                    'adapters check') offered+=' --json' ;;
                    'bridge list') offered+=' --json' ;;
                    'bridge check') offered+=' --adapter --json' ;;
                    'server stop') offered+=' --timeout --json' ;;
                    'server restart') offered+=' --timeout' ;;
                    'server status') offered+=' --json' ;;
                    'debug failpoints') offered+=' --json' ;;
                esac
            else
                case $verb:$given in
                    :0) offered='exec stream commands map tail streams wait cancel up down scale pause resume drain restart status workers explain logs reap completion adapters bridge server debug' ;;
                    adapters:0) offered='list show check' ;;
                    bridge:0) offered='list install check' ;;
                    debug:0) offered='failpoints' ;;
                    server:0) offered='run start stop restart status' ;;
                    exec:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    stream:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    up:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    down:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    logs:0) offered="$(snakepit __complete workers 2>/dev/null) server warden" ;;
                    scale:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    pause:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    resume:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    drain:0) offered="$(snakepit __complete pools 2>/dev/null)" ;;
                    restart:0) offered="$(snakepit __complete pools 2>/dev/null) $(snakepit __complete workers 2>/dev/null)" ;;
                    tail:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    wait:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    cancel:0) offered="$(snakepit __complete streams 2>/dev/null)" ;;
                    map:0) offered="$(snakepit __complete commands 2>/dev/null)" ;;
                    completion:0) offered="bash zsh fish" ;;
                esac
            fi
            ;;
    esac
    while IFS='' read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$offered" -- "$current")
}

complete -o default -F _snakepit snakepit
