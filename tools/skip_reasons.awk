# How many tests, or parts of them, were skipped, and a line for each reason: the lines "skipped: REASON" that tests wrote
# into ctest's log. Behind that ctest's own closing lines ("N% tests passed" and what follows), so that they stay last.
#     awk -v log_file=FOLDER/Testing/Temporary/LastTest.log -f tools/skip_reasons.awk FILE_OF_CTEST_OUTPUT
function note(test, reason) {
    if ((test, reason) in noted)
        return
    noted[test, reason] = 1
    if (!(reason in tests))
        order[++reasons] = reason
    tests[reason] = tests[reason] (tests[reason] ? ", " : "") test (test in whole ? "" : " (a part)")
    if (!(test in whole) && !(test in partly))
        partly[test] = ++parts
    explained[test] = 1
}
/^[0-9]+% tests passed/ { closing = 1; total = $NF }
closing { last = last $0 "\n" }
/\*\*\*Skipped/ { sub(/^.*Test +#[0-9]+: /, ""); whole[$1] = ++wholes }
END {
    while ((getline line < log_file) > 0) {
        if (line ~ /^[0-9]+\/[0-9]+ Testing: /)
            test = substr(line, index(line, ": ") + 2)
        else if (line ~ /^skipped: /)
            note(test, substr(line, 10))
    }
    for (test in whole)
        if (!(test in explained))
            note(test, "it does not say why")
    printf "skipped: %d of %d tests, and parts of %d\n", wholes, total, parts
    for (i = 1; i <= reasons; i++)
        printf "  %s: %s\n", order[i], tests[order[i]]
    printf "%s", last
}