#!/usr/bin/env bash
# The loop launches a step before it reads the results of the one before; what it says and saves is as if it waited. A
# loss that is no number is reported with its own step, whatever catches up there, and nothing trained after it is saved.
# On OpenCL, on the reference and, where there is one, on the simulated GPU; there, with and without graphs.
set -u
paco=$1
. "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
sim=$(dirname "$paco")/sim

newest_step() { basename "$(find "$1" -name 'step-*' | sort | tail -n 1)" .pth.tar | tr -dc 0-9 | sed 's/^0*//'; }

# A stop right behind a checkpoint: the step that was launched since is saved, too.
stops() {
    local out=$folder/stops
    rm -rf "$out"
    "$paco" train "${tiny_options[@]}" --eval-every 0 "$@" --save-steps 3 --stop-after 4 --out "$out" >"$folder/stdout" \
        2>"$folder/stderr"
    local status=$?
    [ $status = 75 ] && [ "$(newest_step "$out")" = 4 ] ||
        { fail "$*: exit $status, step '$(newest_step "$out")' is saved, not '4'"; cat "$folder/stderr"; }
}

# lost EXPECTED NEWEST OPTIONS...: ends with this line and leaves this step as the newest, or none.
lost() {
    local expected=$1 newest=$2 out=$folder/lost seen
    shift 2
    rm -rf "$out"
    "$paco" train "${tiny_options[@]}" --lr 1000 --wd 10 --warmup 0 --eval-every 0 --epochs 3 "${on[@]}" --out "$out" "$@" \
        >"$folder/stdout" 2>"$folder/stderr"
    local status=$?
    [ $status = 6 ] || { fail "${on[*]} $*: exit $status instead of 6"; cat "$folder/stderr"; }
    grep -qF "$expected" "$folder/stderr" || { fail "${on[*]} $*: not \"$expected\""; cat "$folder/stderr"; }
    seen=$(newest_step "$out")
    [ "$seen" = "$newest" ] || fail "${on[*]} $*: step '$seen' is saved, not '$newest'"
}

# Which step it is says a run that reads every result before it goes on.
losses() {
    on=("$@")
    rm -rf "$folder/each"
    "$paco" train "${tiny_options[@]}" --lr 1000 --wd 10 --warmup 0 --eval-every 0 --epochs 3 "${on[@]}" \
        --save-steps 1 --out "$folder/each" >"$folder/stdout" 2>"$folder/stderr"
    local line step
    line=$(grep -o 'training: epoch 1, step [0-9]*: the loss is not a number' "$folder/stderr") ||
        { fail "${on[*]}: no loss is lost in the first epoch"; cat "$folder/stderr"; return; }
    step=${line#*step } step=${step%%:*}
    [ "$step" -gt 2 ] || fail "${on[*]}: lost so early that nothing is saved before"
    lost "$line" $((step - 1)) --save-steps 1
    lost "$line" ""
    lost "$line" "" --stop-after "$step"
    lost "$line" "" --stop-after $((step + 1))
    lost "$line" $((step - 1)) --save-steps $((step - 1))
    lost "$line" "" --save-steps $((step + 1))
}

# trained NAME OPTIONS...: its tensors.
trained() {
    local name=$1 out=$folder/$1
    shift
    "$paco" train "${tiny_options[@]}" --ranks 2 "${on[@]}" --out "$out" "$@" >"$folder/stdout" 2>"$folder/stderr"
    [ $? = 75 ] && "$paco" train "${tiny_options[@]}" --ranks 2 "${on[@]}" --out "$out" --resume auto >"$folder/stdout" \
        2>"$folder/stderr"
    "$paco" convert "$out/last.pth.tar" "$folder/$name.safetensors" >/dev/null 2>>"$folder/stderr" ||
        { fail "$name"; cat "$folder/stderr"; }
    grep -F "without a graph" "$folder/stderr" && fail "$name: steps that cannot be recorded"
}

graphs() {
    on=(--device cuda)
    trained recorded
    trained plain --kernels graphs=off
    trained stopped --stop-after 8
    for other in plain stopped; do
        cmp "$folder/recorded.safetensors" "$folder/$other.safetensors" || fail "$other: other bits"
        cmp <(cut -d, -f1-12 "$folder/recorded/metrics.csv") <(cut -d, -f1-12 "$folder/$other/metrics.csv") ||
            fail "$other: other metrics"
    done
}

stops --device opencl
losses --device opencl
losses --device ref32 --size 8 # the reference is slow
if [ -e "$sim/libpaco_cuda.so" ] && ! nm -D "$paco" 2>/dev/null | grep -q __asan_init; then # there it takes minutes
    export PACO_BACKENDS=$sim
    losses --device cuda
    graphs
fi
exit $failed
