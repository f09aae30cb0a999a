"""The completion scripts themselves, one writer for each shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from snakepit_cli.cli.completion.words import Entry, Option
from snakepit_cli.client.call.request import PROGRESS

_NOTE = "Generated from the verbs of snakepit (python -m tests.tools.regen). Do not edit."


_PICTURES = " ".join(PROGRESS)


def _names(options: Iterable[Option], *, value: bool | None = None) -> list[str]:
    return [name for option in options for name in option.names if value is None or option.value == value]


def _groups(entries: Iterable[Entry]) -> list[str]:
    return sorted({entry.path.split()[0] for entry in entries if " " in entry.path})


def _children(entries: Iterable[Entry], group: str) -> list[Entry]:
    """Verbs directly below a group; "" is the root."""
    prefix = f"{group} " if group else ""
    return [e for e in entries if e.path.startswith(prefix) and " " not in e.path[len(prefix) :]]


def _last(entries: Iterable[Entry]) -> list[str]:
    return [entry.path.split()[-1] for entry in entries]


def _valued(entries: Iterable[Entry], shared: Iterable[Option]) -> str:
    """Pattern of `VERB OPTION` for options that have a value: what is a flag of one verb may have one in another."""
    everywhere = [f"*' {name}'" for name in _names(shared, value=True)]
    of_verbs = [f"'{entry.path} {name}'" for entry in entries for name in _names(entry.options, value=True)]
    return "|".join([*everywhere, *sorted(of_verbs)])


def _choices(entries: Iterable[Entry], shared: Iterable[Option]) -> dict[str, str]:
    """Pattern of `VERB OPTION` → what the value may be."""
    found: dict[str, list[str]] = {}
    for option in shared:
        found.setdefault(option.words, []).extend(f"*' {name}'" for name in option.names)
    for entry in entries:
        for option in entry.options:
            found.setdefault(option.words, []).extend(f"'{entry.path} {name}'" for name in option.names)
    return {"|".join(patterns): words for words, patterns in found.items() if words}


def _loop(entries: tuple[Entry, ...], shared: tuple[Option, ...], *, first: int, here: str, words: str) -> list[str]:
    """Finds the verb, and how many words were given after it. Runs in bash and in zsh."""
    return [
        f"    for ((i = {first}; i < {here}; i++)); do",
        f"        word=${{{words}[i]}}",
        '        case "$verb $word" in',
        # Its value may be left out.
        f"            (*' --progress') [[ ' {_PICTURES} ' == *\" ${{{words}[i + 1]}} \"* ]] && i=$((i + 1)) ;;",
        f"            ({_valued(entries, shared)}) i=$((i + 1)) ;;",
        "            (*' -'*) ;;",
        "            (*)",
        "                case $verb in",
        "                    ('') verb=$word ;;",
        *(f'                    ({group}) verb="{group} $word" ;;' for group in _groups(entries)),
        "                    (*) given=$((given + 1)) ;;",
        "                esac",
        "                ;;",
        "        esac",
        "    done",
    ]


def _place(what: str) -> str:
    """At which words of a verb it is offered."""
    return "*" if "@call" in what else "0"


# --------------------------------------------------------------------------------------------------- bash


def _bash(entries: tuple[Entry, ...], shared: tuple[Option, ...], words: Mapping[str, str]) -> str:
    groups = _groups(entries)
    lines = [
        f"# {_NOTE}",
        "",
        "_snakepit() {",
        "    local current previous before verb='' given=0 i word offered='' here",
        "    local -a words",
        # Not COMP_WORDS: that is cut at `=` and `:`, of which arguments have many.
        '    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"',
        "    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')",
        "    here=$((${#words[@]} - 1))",
        "    current=${words[here]}",
        "    previous=${words[here - 1]}",
        *_loop(entries, shared, first=1, here="here", words="words"),
        # The file of an argument. For bash the `@` is the beginning of its word.
        "    if [[ $current == *=@* ]]; then",
        "        while IFS='' read -r word; do",
        "            [[ -d $word ]] && word+=/ && compopt -o nospace 2>/dev/null",
        '            COMPREPLY+=("@$(printf %q "$word")")',
        '        done < <(compgen -f -- "${current##*=@}")',
        "        return 0",
        "    fi",
        "    if [[ $current == -* ]]; then",
        f"        offered={_bash_lines([*_names(shared), ''])}",
        "        case $verb in",
        "            '') offered+=--version ;;",
        *(
            f"            '{entry.path}') offered+={_bash_lines(_names(entry.options))} ;;"
            for entry in entries
            if entry.options
        ),
        "        esac",
        "    else",
        '        case "$verb $previous" in',
        *(f"            {names}) offered={_bash_words(what)} ;;" for names, what in _choices(entries, shared).items()),
        f"            {_valued(entries, shared)}) return ;;",
        "            *)",
        "                case $verb:$given in",
        *(
            f"                    {group}:0) offered={_bash_lines(_last(_children(entries, group)))} ;;"
            for group in ["", *groups]
        ),
        *(
            f"                    '{verb}':{_place(what)}) offered={_bash_words(what)} ;;"
            for verb, what in words.items()
        ),
        "                esac",
        "                ;;",
        "        esac",
        "    fi",
        # bash replaces only what follows the last of these two characters.
        '    before=${current%"${current##*[=:]}"}',
        # Not `compgen -W`: that expands its words, so the name of a command could be one for the shell.
        "    while IFS='' read -r word; do",
        '        if [[ -n $word && $word == "$current"* ]]; then COMPREPLY+=("$(printf %q "${word#"$before"}")"); fi',
        '    done <<< "$offered"',
        "    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null",
        "    return 0",
        "}",
        "",
        "complete -o default -F _snakepit snakepit",
        "",
    ]
    return "\n".join(lines)


def _bash_words(what: str) -> str:
    """One word a line."""
    given = '"${words[@]:1:here-1}"'
    asked = [f'"$(snakepit __complete {word[1:]} {given} 2>/dev/null)"' for word in what.split() if word[0] == "@"]
    fixed = [_bash_lines(word for word in what.split() if word[0] != "@")]
    return "$'\\n'".join([*asked, *(one for one in fixed if one != "''")])


def _bash_lines(words: Iterable[str]) -> str:
    text = "\\n".join(words)
    return f"$'{text}'" if "\\n" in text else f"'{text}'"


# ---------------------------------------------------------------------------------------------------- zsh


def _zsh(entries: tuple[Entry, ...], shared: tuple[Option, ...], words: Mapping[str, str]) -> str:
    groups = _groups(entries)
    lines = [
        "#compdef snakepit",
        f"# {_NOTE}",
        "",
        "_snakepit() {",
        "    local verb='' given=0 i word",
        "    local -a offered",
    ]
    lines += [
        *_loop(entries, shared, first=2, here="CURRENT", words="words"),
        "    if [[ ${words[CURRENT]} == -* ]]; then",
        f"        offered=({_zsh_options(shared)})",
        "        case $verb in",
        "            ('') offered+=('--version:print the version') ;;",
        *(
            f"            ('{entry.path}') offered+=({_zsh_options(entry.options)}) ;;"
            for entry in entries
            if entry.options
        ),
        "        esac",
        "        _describe option offered",
        "        return",
        "    fi",
        '    case "$verb ${words[CURRENT-1]}" in',
        *(
            f"        ({names}) compadd -- {_zsh_words(what)}; return ;;"
            for names, what in _choices(entries, shared).items()
        ),
        f"        ({_valued(entries, shared)}) _files; return ;;",
        "    esac",
        # The file of an argument.
        "    if compset -P '*=@'; then _files; return; fi",
        "    case $verb:$given in",
        *(
            f"        ({group}:0) offered=({_zsh_verbs(_children(entries, group))}); _describe verb offered ;;"
            for group in ["", *groups]
        ),
        *(
            f"        ('{verb}':{_place(what)}) {_ZSH_CALL if '@call' in what else f'compadd -- {_zsh_words(what)}'} ;;"
            for verb, what in words.items()
        ),
        "        (*) _files ;;",
        "    esac",
        "}",
        "",
        # Loaded by compinit as a function file, or sourced.
        'if [[ $funcstack[1] == _snakepit ]]; then _snakepit "$@"; else compdef _snakepit snakepit; fi',
        "",
    ]
    return "\n".join(lines)


def _zsh_words(what: str) -> str:
    given = '"${(@)words[2,CURRENT-1]}"'
    return " ".join(
        f'${{(f)"$(snakepit __complete {word[1:]} {given} 2>/dev/null)"}}' if word[0] == "@" else word
        for word in what.split()
    )


_ZSH_CALL = f"offered=({_zsh_words('@call')}); compadd -S '' -- ${{(M)offered:#*=}}; compadd -- ${{offered:#*=}}"
"""No space after a name whose value follows."""


def _zsh_options(options: Iterable[Option]) -> str:
    return " ".join(_zsh_item(name, option.text) for option in options for name in option.names)


def _zsh_verbs(entries: Iterable[Entry]) -> str:
    return " ".join(_zsh_item(entry.path.split()[-1], entry.text) for entry in entries)


def _zsh_item(name: str, text: str) -> str:
    return _quoted(name.replace(":", "\\:") + ":" + text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --------------------------------------------------------------------------------------------------- fish


def _fish(entries: tuple[Entry, ...], shared: tuple[Option, ...], words: Mapping[str, str]) -> str:
    groups = _groups(entries)
    lines = [f"# {_NOTE}", "", *_FISH_FILES, "", "complete -c snakepit -f"]
    lines += [f"complete -c snakepit{_fish_option(option)}" for option in shared]
    lines.append("complete -c snakepit -n __fish_use_subcommand -l version -d 'print the version'")
    lines += [
        f"complete -c snakepit -n __fish_use_subcommand -a {entry.path} -d {_fish_text(entry.text)}"
        for entry in _children(entries, "")
    ]
    for entry in entries:
        if entry.path in groups:
            continue
        condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in entry.path.split())
        if " " in entry.path:
            group, verb = entry.path.split()
            others = " ".join(one.path.split()[1] for one in _children(entries, group))
            only = f"__fish_seen_subcommand_from {group}; and not __fish_seen_subcommand_from {others}"
            lines.append(f"complete -c snakepit -n {_fish_text(only)} -a {verb} -d {_fish_text(entry.text)}")
        if "@call" in words.get(entry.path, ""):
            lines.append(f"complete -c snakepit -n {_fish_text(condition)} -a '(__snakepit_files)'")
        if entry.path in words:
            lines.append(
                f"complete -c snakepit -n {_fish_text(condition)} -a {_fish_text(_fish_words(words[entry.path]))}"
            )
        lines += [f"complete -c snakepit -n {_fish_text(condition)}{_fish_option(one)}" for one in entry.options]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    names = [f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names]
    words = f" -a {_fish_text(_fish_words(option.words))}" if option.words else ""
    # A file may be the value unless the words are known.
    value = "" if not option.value else " -x" if words else " -r -F"
    return "".join(names) + value + words + f" -d {_fish_text(option.text)}"


_FISH_FILES = (
    "function __snakepit_files -d 'the file of an argument'",
    "    set -l token (commandline -ct)",
    "    if set -l start (string match -r -- '^[^=]*=@' $token)",
    "        for path in (complete -C \"'' \"(string escape -- (string replace -- $start '' $token)))",
    "            printf '%s%s\\n' $start $path",
    "        end",
    "    end",
    "end",
)


def _fish_words(what: str) -> str:
    asked = "(snakepit __complete {} (commandline -opc)[2..-1] 2>/dev/null)"
    return " ".join(asked.format(word[1:]) if word[0] == "@" else word for word in what.split())


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


Writer = Callable[[tuple["Entry", ...], tuple["Option", ...], Mapping[str, str]], str]
WRITERS: dict[str, Writer] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
