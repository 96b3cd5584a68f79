# Sourced by test scripts that read what is written with packages of Python.
# shellcheck shell=bash disable=SC2034
# python_with MODULE...: sets `python` to the first of PYTHON, PACO_PYTHON, Debian's python3 and that of the path that
# imports all of them; where none does, sets `lacking` to a line of what each lacks, and fails.
python_with() {
    local candidate lacks
    lacking=
    for candidate in "${PYTHON:-}" "${PACO_PYTHON:-}" /usr/bin/python3 python3; do
        candidate=$(command -v "$candidate") || continue
        lacks=$("$candidate" - "$@" 2>/dev/null <<'PYTHON'
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        print(name)
print("end")
PYTHON
        ) || lacks=Python
        [ "$lacks" = end ] && { python=$candidate; return 0; }
        lacks=$candidate$(printf '%s\n' "$lacks" | sed '/^end$/d; s/^/ /' | tr '\n' ',')
        case "$lacking" in *"$candidate lacks"*) ;; *) lacking+="${lacking:+; }${lacks/ / lacks }" ;; esac
    done
    lacking=${lacking//,;/;}
    lacking=${lacking%,}
    lacking=${lacking:-no python3}
    return 1
}
