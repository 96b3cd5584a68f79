# Sourced by scripts that run verbs in a folder of their own, with stdout and stderr there; $paco is the program.
# shellcheck shell=bash disable=SC2034,SC2154
failed=0

fail() {
    echo "FAIL: $*"
    [ ! -s stderr ] || tail -5 stderr
    failed=1
}

# ok ARGUMENTS...: runs paco, which must succeed.
ok() {
    "$paco" "$@" >stdout 2>stderr || fail "paco $*: exit $?"
}

# refused STATUS TEXT ARGUMENTS...: paco must fail so, with one error line that has the text, and print nothing.
refused() {
    local status=$1 text=$2 seen
    shift 2
    "$paco" "$@" >stdout 2>stderr
    seen=$?
    [ $seen = "$status" ] || fail "paco $*: exit $seen instead of $status"
    [ "$(grep -c '^paco: error: ' stderr)" = 1 ] && grep '^paco: error: ' stderr | grep -qF -- "$text" ||
        fail "paco $*: no error line with '$text'"
    [ ! -s stdout ] || fail "paco $*: printed something"
}
