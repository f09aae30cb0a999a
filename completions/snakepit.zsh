#compdef snakepit
# Generated from the verbs of snakepit (python -m tests.tools.regen). Do not edit.

_snakepit() {
    local verb='' given=0 i word
    local -a offered
    for ((i = 2; i < CURRENT; i++)); do
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
    if [[ ${words[CURRENT]} == -* ]]; then
        offered=('-L:the instance to talk to (SNAKEPIT_INSTANCE; default: default)' '--instance:the instance to talk to (SNAKEPIT_INSTANCE; default: default)' '--no-start:never start a server' '--color:when to colour (NO_COLOR and FORCE_COLOR are honoured)' '-q:print only errors' '--quiet:print only errors' '--debug:show where an error comes from' '--help:show help')
        case $verb in
            ('') offered+=('--version:print the version') ;;
            ('exec') offered+=('--args:All arguments as one JSON object' '--pool:The pool to call (SNAKEPIT_POOL)' '-p:The pool to call (SNAKEPIT_POOL)' '--session:The session that it belongs to (SNAKEPIT_SESSION)' '--timeout:How long to wait: 30, 90s, 2m' '--affinity:What to do when the session'\''s worker is busy or gone' '--meta:Facts that travel with the call; repeatable' '--nan:What becomes of NaN in the answer' '--idempotent:Run it again when its worker dies' '--json:Exactly one JSON document on stdout, also on failure' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are' '--output-file:Write the result into this file: .npy, .json, .arrow, .png, .bin, …' '-o:Write the result into this file: .npy, .json, .arrow, .png, .bin, …') ;;
            ('stream') offered+=('--args:All arguments as one JSON object' '--pool:The pool to call (SNAKEPIT_POOL)' '-p:The pool to call (SNAKEPIT_POOL)' '--session:The session that it belongs to (SNAKEPIT_SESSION)' '--timeout:How long to wait: 30, 90s, 2m' '--affinity:What to do when the session'\''s worker is busy or gone' '--meta:Facts that travel with the call; repeatable' '--nan:What becomes of NaN in the answer' '--detach:Run it in the background and print its id; see `tail`' '--json:Exactly one JSON document on stdout, also on failure' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are' '--progress:How to show progress on stderr') ;;
            ('commands') offered+=('--pool:The pool to call (SNAKEPIT_POOL)' '-p:The pool to call (SNAKEPIT_POOL)' '--json:Exactly one JSON document on stdout, also on failure') ;;
            ('map') offered+=('--input:Read lines from this file' '--output:Write answers to this file' '--from:Form of the input; else as --input ends' '--to:Form of the output; else as --output ends' '--arg:The argument that an item becomes: with --arg a, the line 5 is a:=5' '--lines:The lines are strings, not JSON' '--batch:Give the command N items at a time, as a list' '--unordered:Print answers as they come' '--envelope:Each answer says its line: {line, result} or {line, error}' '--on-error:What to do on a failed item: record its error or stop' '--max-failures:Stop when more than N have failed' '--retries:How often an item is retried after a worker crash' '--timeout:How long one item may take' '--joblog:File that records which items are done' '--resume:Continue the run that the joblog records' '--resume-failed:Continue, and run failed items again' '--pool:The pool to call (SNAKEPIT_POOL)' '-p:The pool to call (SNAKEPIT_POOL)' '--session:The session that it belongs to (SNAKEPIT_SESSION)' '--meta:Facts that travel with the call; repeatable' '--nan:What becomes of NaN in the answer' '--progress:How to show progress on stderr') ;;
            ('tail') offered+=('--from:Where to begin; N skips N chunks' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are' '--progress:How to show progress on stderr') ;;
            ('streams') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('wait') offered+=('--timeout:How long to wait' '--json:Exactly one JSON document on stdout') ;;
            ('cancel') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('sessions') offered+=('--limit:Only the N oldest' '--json:Exactly one JSON document on stdout') ;;
            ('up') offered+=('--size:Number of workers' '--adapter:What to run: pkg.mod:Class or file.py:Class' '--capacity:Concurrent calls per worker; all handlers must be async' '--contain:Strict: each worker in a PID namespace of its own' '--spare:Extra workers that are kept idle to replace lost ones' '--python:The interpreter of Python workers' '--env:A variable for the workers; repeatable' '--timeout:How long the workers may take to start' '--no-wait:Return before they are ready' '--json:Print the pool as one JSON document') ;;
            ('down') offered+=('--all:Every instance of yours' '--timeout:How long running calls may go on' '--json:Print what was stopped as one JSON document') ;;
            ('scale') offered+=('--timeout:How long new workers may take to start' '--json:Print the pool as one JSON document') ;;
            ('pause') offered+=('--json:Print the pool as one JSON document') ;;
            ('resume') offered+=('--json:Print the pool as one JSON document') ;;
            ('drain') offered+=('--timeout:How long to wait for its calls' '--json:Print the pool as one JSON document') ;;
            ('restart') offered+=('--timeout:How long it may take' '--json:Print the pool as one JSON document') ;;
            ('status') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('workers') offered+=('--pool:Only this pool'\''s (SNAKEPIT_POOL)' '-p:Only this pool'\''s (SNAKEPIT_POOL)' '--json:Exactly one JSON document on stdout') ;;
            ('explain') offered+=('--recent:List the latest calls' '--json:Exactly one JSON document on stdout') ;;
            ('logs') offered+=('--follow:Print new lines as they come, until Ctrl-C' '-f:Print new lines as they come, until Ctrl-C' '--lines:Number of last lines of each log' '-n:Number of last lines of each log' '--since:Only lines of this last time: 30, 90s, 2m, 1h') ;;
            ('reap') offered+=('--dry-run:Only show what would be ended, and why it is ours' '--json:Exactly one JSON document on stdout') ;;
            ('session create') offered+=('--ttl:How long it lasts after its last use: 90s, 2h, 1d' '--meta:A fact to keep with it; repeatable' '--json:Exactly one JSON document on stdout') ;;
            ('session list') offered+=('--limit:Only the N oldest' '--json:Exactly one JSON document on stdout') ;;
            ('session show') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('session touch') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('session update') offered+=('--ttl:How long it lasts after its last use: 90s, 2h, 1d' '--meta:A fact to keep with it; repeatable' '--drop-meta:Remove this fact; repeatable' '--json:Exactly one JSON document on stdout') ;;
            ('session rm') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('session stats') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('session gc') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('var register') offered+=('--constraints:All constraints, an object' '--constraint:A constraint; repeatable' '--ttl:How long it lasts after its last change' '--replace:Replace one that exists' '--meta:A fact to keep with it; repeatable' '--string:The value is text, whatever it looks like' '--json-value:The value must be JSON' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var set') offered+=('--expect:Only if this is its current version' '--no-create:Fail when there is no such variable' '--meta:A fact to keep with it; repeatable' '--string:The value is text, whatever it looks like' '--json-value:The value must be JSON' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var get') offered+=('--session:The session (SNAKEPIT_SESSION)' '--json:Print all that is known of it, not only the value' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are' '--output-file:Write the result into this file: .npy, .json, .arrow, .png, .bin, …' '-o:Write the result into this file: .npy, .json, .arrow, .png, .bin, …') ;;
            ('var list') offered+=('--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var rm') offered+=('--expect:Only if this is its current version' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var history') offered+=('--limit:Only the N latest' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var rollback') offered+=('--expect:Only if this is its current version' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var depend') offered+=('--none:Remove all its dependencies' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var mget') offered+=('--session:The session (SNAKEPIT_SESSION)' '--json:Print all that is known of them, not only the values') ;;
            ('var mset') offered+=('--atomic:All or none' '--expect:Only if this is its current version; repeatable' '--no-create:Variables that do not exist are errors' '--meta:A fact to keep with it; repeatable' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var export') offered+=('--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var import') offered+=('--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('var watch') offered+=('--from:Begin with this version of the variable PATTERN' '--after:Begin with the first change after this revision of the session' '--session:The session (SNAKEPIT_SESSION)' '--json:JSON, also on failure; each line is a document' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are') ;;
            ('program put') offered+=('--global:A global program, which all sessions can use' '--create:Fail when it exists' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('program get') offered+=('--global:A global program, which all sessions can use' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are') ;;
            ('program list') offered+=('--global:A global program, which all sessions can use' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('program rm') offered+=('--global:A global program, which all sessions can use' '--session:The session (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout') ;;
            ('tools serve') offered+=('--session:The session that it belongs to (SNAKEPIT_SESSION)') ;;
            ('tools list') offered+=('--session:The session that it belongs to (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout, also on failure') ;;
            ('tools show') offered+=('--session:The session that it belongs to (SNAKEPIT_SESSION)' '--json:Exactly one JSON document on stdout, also on failure') ;;
            ('tools call') offered+=('--args:All arguments as one JSON object' '--session:The session that it belongs to (SNAKEPIT_SESSION)' '--timeout:How long to wait: 30, 90s, 2m' '--stream:Print each chunk of the answer when it comes' '--json:Exactly one JSON document on stdout, also on failure' '--field:Print only a part of the result: a.b[0].c' '--raw:Print strings without quotes, and binary results as they are' '--output-file:Write the result into this file: .npy, .json, .arrow, .png, .bin, …' '-o:Write the result into this file: .npy, .json, .arrow, .png, .bin, …' '--meta:Facts that travel with the call; repeatable' '--nan:What becomes of NaN in the answer') ;;
            ('adapters list') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('adapters show') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('adapters check') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('bridge list') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('bridge check') offered+=('--adapter:Check the bridge of this adapter' '--json:Exactly one JSON document on stdout') ;;
            ('server stop') offered+=('--timeout:How long running calls may go on' '--json:Exactly one JSON document on stdout') ;;
            ('server restart') offered+=('--timeout:How long running calls may go on') ;;
            ('server status') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('debug failpoints') offered+=('--json:Exactly one JSON document on stdout') ;;
            ('debug registry') offered+=('--json:Exactly one JSON document on stdout') ;;
        esac
        _describe option offered
        return
    fi
    case "$verb ${words[CURRENT-1]}" in
        (*' --color') compadd -- auto always never; return ;;
        ('exec --pool'|'exec -p'|'stream --pool'|'stream -p'|'commands --pool'|'commands -p'|'map --pool'|'map -p'|'workers --pool'|'workers -p') compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"}; return ;;
        ('exec --session'|'stream --session'|'map --session'|'var register --session'|'var set --session'|'var get --session'|'var list --session'|'var rm --session'|'var history --session'|'var rollback --session'|'var depend --session'|'var mget --session'|'var mset --session'|'var export --session'|'var import --session'|'var watch --session'|'program put --session'|'program get --session'|'program list --session'|'program rm --session'|'tools serve --session'|'tools list --session'|'tools show --session'|'tools call --session') compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"}; return ;;
        ('exec --affinity'|'stream --affinity') compadd -- hint strict_queue strict_fail_fast; return ;;
        ('exec --nan'|'stream --nan'|'map --nan'|'tools call --nan') compadd -- refuse null; return ;;
        ('stream --progress'|'map --progress'|'tail --progress') compadd -- auto bar plain jsonl none; return ;;
        ('map --from') compadd -- jsonl csv tsv parquet arrow; return ;;
        ('map --to') compadd -- jsonl csv tsv; return ;;
        ('map --on-error') compadd -- record stop; return ;;
        ('up --contain') compadd -- standard strict; return ;;
        (*' -L'|*' --instance'|*' --color'|'bridge check --adapter'|'commands --pool'|'commands -p'|'down --timeout'|'drain --timeout'|'exec --affinity'|'exec --args'|'exec --field'|'exec --meta'|'exec --nan'|'exec --output-file'|'exec --pool'|'exec --session'|'exec --timeout'|'exec -o'|'exec -p'|'logs --lines'|'logs --since'|'logs -n'|'map --arg'|'map --batch'|'map --from'|'map --input'|'map --joblog'|'map --max-failures'|'map --meta'|'map --nan'|'map --on-error'|'map --output'|'map --pool'|'map --progress'|'map --retries'|'map --session'|'map --timeout'|'map --to'|'map -p'|'program get --field'|'program get --session'|'program list --session'|'program put --session'|'program rm --session'|'restart --timeout'|'scale --timeout'|'server restart --timeout'|'server stop --timeout'|'session create --meta'|'session create --ttl'|'session list --limit'|'session update --drop-meta'|'session update --meta'|'session update --ttl'|'sessions --limit'|'stream --affinity'|'stream --args'|'stream --field'|'stream --meta'|'stream --nan'|'stream --pool'|'stream --progress'|'stream --session'|'stream --timeout'|'stream -p'|'tail --field'|'tail --from'|'tail --progress'|'tools call --args'|'tools call --field'|'tools call --meta'|'tools call --nan'|'tools call --output-file'|'tools call --session'|'tools call --timeout'|'tools call -o'|'tools list --session'|'tools serve --session'|'tools show --session'|'up --adapter'|'up --capacity'|'up --contain'|'up --env'|'up --python'|'up --size'|'up --spare'|'up --timeout'|'var depend --session'|'var export --session'|'var get --field'|'var get --output-file'|'var get --session'|'var get -o'|'var history --limit'|'var history --session'|'var import --session'|'var list --session'|'var mget --session'|'var mset --expect'|'var mset --meta'|'var mset --session'|'var register --constraint'|'var register --constraints'|'var register --meta'|'var register --session'|'var register --ttl'|'var rm --expect'|'var rm --session'|'var rollback --expect'|'var rollback --session'|'var set --expect'|'var set --meta'|'var set --session'|'var watch --after'|'var watch --field'|'var watch --from'|'var watch --session'|'wait --timeout'|'workers --pool'|'workers -p') _files; return ;;
    esac
    if compset -P '*=@'; then _files; return; fi
    case $verb:$given in
        (:0) offered=('exec:Call a command and print its result as JSON' 'stream:Call a command and print each chunk of its answer when it comes, one JSON value a line' 'commands:List the commands of a pool'\''s adapter' 'map:Call a command for every line of the input: one JSON value a line in, one JSON line out, in the same order' 'tail:Print the chunks of a detached stream, from its start, until its end' 'streams:List the detached streams: those that run, and those that ended within a day' 'wait:Wait until detached streams are over' 'cancel:Cancel a detached stream, or any call' 'sessions:List the sessions, the oldest first' 'up:Start a pool, or change one that runs' 'down:Stop this instance (or a pool, or all instances)' 'scale:Change the number of workers of a running pool' 'pause:Hold new calls to a pool; running calls go on' 'resume:Accept calls again, after `pause` or `drain`' 'drain:Take no new calls and wait until all others have been answered' 'restart:Replace a pool'\''s workers one after another, or a single worker' 'status:Show the server and its pools' 'workers:List the workers, what each is doing and how much memory it holds' 'explain:Show where the time of a call went: start, queue, dispatch, run' 'logs:Print the logs of workers, server and warden' 'reap:End processes that dead runs of this instance left behind, and free the memory of dead instances' 'completion:Print the completion script for a shell' 'session:What the calls of one task share: variables, programs, a worker' 'var:Typed variables of a session, with all their versions' 'program:JSON documents of a session, or of all sessions, under names' 'tools:Functions that processes offer to each other within a session' 'adapters:What pools can run: list, show, check' 'bridge:Languages other than Python: list, install, check' 'server:The background process: run, start, stop, restart, status' 'debug:For looking inside, and for proving that failures are handled'); _describe verb offered ;;
        (adapters:0) offered=('list:Show the adapters that have names: ours, those of the configuration, and those of installed packages' 'show:Show what is known of one adapter' 'check:Start a worker of the adapter, ask what it can do, and end it'); _describe verb offered ;;
        (bridge:0) offered=('list:List the languages that workers can be written in, and whether their runtimes are installed' 'install:Prepare a bridge: find its runtime and do what would slow down the first worker' 'check:Check that a worker keeps every promise of the worker contract'); _describe verb offered ;;
        (debug:0) offered=('failpoints:List the places at which SNAKEPIT_FAILPOINT=PLACE=kill|stop|sleep:SECONDS|eio[@N] makes a process fail' 'registry:Count the processes, sessions and tools of an instance'); _describe verb offered ;;
        (program:0) offered=('put:Store a program: any JSON, under a name' 'get:Print a program' 'list:List the programs of a session, or the global ones' 'rm:Remove programs'); _describe verb offered ;;
        (server:0) offered=('run:Run the server in the foreground, for a service manager or to see what it does' 'start:Start the server when it does not run' 'stop:Stop the server and all of its pools: the same as `snakepit down`' 'restart:End the server process and start it again with the same pools' 'status:Show the server and its pools: the same as `snakepit status`'); _describe verb offered ;;
        (session:0) offered=('create:Create a session and print its id' 'list:List the sessions, the oldest first' 'show:Show a session: its age, the time left, what it holds' 'exists:Exit with 0 when the session exists, with 1 when it does not' 'touch:Restart the time to live of a session' 'update:Change how long a session lasts, or what is noted with it' 'rm:Remove sessions with all that is in them' 'stats:Count sessions and what is in them, and what was created, removed and expired since the server started' 'gc:Remove expired sessions now'); _describe verb offered ;;
        (tools:0) offered=('serve:Offer the functions of a file to a session, until Ctrl-C' 'list:List the tools of a session' 'show:Show what is known of a tool, as JSON' 'call:Call a tool of a session and print its result as JSON'); _describe verb offered ;;
        (var:0) offered=('register:Create a variable of a type, with a first value and with constraints that every later value must meet' 'set:Set a variable' 'get:Print the value of a variable as JSON, or write it into a file' 'list:List the variables of a session, the oldest first' 'rm:Remove variables' 'history:List the versions of a variable that are kept, the oldest first' 'rollback:Give a variable the value of an earlier version' 'depend:Record which variables a variable depends on: it is stale when one of them has changed since it was set' 'mget:Print the values of variables as one JSON object' 'mset:Set variables' 'export:Print variables for `import`, one JSON object a line' 'import:Create the variables that `export` has printed, all or none' 'watch:Print each change of variables when it happens, one JSON object a line, until the session ends'); _describe verb offered ;;
        ('exec':*) offered=(${(f)"$(snakepit __complete call "${(@)words[2,CURRENT-1]}" 2>/dev/null)"}); compadd -S '' -- ${(M)offered:#*=}; compadd -- ${offered:#*=} ;;
        ('stream':*) offered=(${(f)"$(snakepit __complete call "${(@)words[2,CURRENT-1]}" 2>/dev/null)"}); compadd -S '' -- ${(M)offered:#*=}; compadd -- ${offered:#*=} ;;
        ('map':*) offered=(${(f)"$(snakepit __complete call "${(@)words[2,CURRENT-1]}" 2>/dev/null)"}); compadd -S '' -- ${(M)offered:#*=}; compadd -- ${offered:#*=} ;;
        ('up':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('down':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('logs':0) compadd -- ${(f)"$(snakepit __complete workers "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} server warden ;;
        ('scale':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('pause':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('resume':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('drain':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('restart':0) compadd -- ${(f)"$(snakepit __complete pools "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ${(f)"$(snakepit __complete workers "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('tail':0) compadd -- ${(f)"$(snakepit __complete streams "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('wait':0) compadd -- ${(f)"$(snakepit __complete streams "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('cancel':0) compadd -- ${(f)"$(snakepit __complete streams "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('completion':0) compadd -- bash zsh fish ;;
        ('session show':0) compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('session exists':0) compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('session touch':0) compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('session update':0) compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('session rm':0) compadd -- ${(f)"$(snakepit __complete sessions "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var set':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var get':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var list':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var rm':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var mget':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var watch':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var history':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var rollback':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('var depend':0) compadd -- ${(f)"$(snakepit __complete variables "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('program put':0) compadd -- ${(f)"$(snakepit __complete programs "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('program get':0) compadd -- ${(f)"$(snakepit __complete programs "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        ('program rm':0) compadd -- ${(f)"$(snakepit __complete programs "${(@)words[2,CURRENT-1]}" 2>/dev/null)"} ;;
        (*) _files ;;
    esac
}

if [[ $funcstack[1] == _snakepit ]]; then _snakepit "$@"; else compdef _snakepit snakepit; fi
