# The reports of gpu_check.sh, which sources this: what stages left in $state, as a table, as JSON and as one log in $out.
# shellcheck shell=bash disable=SC2154

ascii() { LC_ALL=C tr -cd '\t\n\040-\176'; }
json_lines() { ascii | sed 's/\\/\\\\/g; s/"/\\"/g'; } # what stands between tabs can go into JSON strings

results_of() { grep -sE '^\{.*\}$' "$state/$1.log"; }
facts_of() { sed '/^== /,$d' "$state/facts.log" 2>/dev/null | grep -s $'\t'; }

# Stages that ran, and what was skipped or begun now: "name<TAB>status<TAB>seconds<TAB>limit<TAB>place<TAB>reason".
records() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        if [ -e "$state/$name.record" ]; then cat "$state/$name.record"
        elif [ -e "$state/$name.call" ]; then cat "$state/$name.call"
        fi
    done
}

write_json() {
    local name status seconds limit on reason before=
    printf '{\n"devices": {"cuda": "%s", "opencl": "%s"}, "stand_in": %s,\n"facts": [' "${devices[cuda]}" "${devices[opencl]}" \
        "$([ -n "$stand_in" ] && echo true || echo false)"
    facts_of | json_lines | awk -F '\t' '{ printf("%s\n  [\"%s\", \"%s\"]", before, $1, $2); before = "," }'
    printf '\n],\n"stages": ['
    while IFS=$'\t' read -r name status seconds limit on reason; do
        printf '%s\n  {"name": "%s", "device": "%s", "status": "%s", "seconds": %s, "limit": %s, "reason": "%s", "results": [%s]}' \
            "$before" "$name" "$on" "$status" "$seconds" "$limit" "$reason" "$(results_of "$name" | ascii | paste -sd,)"
        before=,
    done < <(records | json_lines)
    printf '\n]\n}\n'
}

# ms and images/s of every model on everything, how they stand to PyTorch's best with strict float32 and to PyTorch as it
# runs without being compiled, in the same format.
speeds() {
    local stage status seconds limit on reason
    records | while IFS=$'\t' read -r stage status seconds limit on reason; do
        results_of "$stage" | sed "s/^/$stage\t$on\t/"
    done | awk -F '\t' '
        function text(key) {
            return match($3, "\"" key "\": \"[^\"]*\"") ? substr($3, RSTART + length(key) + 5, RLENGTH - length(key) - 6) : ""
        }
        function number(key) {
            return match($3, "\"" key "\": [-0-9.e+]+") ? substr($3, RSTART + length(key) + 4, RLENGTH - length(key) - 4) + 0 : ""
        }
        function ratio(least) { return least > 0 && ms[j] > 0 ? sprintf("%.3f", least / ms[j]) : "-" }
        text("what") == "ceiling" {
            unit = number("gb_per_s") ? "GB/s" : "TFLOP/s"
            ceilings = ceilings sprintf("%-34s %10s %s\n", text("name"), number("gb_per_s") number("tflops"), unit)
        }
        text("what") == "step" {
            n++
            model[n] = sprintf("%s, batch %d, %d", text("arch"), number("batch"), number("size"))
            torch = text("program") == "pytorch"
            mode[n] = torch ? text("mode") : text("amp") ~ /16/ ? text("amp") : text("math") == "tf32" ? "tf32" : "fp32"
            how = torch ? text("compile") : $1 ~ /^tuned/ ? "tuned" : $1 == "graphs-off" ? "no graphs" : ""
            who[n] = (torch ? "PyTorch" : "paco " substr($2, 1, index($2 ":", ":") - 1)) " " mode[n] (how != "" ? ", " how : "")
            ms[n] = number("ms_median"); speed[n] = number("images_per_s")
            mib[n] = number("device_mib"); if (mib[n] == "") mib[n] = number("peak_mib")
            if (!torch || how != "") next
            sub("-nchw", "", mode[n])
            at = model[n] SUBSEP mode[n]
            if (!(at in eager) || ms[n] < eager[at]) eager[at] = ms[n]
        }
        END {
            if (n) printf "%-31s %-32s %9s %9s %7s %7s %7s\n", "step: network, images, size", "", "ms", "images/s", "MiB", "speed", "eager"
            for (i = 1; i <= n; i++) if (!(model[i] in shown)) {
                shown[model[i]] = 1
                for (j = i; j <= n; j++) if (model[j] == model[i])
                    printf "%-31s %-32s %9.2f %9.1f %7.0f %7s %7s\n", model[j], who[j], ms[j], speed[j], mib[j],
                        ratio(eager[model[j], "fp32"]), ratio(eager[model[j], mode[j]])
            }
            if (n) print "speed 1 is PyTorch in strict float32, eager 1 is PyTorch as it is, not compiled, in the same format;" \
                " on OpenCL paco computes in float32, whatever it stores"
            printf "%s", ceilings
        }'
}

# One figure of a line of JSON on the input.
figure() { sed -n "s/.*\"$1\": \([-0-9.e+]*\).*/\1/p" | tail -1; } # key

# "top-1 12.34 %, many 56.78 %, ..." of a line of JSON on the input.
accuracies() {
    awk '{
        split("top1 many medium few", keys, " ")
        for (i = 1; i in keys; i++) {
            length_of_key = length(keys[i]) + 4
            known = match($0, "\"" keys[i] "\": [-0-9.e+]+")
            value = known ? sprintf("%.2f %%", 100 * substr($0, RSTART + length_of_key, RLENGTH - length_of_key)) : "-"
            printf("%s%s %s", before, i == 1 ? "top-1" : keys[i], value)
            before = ", "
        }
    }'
}

# How far the real run has come, with its accuracies, and how long it trained.
runs() {
    local line
    line=$(results_of real-run | tail -1)
    [ -n "$line" ] || return 0
    printf '\nreal run: %s, epoch %s: %s; %s s of training\n' "$(sed 's/.*"images": "\([^"]*\)".*/\1/' <<<"$line")" \
        "$(figure epoch <<<"$line")" "$(accuracies <<<"$line")" "$(figure train_seconds <<<"$line")"
}

# What each kind of step takes.
profiles() {
    local row
    for row in "${STAGES[@]}"; do
        read_row "$row"
        [[ "$name" = profile-* && -s "$state/$name.log" ]] || continue
        printf '\n== kinds of step: %s\n' "${command#profile -- }"
        sed -n '/^peak measured/,/^$/p' "$state/$name.log"
    done
}

write_txt() {
    local name status seconds limit on reason
    echo "openpaco, check of a GPU machine, $(date -u +%Y-%m-%d); kit of $(sed -n 's/^commit //p' "$kit/KIT")"
    [ -z "$stand_in" ] || echo "A STAND-IN FOR A GPU, tiny sizes: no figure below says anything of a GPU."
    echo "CUDA: ${devices[cuda]:-none: ${why_none[cuda]}}"
    echo "OpenCL: ${devices[opencl]:-none: ${why_none[opencl]}}"
    facts_of | awk -F '\t' '/^(processor|system|GPU|nvcc|OpenCL driver|CUDA folders|PyTorch|PyTorch.s GPU)\t/ { printf "%-16s %s\n", $1, $2 }'
    printf '\n%-20s %-8s %8s %6s  %s\n' stage status seconds limit reason
    records | while IFS=$'\t' read -r name status seconds limit on reason; do
        printf '%-20s %-8s %8s %6s  %.150s\n' "$name" "$status" "$seconds" "$limit" "$reason"
    done
    records | awk -F '\t' '{ n[$2]++ }
        END { printf "%d passed, %d failed, %d skipped, %d noted, %d begun\n\n", n["passed"], n["failed"], n["skipped"], n["noted"], n["begun"] }'
    speeds
    runs
    profiles
}

write_log() {
    local row log
    for row in "${STAGES[@]}"; do
        read_row "$row"
        log="$state/$name.log"
        [ -e "$log" ] || continue
        printf '======== %s: %s\n' "$name" "$command"
        if [ "$(wc -c <"$log")" -le 600000 ]; then cat "$log"
        else head -c 300000 "$log"; printf '\n[...]\n'; tail -c 300000 "$log"; fi
    done
}

# Each whole at any time: this may be stopped from outside.
write_reports() {
    local kind
    for kind in json txt log; do
        write_$kind >"$state/report"
        mv "$state/report" "$out/gpu_check.$kind"
    done
    for kind in device.json run_report.json run_metrics.csv; do [ ! -s "$state/$kind" ] || cp "$state/$kind" "$out/$kind"; done
}
