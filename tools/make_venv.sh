#!/bin/sh
# Makes .venv with what it takes to work on the project; the Makefile calls it. What goes wrong is told in one line.
#
# The first Python of 3.11 to 3.13 that works is taken, of those on the path or of the one that PYTHON names. uv installs, in seconds.
# It does not read pip's settings: where pip was told of an index or a proxy, and wherever uv fails, pip installs.
set -u
cd "$(dirname "$0")/.." || exit 1
venv=.venv
project='.[train,bench,distributed,parquet,serve,dev]'
no_index='NewConnectionError|Max retries|ConnectTimeout|ReadTimeout|ProxyError|SSLError|name resolution|onnection refused|unreachable|from versions: none'

stop() {
    echo "make: $*" >&2
    exit 1
}

candidates() { # every Python on the path, a line each, the best first
    for name in python3.11 python3.12 python3.13 python3 python; do
        (IFS=: && for folder in $PATH; do [ -x "$folder/$name" ] && echo "$folder/$name"; done)
    done
}

version_of() { # such as 3.12, and whether that will do
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null </dev/null)
    case $version in 3.11 | 3.12 | 3.13) ;; *) false ;; esac
}

find_python() { # sets python, or stops
    seen='' bare=''
    while IFS= read -r python; do
        if [ -z "$python" ]; then
            continue
        elif ! version_of "$python"; then
            seen="$seen${seen:+, }$python (${version:-does not start})"
        elif "$python" -c 'import ensurepip, venv' 2>/dev/null </dev/null; then
            return
        else
            bare=${bare:-"$python has no ensurepip, so it cannot make environments: sudo apt install python$version-venv"}
        fi
    done <<END
$(if [ -n "${PYTHON-}" ]; then command -v "$PYTHON" || echo "$PYTHON"; else candidates; fi)
END
    stop "${bare:-"needs Python 3.11, 3.12 or 3.13; found: ${seen:-none}. Install one, or name it: make PYTHON=/path/to/python3.12"}"
}

explain() { # what a failed command said -> one line
    full=
    case $1 in *'No space left'* | *'Errno 28'*) full=$PWD ;; esac
    for folder in "${TMPDIR:-/tmp}" "$PWD"; do
        [ "$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')" -gt 50000 ] || full=$folder
    done
    [ -z "$full" ] || stop "the disk is full ($full): .venv takes 3 GB; make room, and type make again"
    if echo "$1" | grep -qE "$no_index"; then
        stop "the package index cannot be reached, or lacks packages that .venv is made of: is there a network? (settings: pip config list)"
    fi
    echo "$1" > "$venv/install.log"
    error=$(echo "$1" | grep -i '^error' | tail -n 1)
    stop "${error:-$(echo "$1" | grep -v '^ *$' | tail -n 1)} (all of it: $venv/install.log)"
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"
}

with_uv() {
    "$venv/bin/python" -m pip config list 2>/dev/null | grep -qE "index-url=.*https?:|\.proxy=|no-index=" && return 1
    pip_install --retries 1 --only-binary=:all: uv >/dev/null 2>&1 || return 1
    cache=$("$venv/bin/uv" cache dir 2>/dev/null) && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || export UV_CACHE_DIR="$PWD/.cache/uv"
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c constraints.txt -e "$project" 2>/dev/null
}

[ -w . ] || stop "$PWD cannot be written to, and .venv is made here: copy the folder to where you may write"
if ! { version_of "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    find_python
    echo "make: .venv of $python: under a minute, or some minutes where pip installs"
    said=$("$python" -m venv --clear "$venv" 2>&1) || explain "$said"
fi
with_uv || said=$(pip_install -e "$project" 2>&1) || explain "$said"
touch "$venv/.ready"
