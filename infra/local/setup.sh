#!/bin/sh
# Makes .venv with everything in requirements-dev.txt, and does nothing when that is there.
# One sentence on stderr and exit 1 when it cannot; the details are in .local/setup.log.
# PYTHON=/path/to/python chooses the interpreter.
set -eu

cd "$(dirname "$0")/../.."
here=$(pwd)
log=$here/.local/setup.log
venv=.venv
stamp=$venv/.syncline-ready

fail() {
    echo "setup: $1" >&2
    exit 1
}

# What the stamp of a finished .venv holds: the place, since scripts in it name it, the pins, and
# what is installed, by which a package that was half deleted is noticed.
wanted() {
    echo "$here"
    cat requirements-dev.txt
    ls -d "$venv"/lib/python*/site-packages/* 2>/dev/null | grep -v __pycache__ || true
}

# Whether something is gone that was there when the stamp was made.
is_incomplete() {
    [ -f "$stamp" ] && grep "^$venv/lib/" "$stamp" | while read -r path; do
        [ -e "$path" ] || echo gone
    done | grep -q gone
}

runs() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer."
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if runs "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no Python at all")
    fail "Syncline needs Python 3.11 or newer and found $found; install one, or name it: make setup PYTHON=/path/to/python."
}

# Says why the last step failed, from what it wrote.
explain() {
    if grep -qiE "no module named '?(venv|ensurepip)|ensurepip is not available" "$log"; then
        fail "this Python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv) and repeat."
    fi
    if grep -qiE "no space left" "$log"; then
        fail "the disk is full: make room for about 1 GB and repeat."
    fi
    if grep -qiE "command '?[^ ]*(gcc|cc|clang|cargo|rustc)'? failed|unable to execute|no such file or directory: '(gcc|cc|clang)'|failed to build|compiler" "$log"; then
        fail "a package has no ready-made wheel for this machine and needs a compiler: install one (Debian, Ubuntu: apt-get install build-essential python3-dev), or use CPython 3.11 to 3.13 on x86-64 or ARM64; .local/setup.log names the package."
    fi
    if grep -qiE "dns error|name resolution|failed to fetch|error sending request|connection (refused|reset|timed out)|network is unreachable|newconnectionerror|timed out|proxyerror|certificate|from versions: none" "$log"; then
        fail "the package index cannot be reached: check the network or the proxy (HTTPS_PROXY, UV_DEFAULT_INDEX) and repeat."
    fi
    fail "$1 failed; .local/setup.log says why."
}

step() {
    what=$1
    shift
    "$@" >>"$log" 2>&1 || explain "$what"
}

if [ -f "$stamp" ] && runs "$venv/bin/python" && wanted | cmp -s - "$stamp"; then
    exit 0
fi

mkdir -p .local
: >"$log"

# A cut in the middle, a moved folder or a Python that went away leaves a .venv that is no use.
if [ -e "$venv" ]; then
    place=$(sed -n 1p "$stamp" 2>/dev/null || echo "$here")
    if ! runs "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
        [ "$place" != "$here" ] || is_incomplete; then
        echo "setup: .venv is not usable; making it anew."
        rm -rf "$venv"
    fi
fi
if [ ! -e "$venv" ]; then
    python=$(find_python)
    echo "setup: making .venv with $("$python" --version)."
    step "making .venv" "$python" -m venv "$venv"
fi

rm -f "$stamp"
uv=$(sed -n 's/^\(uv==[^ ;]*\).*/\1/p' requirements-dev.txt)
echo "setup: installing $(grep -c '^[a-z]' requirements-dev.txt) packages; this takes a minute or two the first time."
step "installing $uv" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$uv"
# uv has its own certificates and does not read pip's configuration; what a company set up for
# this machine, its certificate authority and its mirror, is meant for uv too.
UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
export UV_SYSTEM_CERTS
index=${PIP_INDEX_URL:-$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)}
if [ -n "$index" ]; then
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    export UV_DEFAULT_INDEX
fi
step "installing the packages" "$venv/bin/uv" pip install --python "$venv/bin/python" \
    --requirements requirements-dev.txt --exact
wanted >"$stamp.new"
mv "$stamp.new" "$stamp"
echo "setup: ready."
