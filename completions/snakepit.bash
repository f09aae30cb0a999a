# Generated from the verbs of snakepit (python -m tests.tools.regen). Do not edit.

_snakepit() {
    local current previous before verb='' given=0 i word offered='' here
    local -a words
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')
    here=$((${#words[@]} - 1))
    current=${words[here]}
    previous=${words[here - 1]}
    for ((i = 1; i < here; i++)); do
        word=${words[i]}
        case "$verb $word" in
            (*' --progress') [[ ' auto bar plain jsonl none ' == *" ${words[i + 1]} "* ]] && i=$((i + 1)) ;;
            (*' -L'|*' --instance'|*' --color'|'bridge check --adapter'|'commands --pool'|'commands -p'|'down --timeout'|'drain --timeout'|'exec --affinity'|'exec --args'|'exec --field'|'exec --meta'|'exec --nan'|'exec --output-file'|'exec --pool'|'exec --session'|'exec --timeout'|'exec -o'|'exec -p'|'logs --lines'|'logs --since'|'logs -n'|'map --arg'|'map --batch'|'map --from'|'map --input'|'map --joblog'|'map --max-failures'|'map --meta'|'map --nan'|'map --on-error'|'map --output'|'map --pool'|'map --progress'|'map --retries'|'map --session'|'map --timeout'|'map --to'|'map -p'|'program get --field'|'program get --session'|'program list --session'|'program put --session'|'program rm --session'|'restart --timeout'|'scale --timeout'|'server restart --timeout'|'server stop --timeout'|'session create --meta'|'session create --ttl'|'session list --limit'|'session update --drop-meta'|'session update --meta'|'session update --ttl'|'sessions --limit'|'stream --affinity'|'stream --args'|'stream --field'|'stream --meta'|'stream --nan'|'stream --pool'|'stream --progress'|'stream --session'|'stream --timeout'|'stream -p'|'tail --field'|'tail --from'|'tail --progress'|'tools call --args'|'tools call --field'|'tools call --meta'|'tools call --nan'|'tools call --output-file'|'tools call --session'|'tools call --timeout'|'tools call -o'|'tools list --session'|'tools serve --session'|'tools show --session'|'up --adapter'|'up --capacity'|'up --contain'|'up --env'|'up --python'|'up --size'|'up --spare'|'up --timeout'|'var depend --session'|'var export --session'|'var get --field'|'var get --output-file'|'var get --session'|'var get -o'|'var history --limit'|'var history --session'|'var import --session'|'var list --session'|'var mget --session'|'var mset --expect'|'var mset --meta'|'var mset --session'|'var register --constraint'|'var register --constraints'|'var register --meta'|'var register --session'|'var register --ttl'|'var rm --expect'|'var rm --session'|'var rollback --expect'|'var rollback --session'|'var set --expect'|'var set --meta'|'var set --session'|'var watch --after'|'var watch --field'|'var watch --from'|'var watch --session'|'wait --timeout'|'workers --pool'|'workers -p') i=$((i + 1)) ;;
            (*' -'*) ;;
            (*)
                case $verb in
                    ('') verb=$word ;;
                    (adapters) verb="adapters $word" ;;
                    (bridge) verb="bridge $word" ;;
                    (debug) verb="debug $word" ;;
                    (program) verb="program $word" ;;
                    (server) verb="server $word" ;;
                    (session) verb="session $word" ;;
                    (tools) verb="tools $word" ;;
                    (var) verb="var $word" ;;
                    (*) given=$((given + 1)) ;;
                esac
                ;;
        esac
    done
    if [[ $current == *=@* ]]; then
        while IFS='' read -r word; do
            [[ -d $word ]] && word+=/ && compopt -o nospace 2>/dev/null
            COMPREPLY+=("@$(printf %q "$word")")
        done < <(compgen -f -- "${current##*=@}")
        return 0
    fi
    if [[ $current == -* ]]; then
        offered=$'-L\n--instance\n--no-start\n--color\n-q\n--quiet\n--debug\n--help\n'
        case $verb in
            '') offered+=--version ;;
            'exec') offered+=$'--args\n--pool\n-p\n--session\n--timeout\n--affinity\n--meta\n--nan\n--idempotent\n--json\n--field\n--raw\n--output-file\n-o' ;;
            'stream') offered+=$'--args\n--pool\n-p\n--session\n--timeout\n--affinity\n--meta\n--nan\n--detach\n--json\n--field\n--raw\n--progress' ;;
            'commands') offered+=$'--pool\n-p\n--json' ;;
            'map') offered+=$'--input\n--output\n--from\n--to\n--arg\n--lines\n--batch\n--unordered\n--envelope\n--on-error\n--max-failures\n--retries\n--timeout\n--joblog\n--resume\n--resume-failed\n--pool\n-p\n--session\n--meta\n--nan\n--progress' ;;
            'tail') offered+=$'--from\n--field\n--raw\n--progress' ;;
            'streams') offered+='--json' ;;
            'wait') offered+=$'--timeout\n--json' ;;
            'cancel') offered+='--json' ;;
            'sessions') offered+=$'--limit\n--json' ;;
            'up') offered+=$'--size\n--adapter\n--capacity\n--contain\n--spare\n--python\n--env\n--timeout\n--no-wait\n--json' ;;
            'down') offered+=$'--all\n--timeout\n--json' ;;
            'scale') offered+=$'--timeout\n--json' ;;
            'pause') offered+='--json' ;;
            'resume') offered+='--json' ;;
            'drain') offered+=$'--timeout\n--json' ;;
            'restart') offered+=$'--timeout\n--json' ;;
            'status') offered+='--json' ;;
            'workers') offered+=$'--pool\n-p\n--json' ;;
            'explain') offered+=$'--recent\n--json' ;;
            'logs') offered+=$'--follow\n-f\n--lines\n-n\n--since' ;;
            'reap') offered+=$'--dry-run\n--json' ;;
            'session create') offered+=$'--ttl\n--meta\n--json' ;;
            'session list') offered+=$'--limit\n--json' ;;
            'session show') offered+='--json' ;;
            'session touch') offered+='--json' ;;
            'session update') offered+=$'--ttl\n--meta\n--drop-meta\n--json' ;;
            'session rm') offered+='--json' ;;
            'session stats') offered+='--json' ;;
            'session gc') offered+='--json' ;;
            'var register') offered+=$'--constraints\n--constraint\n--ttl\n--replace\n--meta\n--string\n--json-value\n--session\n--json' ;;
            'var set') offered+=$'--expect\n--no-create\n--meta\n--string\n--json-value\n--session\n--json' ;;
            'var get') offered+=$'--session\n--json\n--field\n--raw\n--output-file\n-o' ;;
            'var list') offered+=$'--session\n--json' ;;
            'var rm') offered+=$'--expect\n--session\n--json' ;;
            'var history') offered+=$'--limit\n--session\n--json' ;;
            'var rollback') offered+=$'--expect\n--session\n--json' ;;
            'var depend') offered+=$'--none\n--session\n--json' ;;
            'var mget') offered+=$'--session\n--json' ;;
            'var mset') offered+=$'--atomic\n--expect\n--no-create\n--meta\n--session\n--json' ;;
            'var export') offered+=$'--session\n--json' ;;
            'var import') offered+=$'--session\n--json' ;;
            'var watch') offered+=$'--from\n--after\n--session\n--json\n--field\n--raw' ;;
            'program put') offered+=$'--global\n--create\n--session\n--json' ;;
            'program get') offered+=$'--global\n--session\n--json\n--field\n--raw' ;;
            'program list') offered+=$'--global\n--session\n--json' ;;
            'program rm') offered+=$'--global\n--session\n--json' ;;
            'tools serve') offered+='--session' ;;
            'tools list') offered+=$'--session\n--json' ;;
            'tools show') offered+=$'--session\n--json' ;;
            'tools call') offered+=$'--args\n--session\n--timeout\n--stream\n--json\n--field\n--raw\n--output-file\n-o\n--meta\n--nan' ;;
            'adapters list') offered+='--json' ;;
            'adapters show') offered+='--json' ;;
            'adapters check') offered+='--json' ;;
            'bridge list') offered+='--json' ;;
            'bridge check') offered+=$'--adapter\n--json' ;;
            'server stop') offered+=$'--timeout\n--json' ;;
            'server restart') offered+='--timeout' ;;
            'server status') offered+='--json' ;;
            'debug failpoints') offered+='--json' ;;
            'debug registry') offered+='--json' ;;
        esac
    else
        case "$verb $previous" in
            *' --color') offered=$'auto\nalways\nnever' ;;
            'exec --pool'|'exec -p'|'stream --pool'|'stream -p'|'commands --pool'|'commands -p'|'map --pool'|'map -p'|'workers --pool'|'workers -p') offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
            'exec --session'|'stream --session'|'map --session'|'var register --session'|'var set --session'|'var get --session'|'var list --session'|'var rm --session'|'var history --session'|'var rollback --session'|'var depend --session'|'var mget --session'|'var mset --session'|'var export --session'|'var import --session'|'var watch --session'|'program put --session'|'program get --session'|'program list --session'|'program rm --session'|'tools serve --session'|'tools list --session'|'tools show --session'|'tools call --session') offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
            'exec --affinity'|'stream --affinity') offered=$'hint\nstrict_queue\nstrict_fail_fast' ;;
            'exec --nan'|'stream --nan'|'map --nan'|'tools call --nan') offered=$'refuse\nnull' ;;
            'stream --progress'|'map --progress'|'tail --progress') offered=$'auto\nbar\nplain\njsonl\nnone' ;;
            'map --from') offered=$'jsonl\ncsv\ntsv\nparquet\narrow' ;;
            'map --to') offered=$'jsonl\ncsv\ntsv' ;;
            'map --on-error') offered=$'record\nstop' ;;
            'up --contain') offered=$'standard\nstrict' ;;
            *' -L'|*' --instance'|*' --color'|'bridge check --adapter'|'commands --pool'|'commands -p'|'down --timeout'|'drain --timeout'|'exec --affinity'|'exec --args'|'exec --field'|'exec --meta'|'exec --nan'|'exec --output-file'|'exec --pool'|'exec --session'|'exec --timeout'|'exec -o'|'exec -p'|'logs --lines'|'logs --since'|'logs -n'|'map --arg'|'map --batch'|'map --from'|'map --input'|'map --joblog'|'map --max-failures'|'map --meta'|'map --nan'|'map --on-error'|'map --output'|'map --pool'|'map --progress'|'map --retries'|'map --session'|'map --timeout'|'map --to'|'map -p'|'program get --field'|'program get --session'|'program list --session'|'program put --session'|'program rm --session'|'restart --timeout'|'scale --timeout'|'server restart --timeout'|'server stop --timeout'|'session create --meta'|'session create --ttl'|'session list --limit'|'session update --drop-meta'|'session update --meta'|'session update --ttl'|'sessions --limit'|'stream --affinity'|'stream --args'|'stream --field'|'stream --meta'|'stream --nan'|'stream --pool'|'stream --progress'|'stream --session'|'stream --timeout'|'stream -p'|'tail --field'|'tail --from'|'tail --progress'|'tools call --args'|'tools call --field'|'tools call --meta'|'tools call --nan'|'tools call --output-file'|'tools call --session'|'tools call --timeout'|'tools call -o'|'tools list --session'|'tools serve --session'|'tools show --session'|'up --adapter'|'up --capacity'|'up --contain'|'up --env'|'up --python'|'up --size'|'up --spare'|'up --timeout'|'var depend --session'|'var export --session'|'var get --field'|'var get --output-file'|'var get --session'|'var get -o'|'var history --limit'|'var history --session'|'var import --session'|'var list --session'|'var mget --session'|'var mset --expect'|'var mset --meta'|'var mset --session'|'var register --constraint'|'var register --constraints'|'var register --meta'|'var register --session'|'var register --ttl'|'var rm --expect'|'var rm --session'|'var rollback --expect'|'var rollback --session'|'var set --expect'|'var set --meta'|'var set --session'|'var watch --after'|'var watch --field'|'var watch --from'|'var watch --session'|'wait --timeout'|'workers --pool'|'workers -p') return ;;
            *)
                case $verb:$given in
                    :0) offered=$'exec\nstream\ncommands\nmap\ntail\nstreams\nwait\ncancel\nsessions\nup\ndown\nscale\npause\nresume\ndrain\nrestart\nstatus\nworkers\nexplain\nlogs\nreap\ncompletion\nsession\nvar\nprogram\ntools\nadapters\nbridge\nserver\ndebug' ;;
                    adapters:0) offered=$'list\nshow\ncheck' ;;
                    bridge:0) offered=$'list\ninstall\ncheck' ;;
                    debug:0) offered=$'failpoints\nregistry' ;;
                    program:0) offered=$'put\nget\nlist\nrm' ;;
                    server:0) offered=$'run\nstart\nstop\nrestart\nstatus' ;;
                    session:0) offered=$'create\nlist\nshow\nexists\ntouch\nupdate\nrm\nstats\ngc' ;;
                    tools:0) offered=$'serve\nlist\nshow\ncall' ;;
                    var:0) offered=$'register\nset\nget\nlist\nrm\nhistory\nrollback\ndepend\nmget\nmset\nexport\nimport\nwatch' ;;
                    'exec':*) offered="$(snakepit __complete call "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'stream':*) offered="$(snakepit __complete call "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'map':*) offered="$(snakepit __complete call "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'up':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'down':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'logs':0) offered="$(snakepit __complete workers "${words[@]:1:here-1}" 2>/dev/null)"$'\n'"$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)"$'\n'$'server\nwarden' ;;
                    'scale':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'pause':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'resume':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'drain':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'restart':0) offered="$(snakepit __complete pools "${words[@]:1:here-1}" 2>/dev/null)"$'\n'"$(snakepit __complete workers "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'tail':0) offered="$(snakepit __complete streams "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'wait':0) offered="$(snakepit __complete streams "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'cancel':0) offered="$(snakepit __complete streams "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'completion':0) offered=$'bash\nzsh\nfish' ;;
                    'session show':0) offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'session exists':0) offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'session touch':0) offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'session update':0) offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'session rm':0) offered="$(snakepit __complete sessions "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var set':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var get':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var list':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var rm':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var mget':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var watch':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var history':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var rollback':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'var depend':0) offered="$(snakepit __complete variables "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'program put':0) offered="$(snakepit __complete programs "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'program get':0) offered="$(snakepit __complete programs "${words[@]:1:here-1}" 2>/dev/null)" ;;
                    'program rm':0) offered="$(snakepit __complete programs "${words[@]:1:here-1}" 2>/dev/null)" ;;
                esac
                ;;
        esac
    fi
    before=${current%"${current##*[=:]}"}
    while IFS='' read -r word; do
        if [[ -n $word && $word == "$current"* ]]; then COMPREPLY+=("$(printf %q "${word#"$before"}")"); fi
    done <<< "$offered"
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o default -F _snakepit snakepit
