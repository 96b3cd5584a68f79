# Sourced by test scripts that read what is written with packages of Python.
# shellcheck shell=bash disable=SC2034
# python_with MODULE...: sets `python` to the first of PYTHON, PACO_PYTHON, Debian's python3 and that of the path that
# imports all of them; where none does, sets `lacking` to what each lacks, and fails.
python_with() {
    local candidate lacks
    lacking=
    for candidate in "${PYTHON:-}" "${PACO_PYTHON:-}" /usr/bin/python3 python3; do
        candidate=$(command -v "$candidate") || continue
        case "$lacking" in *"$candidate lacks"*) continue ;; esac
        lacks=$("$candidate" - "$@" 2>/dev/null <<'PYTHON'
import importlib, sys
missing = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)
print(*missing, sep=", ")
PYTHON
        ) || lacks="what it takes to start"
        [ -n "$lacks" ] || { python=$candidate; return 0; }
        lacking+="${lacking:+; }$candidate lacks $lacks"
    done
    lacking=${lacking:-no python3}
    return 1
}
