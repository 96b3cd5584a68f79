#!/usr/bin/env bash
# Every kernel that a work-group shares has few places with barriers once all functions are inlined, in both kinds
# (that of processors, that of GPUs with sub-groups and without): compilers take time that doubles with each (PoCL 6
# never ended with eighteen). The texts are counted as the C preprocessor leaves them.
set -uo pipefail
. "$(dirname "$0")/material.sh"
kernels=$tests/../kernels_cl
most=5 failed=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# places OPTIONS... FILE: "KERNEL PLACES" for each kernel of a preprocessed text.
places() {
    "${CC:-cc}" -E -P -undef -x c -I"$kernels" -I"$tests/../src" "$@" 2>"$folder/stderr" | awk '
        { text = text " " $0 }
        END {
            n = split(text, c, "")
            depth = 0; body = ""; head = ""
            for (i = 1; i <= n; i++) {
                if (c[i] == "{" && depth++ == 0) { body = ""; continue }
                if (c[i] == "}" && --depth == 0) {
                    # The name before the parameters: the last word followed by a bracket at the end of the head.
                    h = head; sub(/[ \t]*$/, "", h)
                    if (h ~ /\)$/) {
                        level = 0
                        for (k = length(h); k > 0; k--) {
                            ch = substr(h, k, 1)
                            if (ch == ")") level++
                            if (ch == "(" && --level == 0) break
                        }
                        name = substr(h, 1, k - 1)
                        kernel = name ~ /__kernel/
                        sub(/[ \t]*$/, "", name); sub(/.*[^A-Za-z0-9_]/, "", name)
                        gsub(/\(/, "( ", body) # between the calls of f(f(x)), too, stands a character
                        own = gsub(/barrier *\(/, "&", body)
                        for (f in count)
                            if (count[f])
                                own += count[f] * gsub("(^|[^A-Za-z0-9_])" f " *\\(", "&", body)
                        count[name] = own
                        if (kernel) print name, own
                    }
                    head = ""; continue
                }
                if (depth == 0) head = c[i] == ";" ? "" : head c[i]
                else body = body c[i]
            }
        }'
}

for file in "$kernels"/*.cl; do
    before=() # what program.c puts before a text
    family=$(basename "$file" .cl)
    family=${family%%_*}
    for header in "$kernels/dialect.h" "$kernels/team.h" "$tests/../src/device/kernel_args.h" "$kernels/${family}_args.h" "$kernels/${family}_common.h"; do
        [ ! -e "$header" ] || before+=(-include "$header")
    done
    for kind in "-DLANES=16" "-DLANES=16 -DWEIGHT_GRADIENT" "-DLANES=4" "-DLANES=4 -DSUBGROUPS"; do
        # shellcheck disable=SC2086
        places $kind "${before[@]}" "$file" >"$folder/places" ||
            { echo "FAIL: ${file##*/} ($kind) is not read"; cat "$folder/stderr"; failed=1; }
        while read -r name count; do
            echo "$name" >>"$folder/seen"
            [ "$count" -le $most ] || { echo "FAIL: ${file##*/} ($kind): $name has $count places with barriers (at most $most)"; failed=1; }
            [ "$count" = 0 ] || echo "${file##*/} $kind: $name $count"
        done <"$folder/places"
    done
done
cat "$kernels"/*.cl | sed -nE 's/^(TEAM_)?KERNEL(_WIDE)? .*void ([a-z0-9_]+)\(.*/\3/p' | sort >"$folder/all"
sort -u "$folder/seen" | diff "$folder/all" - || { echo "FAIL: kernels of the texts (<) and those that were counted (>)"; failed=1; }
[ -s "$folder/all" ] || { echo "FAIL: no kernel"; failed=1; }

# A text that has too many is seen.
printf '#define B() barrier(1)\nint twice(int a) { B(); if (a) { B(); } return a; }\n__kernel void k(int a)\n{ for (;a;) { twice(twice(a)); } B(); }\n' >"$folder/many.cl"
[ "$(places "$folder/many.cl")" = "k 5" ] || { echo "FAIL: counted $(places "$folder/many.cl")"; failed=1; }
exit $failed
