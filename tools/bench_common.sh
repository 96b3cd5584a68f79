# What the comparisons with PyTorch share; sourced by bench_vs_pytorch.sh and bench_loss.sh.
threads=$(nproc)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { sed -n "s/.*\"$1\": \([0-9.e+-]*\).*/\1/p"; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

measure() { # name, command...: appends what its line of JSON says: ms, MiB and, where there, GFLOP/s
    local name="$1" line
    shift
    line=$("$@" 2>"$work/stderr") || { cat "$work/stderr" >&2; exit 1; }
    echo "$line" | field ms_median >>"$work/$name.ms"
    echo "$line" | field peak_mib >>"$work/$name.mib"
    echo "$line" | field gflops >>"$work/$name.gflops"
}
