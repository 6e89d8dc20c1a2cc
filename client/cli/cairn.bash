# SPDX-License-Identifier: BSD-3-Clause
#
# Completion for bash of cairn, cairnd and loadgen. The programs themselves say what may come next
# (cairn --complete-words, the options in --help), so that there is no list here to forget.
# shellcheck shell=bash

_cairn() {
    local word=${COMP_WORDS[COMP_CWORD]} words=()
    mapfile -t words < <("$1" --complete-words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=("${words[@]}")
    # The bytes of a value may come from a file.
    if [[ $word == @* ]]; then
        mapfile -t COMPREPLY < <(compgen -P @ -f -- "${word#@}")
    fi
}

# Options as they stand at the beginning of the lines of what a command prints as help.
_cairn_by_help() {
    local word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$@" --help 2>/dev/null |
            sed -nE 's/^ +((-[A-Za-z], )?(--[a-z-]+)).*/\3/p')" -- "$word")
    fi
}

# Behind loadgen: a subcommand, which --help names as "  loadgen NAME ...", and then its options.
_loadgen() {
    local word=${COMP_WORDS[COMP_CWORD]} names
    names=$("$1" --help 2>/dev/null | sed -nE '/^Subcommands/,/^$/s/^  loadgen ([a-z]+).*/\1/p')
    if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
    elif [[ " ${names//$'\n'/ } " == *" ${COMP_WORDS[1]} "* ]]; then
        _cairn_by_help "$1" "${COMP_WORDS[1]}"
    else
        _cairn_by_help "$1"
    fi
}

# Behind cairnd --set: the names of options, each with the = that a value follows.
_cairnd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $before == --set || $before == -s ]]; then
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --print-config 2>/dev/null |
            awk -F: '/^[a-z]/ { group = $1 } /^  [a-z]/ { sub(/ +/, "", $1); print group "." $1 "=" }'
        )" -- "$word")
        return
    fi
    _cairn_by_help "$1"
    # Commands stand first; behind them directories, which bash completes by default.
    if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2>/dev/null |
            sed -nE 's/^       cairnd ([a-z]+) .*/\1/p')" -- "$word")
    fi
}

complete -o default -F _cairn cairn
complete -o default -F _cairnd cairnd
complete -o default -F _loadgen loadgen
