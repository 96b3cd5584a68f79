#!/usr/bin/env bash
# Every kernel that a work-group shares has few places with barriers once all functions are inlined, in both kinds
# (lanes of GPUs, with sub-groups and without): compilers take time that doubles with each (PoCL 6 never ended with
# eighteen). The texts are counted as the C preprocessor leaves them.
set -u
. "$(dirname "$0")/material.sh"
kernels=$tests/../kernels_cl
most=5 failed=0 seen=0
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
                        own = gsub(/barrier *\(/, "&", body)
                        for (f in count) {
                            copy = body
                            calls = gsub("(^|[^A-Za-z0-9_])" f " *\\(", "&", copy)
                            own += calls * count[f]
                        }
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
    for kind in "-DLANES=4" "-DLANES=4 -DSUBGROUPS"; do
        # shellcheck disable=SC2086
        places $kind -include "$kernels/dialect.h" -include "$tests/../src/device/kernel_args.h" "$file" >"$folder/places"
        while read -r name count; do
            seen=$((seen + 1))
            [ "$count" -le $most ] || { echo "FAIL: ${file##*/} ($kind): $name has $count places with barriers (at most $most)"; failed=1; }
            [ "$count" = 0 ] || echo "${file##*/} $kind: $name $count"
        done <"$folder/places"
    done
done
[ $seen -ge 60 ] || { echo "FAIL: $seen kernels are seen"; cat "$folder/stderr"; failed=1; }

# A text that has too many is seen.
printf '#define B() barrier(1)\nvoid twice(int a) { B(); if (a) { B(); } }\n__kernel void k(int a)\n{ for (;a;) { twice(a); twice(a); } B(); }\n' >"$folder/many.cl"
[ "$(places "$folder/many.cl")" = "k 5" ] || { echo "FAIL: counted $(places "$folder/many.cl")"; failed=1; }
exit $failed
