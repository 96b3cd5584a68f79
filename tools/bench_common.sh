# What the comparisons share; sourced by tools/bench_*.sh. The other side's programs lie in tools/oracle.
threads=$(nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p"; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

try_measure() { # name, command...: appends what its line of JSON says: ms, the least of them, MiB and, where
    local name="$1" line                # there, GFLOP/s and % of peak
    shift
    line=$("$@" 2>"$work/stderr") || { [ -s "$work/stderr" ] || echo "exit $?" >"$work/stderr"; return 1; }
    echo "$line" | field ms_median >>"$work/$name.ms"
    echo "$line" | field ms_min >>"$work/$name.least"
    echo "$line" | field peak_mib >>"$work/$name.mib"
    echo "$line" | field gflops >>"$work/$name.gflops"
    echo "$line" | field percent_of_peak >>"$work/$name.peak"
}

measure() { # the same of a command that must not fail
    try_measure "$@" || { cat "$work/stderr" >&2; exit 1; }
}

find_python() { # modules: sets python to the first python3 that has them all (PYTHON, Debian's, the first on the path)
    local candidate
    for candidate in "${PYTHON:-}" /usr/bin/python3 python3; do
        [ -n "$candidate" ] && "$candidate" -c "import $1" 2>/dev/null && { python="$candidate"; return; }
    done
    echo "no python3 with $1: install $2" >&2
    exit 77
}

find_pythons() { # modules: sets pythons to those that have them all (PYTHON, Debian's, the first on the path), versions to
    local candidate version # their PyTorch's; one of each version. Both stay empty where there is none
    pythons=() versions=()
    for candidate in "${PYTHON:-}" /usr/bin/python3 python3; do
        [ -n "$candidate" ] || continue
        version=$("$candidate" -c "import $1; print(torch.__version__)" 2>/dev/null) || continue
        case " ${versions[*]} " in *" $version "*) continue ;; esac
        pythons+=("$candidate") versions+=("$version")
    done
}

machine() { sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1; }

tee_out() { if [ -n "$out" ]; then tee "$out"; else cat; fi; }
