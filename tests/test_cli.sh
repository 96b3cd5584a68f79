#!/usr/bin/env bash
# Mistakes as a user makes them: one line on stderr that begins `paco: error: ` and says what to do, the exit code of
# the README, nothing on stdout and nothing left behind.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/tiny_data.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PACO_SYSROOT=$folder/none # no GPU of this machine is spoken of
mkdir "$folder/work"
cd "$folder/work" || exit 1
tiny_data "$paco" data || { echo "FAIL: no images"; exit 1; }
failed=0

# error STATUS TEXT ARGUMENTS...: exit status; one error line (or $lines), with the text in it, and besides only lines of
# normal progress; nothing on stdout; no file more or less than before.
error() {
    local status=$1 text=$2 seen before
    shift 2
    before=$(find . | sort)
    timeout 60 "$paco" "$@" >../stdout 2>../stderr
    seen=$?
    if [ $seen != "$status" ] || ! grep '^paco: error: ' ../stderr | grep -qF -- "$text" || [ -s ../stdout ] ||
        [ "$(grep -c '^paco: error: ' ../stderr)" != "${lines:-1}" ] || grep -qvE '^([-0-9]{10} [:0-9]{8} )?(paco: |epoch |  |evaluating)' ../stderr ||
        ! tail -1 ../stderr | grep -q '^paco: error: '; then
        echo "FAIL: paco $*"
        echo "  exit $seen (expected $status), one error line with '$text' expected:"
        cat ../stderr ../stdout
        failed=1
    fi
    if [ "$before" != "$(find . | sort)" ]; then
        echo "FAIL: paco $* left something behind:"
        diff <(echo "$before") <(find . | sort)
        failed=1
    fi
    [ -n "${PACO_SHOW:-}" ] && tail -1 ../stderr
}

# alone STATUS TEXT ARGUMENTS...: as error, and the error is all that is said.
alone() {
    error "$@"
    [ "$(wc -l <../stderr)" = "${lines:-1}" ] || { echo "FAIL: more than one line:"; cat ../stderr; failed=1; }
}

train=(train "${tiny_options[@]}")
few=(--test-list data/test.txt --size 16 --batch 8 --epochs 1 --warmup 0 --dim 8 --queue 16 --arch resnet20)

# verbs, options, presets
alone 2 "unknown verb 'trian'. Did you mean train?" trian
alone 2 'unknown verb '\''xyzzy'\''. `paco help` lists them' xyzzy
alone 2 "--epoch: unknown option. Did you mean --epochs?" "${train[@]}" --epoch 3
alone 2 "unknown option. --help lists them" "${train[@]}" --quantum-annealing 3
alone 2 "-x: unknown option" "${train[@]}" -x
alone 2 "-x5: unknown option" "${train[@]}" -x5
alone 2 "-b: unknown option" data check -b 5
# All that is wrong is said at once; what follows an unknown option is its value.
lines=4 alone 2 "--opt: unknown option. The optimizer is SGD" "${train[@]}" --opt sgd --epohcs=3 --batch x -e
for said in '--epohcs: unknown option. Did you mean --epochs?' "--batch: not a whole number ('x')" '-e: unknown option. `paco eval'; do
    grep -qF -- "$said" ../stderr || { echo "FAIL: not said: $said"; failed=1; }
done
"$paco" version | head -1 | cmp - <("$paco" --version | head -1) || { echo "FAIL: paco version"; failed=1; }
alone 2 "--batch: not a whole number ('x')" "${train[@]}" -bx
alone 2 "--batch: value missing (N)" "${train[@]}" -b
alone 2 "unknown verb 'trian'. Did you mean train?" help trian
alone 2 "unexpected argument" "${train[@]}" more
alone 2 "--lr: not a number ('fast')" "${train[@]}" --lr fast
alone 2 "--lr: out of range (-1 vs 0 to 1000)" "${train[@]}" --lr -1
alone 2 "--epochs: not a whole number ('1.5')" "${train[@]}" --epochs 1.5
alone 2 "--epochs: value missing" "${train[@]}" --epochs
alone 2 "--arch: unknown value ('resnet33'" "${train[@]}" --arch resnet33
alone 2 "--repeats: means nothing to this command" "${train[@]}" --repeats 3
alone 2 "unknown preset 'imagenet_lt_r5'. Did you mean imagenet_lt_r50?" train --preset imagenet_lt_r5
alone 2 '`paco presets` lists them' train --preset what
alone 2 "Did you mean imagenet_lt_r50?" presets imagenet_lt_r5
alone 2 "unknown recipe 'randcls_sin'. Did you mean randcls_sim?" "${train[@]}" --recipe randcls_sin

# lists and images
lines=2 alone 2 "--train-list FILE: missing" train
lines=2 alone 2 "--test-list FILE: missing" train
alone 2 "--list FILE: missing" eval --checkpoint x.pth
alone 4 "none.txt" train "${few[@]}" --train-list none.txt --data data
printf '0.png 0\n1.png 1\n2.png 7\n' >range.txt
alone 3 "range.txt: line 3: label out of range (7 vs 0 to 4)" train "${few[@]}" --classes 5 --train-list range.txt --data data
printf '0.png 0\n1.png one\n' >word.txt
alone 3 "word.txt: line 2: " train "${few[@]}" --train-list word.txt --data data
: >empty.txt
alone 3 "empty.txt: no lines" train "${few[@]}" --train-list empty.txt --data data
bad_image() { # FILE: a list in which one image is this file
    { head -47 data/train.txt; echo "$1 0"; } >bad.txt
}
bad_image absent.png
error 4 "absent.png" train "${few[@]}" --train-list bad.txt --data data
grep -q 'bad.txt' ../stderr || { echo "FAIL: the list that names the file is not named:"; cat ../stderr; failed=1; }
printf 'not an image at all' >data/text.jpg
bad_image text.jpg
error 3 "text.jpg: no image in a known format" train "${few[@]}" --train-list bad.txt --data data
: >data/nothing.png
bad_image nothing.png
error 3 "nothing.png: empty file" train "${few[@]}" --train-list bad.txt --data data
head -c 200 data/1.png >data/cut.png
bad_image cut.png
error 3 "cut.png: PNG, byte" train "${few[@]}" --train-list bad.txt --data data
base64 -d >data/cut.jpg <<'JPEG'
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H///
/6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAY
ABgDASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAAAAECA//EACUQAAEDAwMDBQAAAAAAAAAAAAEAAgMEITEREhMiIzJBUWFi0f/EABYBAQE
BAAAAAAAAAAAAAAAAAAMCAf/EABwRAAIDAQADAAAAAAAAAAAAAAECABEhMUFRYf/a
JPEG
bad_image cut.jpg
error 3 "cut.jpg: JPEG, byte" train "${few[@]}" --train-list bad.txt --data data
alone 4 "data_batch" train --dataset cifar10 --data data --size 32 --arch resnet20
alone 2 "--data: contradicts --dataset synthetic" train --dataset synthetic --data data
alone 2 "--train-list" train --dataset synthetic --train-list data/train.txt
alone 2 "--lt-factor: only for" "${train[@]}" --lt-factor 0.1
alone 2 "--classes: does not fit the data set (7 vs 10)" train --dataset synthetic --classes 7

# number formats
alone 2 "--amp: unknown value ('fp64' vs fp32|fp16|bf16)" "${train[@]}" --amp fp64
alone 2 "--amp needs fp32, fp16 or bf16, not half" verify --amp half step/resnet20
alone 2 "--amp needs fp32, fp16 or bf16." verify step/resnet20 --amp
alone 2 "--math needs strict or tf32." verify --math
alone 2 "nothing of it is stored in 16 bits" verify --amp bf16 --device ref loss/tiny
alone 2 "nothing of it is stored in 16 bits" verify --amp fp16 image/chelsea_tiny
alone 2 "plan: --device ref computes node by node" plan step --device ref
"$paco" presets places_lt_r152 --no-measure | grep -qx 'amp=fp16' || { echo "FAIL: presets hides fp16"; failed=1; }
"$paco" presets imagenet_lt_r50 --no-measure | grep -q fp16 && { echo "FAIL: presets speaks of fp16"; failed=1; }
precision() { # PRESET: what a tiny run of it in fp32 says of its number format
    "$paco" train --preset "$1" --amp fp32 --ranks 1 --no-partial --freeze none "${tiny_options[@]}" --classes 5 --recipe cifar 2>&1 |
        grep -c 'paco: preset .* was published with fp16; this run is in fp32$'
}
[ "$(precision places_lt_r152)" = 1 ] || { echo "FAIL: a run hides fp16"; failed=1; }
[ "$(precision imagenet_lt_r50)" = 0 ] || { echo "FAIL: a run speaks of fp16"; failed=1; }

# numbers that do not go together
alone 2 "--batch: larger than the data (64 vs 48 training images)" "${train[@]}" --batch 64
alone 2 "--batch: not a multiple of --ranks (8 vs 3)" "${train[@]}" --ranks 3
alone 2 "batch norm needs two images per rank (8 images vs 8 ranks)" "${train[@]}" --ranks 8
alone 2 "--warmup: longer than the run (9 vs 2 epochs)" "${train[@]}" --warmup 9
alone 2 "resnet20 needs larger images (3 vs at least" "${train[@]}" --size 3
alone 2 "resnet50 needs larger images (16 vs at least" "${train[@]}" --arch resnet50
lines=3 # everything that does not go together is told at once
for text in "--batch: not a multiple of --ranks (8 vs 3)" "--warmup: longer than the run (9 vs 2 epochs)" \
    "--init-from: contradicts --resume"; do
    alone 2 "$text" "${train[@]}" --ranks 3 --warmup 9 --resume a --init-from b
done
unset lines
wild=("${train[@]}" --lr 1000 --wd 10 --warmup 0)
error 6 "the loss is not a number (lr 99" "${wild[@]}" --epochs 50 --eval-every 0
grep -qF "A lower --lr or a longer --warmup may help" ../stderr || failed=1
error 6 "training: after epoch 1 the network gives no numbers (lr " "${wild[@]}" --epochs 1 --batch 16

# devices
mkdir -p ../none ../alone
OCL_ICD_VENDORS=$folder/none alone 8 "no OpenCL platform is installed" "${train[@]}"
OCL_ICD_VENDORS=$folder/none alone 8 "no OpenCL platform is installed" "${train[@]}" --device opencl
alone 8 "device opencl:99: opencl has" "${train[@]}" --device opencl:99
alone 2 "device cudda: unknown backend" "${train[@]}" --device cudda
alone 2 "device opencl:x: number expected" "${train[@]}" --device opencl:x
cp "$paco" ../alone/paco
built=$paco paco=$folder/alone/paco
PACO_BACKENDS='' alone 8 "no module libpaco_opencl.so beside the program" "${train[@]}"
cp ../stderr ../alone/libpaco_opencl.so
PACO_BACKENDS='' alone 8 "libpaco_opencl.so" "${train[@]}"
paco=$built

# runs and their folders
"$paco" "${train[@]}" --epochs 1 --warmup 0 --save-steps 3 --select test --out run 2>../stderr >../stdout ||
    { echo "FAIL: a good run"; cat ../stderr; failed=1; }
cp -r run ../kept
for class in a b c d e; do mkdir -p folders/$class && cp data/1.png folders/$class; done
"$paco" eval --dataset folder --test-data folders --checkpoint run/last.pth.tar 2>../stderr >../stdout &&
    grep -q '^5 images of folders' ../stdout || { echo "FAIL: folders for testing alone"; cat ../stderr; failed=1; }

# what a folder holds
says() { # PATTERN...: each is a line of ../stdout
    local pattern
    for pattern; do
        grep -qE "$pattern" ../stdout || { echo "FAIL: inspect of a folder does not say '$pattern':"; cat ../stdout ../stderr; failed=1; }
    done
}
"$paco" inspect run >../stdout 2>../stderr || { echo "FAIL: inspect run"; failed=1; }
says "^run: a run's folder\$" '^step-000000000003.pth.tar +PyTorch zip +0 +3 +- +[0-9.]+  resnet20, 5 classes$' \
    '^step-000000000006.pth.tar +PyTorch zip +1 +6 +[0-9.]+ % +[0-9.]+  resnet20, 5 classes; newest, best$' \
    '^checkpoints: 2, [0-9.]+ MiB; other files: [0-9]+$' '^manifest: lists 2, 0 of them not there; not listed: 0$' \
    '^newest: step-000000000006.pth.tar$' '^best: step-000000000006.pth.tar, chosen by the test images$' '^options: arch=resnet20 batch=8 .* save-steps=3( |$)'
cp -r run ../odd
rm ../odd/step-000000000003.pth.tar
cp run/step-000000000003.pth.tar ../odd/step-000000000009.pth.tar
printf 'not a checkpoint' >../odd/x.pth
truncate -s -1 ../odd/step-000000000006.pth.tar
"$paco" inspect ../odd >../stdout 2>../stderr || { echo "FAIL: inspect of a damaged folder"; failed=1; }
says '^x.pth +UNREADABLE: ' '^step-000000000006.pth.tar +UNREADABLE: ' '^step-000000000009.pth.tar .*; newest, not in the manifest$' \
    '^manifest: lists [0-9]+, 1 of them not there; not listed: 1$'
rm ../odd/manifest.json
"$paco" inspect ../odd >../stdout 2>../stderr && says '^manifest: none that can be read'
mkdir ../plain
cp run/last.pth.tar ../plain/a.pth && cp data/0.png ../plain
"$paco" inspect ../plain >../stdout 2>../stderr && says '^../plain: a folder$' '^a.pth +PyTorch zip +1 +6 ' '^checkpoints: 1, .*; other files: 1$'
grep -q 'manifest' ../stdout && { echo "FAIL: a manifest of a folder that is no run's"; failed=1; }
alone 4 "data: there is no checkpoint in this folder" inspect data
alone 4 "run: is a folder: --key, --arch and --strict-finite are for one file" inspect run --key x

again=("${train[@]}" --out run --resume auto)
alone 2 "--out run: holds checkpoints of an earlier run. --resume auto goes on" "${train[@]}" --out run
alone 3 "options: not those of the run to resume (--seed 1 vs 0). --init-from starts" "${again[@]}" --seed 1
alone 3 "(--batch 4 vs 8)" "${again[@]}" --batch 4
alone 3 "(--ranks 2 vs 1)" "${again[@]}" --ranks 2
alone 3 "(--arch resnet32 vs resnet20)" "${again[@]}" --arch resnet32
alone 3 "(--arch resnet32 vs resnet20, --batch 4 vs 8, --ranks 2 vs 1, --seed 1 vs 0)" \
    "${again[@]}" --arch resnet32 --seed 1 --batch 4 --ranks 2
error 3 "run/step-000000000006.pth.tar" "${again[@]}" --dim 4
grep -q 'wrong shape: queue is' ../stderr || { echo "FAIL: no list of differences"; failed=1; }
error 3 "run/step-000000000006.pth.tar" "${again[@]}" --method cross_entropy
alone 2 "--init-from: contradicts --resume" "${again[@]}" --init-from run
frozen=("${train[@]}" --freeze convs_but_last_block)
alone 2 "--freeze: without --init-from the frozen convolutions would stay random" "${frozen[@]}"
mkdir fresh
error 2 "--freeze: without --init-from" "${frozen[@]}" --out fresh --resume auto
alone 2 "--resume auto: needs --out" "${train[@]}" --resume auto
alone 4 "absent.pth.tar" "${train[@]}" --resume absent.pth.tar --out new
alone 4 "absent.pth.tar" "${train[@]}" --init-from absent.pth.tar --out new
alone 3 "train.txt" "${train[@]}" --resume data/train.txt --out new
alone 3 "train.txt" "${train[@]}" --init-from data/train.txt --out new
error 2 "--out run: holds checkpoints of an earlier run" "${train[@]}" --resume ../kept/last.pth.tar --out run
diff -r -x lock run ../kept || { echo "FAIL: refused commands changed the run"; failed=1; }
: >file
alone 4 "file" "${train[@]}" --out file
alone 4 "file/run" "${train[@]}" --out file/run
alone 4 "/proc/run" "${train[@]}" --out /proc/run
if [ "$(id -u)" != 0 ]; then
    mkdir -m 555 sealed
    alone 4 "sealed" "${train[@]}" --out sealed
fi
# One not-a-number in a weight stops training at the first step: nothing on its way to the loss hides it.
"$paco" convert run/last.pth.tar ../weights.safetensors --bare >../stdout 2>../stderr || failed=1
grep -qx '../weights.safetensors: safetensors, [0-9.]* MiB, from run/last.pth.tar' ../stdout || { echo "FAIL: convert says:"; cat ../stdout; failed=1; }
"$paco" convert run ../chosen.safetensors --bare >../stdout 2>../stderr && grep -q 'from run/step-[0-9]*.pth.tar$' ../stdout &&
    cmp ../weights.safetensors ../chosen.safetensors || { echo "FAIL: convert of a folder"; cat ../stdout ../stderr; failed=1; }
length=$(od -An -t u8 -N8 ../weights.safetensors | tr -d ' ')
place=$(tail -c +9 ../weights.safetensors | head -c "$length" | grep -oE '"layer2.0.conv1.weight":[^}]*\[[0-9]+,' |
    grep -oE '[0-9]+,$')
printf '\000\000\300\177' |
    dd of=../weights.safetensors bs=1 seek=$((8 + length + ${place%,} + 40)) conv=notrunc 2>/dev/null
for place in "--device opencl" "--kernels gpu" "--device ref"; do
    # shellcheck disable=SC2086
    error 6 "training: epoch 1, step 1: the loss is not a number" "${train[@]}" $place --partial \
        --init-from ../weights.safetensors
done
for signs in '"step"' step-; do # every checkpoint damaged is no reason to begin anew
    rm -rf ../damaged
    cp -r run ../damaged
    for file in ../damaged/step-*; do printf x | dd of="$file" bs=1 seek=5000 conv=notrunc 2>/dev/null; done
    [ "$signs" = step- ] && rm ../damaged/manifest.json
    error 3 "checkpoints is intact" "${train[@]}" --out ../damaged --resume auto
    error 3 "checkpoints is intact" "${train[@]}" --out ../damaged --resume auto
done
for file in ../damaged/step-*.pth.tar; do mv "$file" "$file.damaged"; done
error 3 "there is no checkpoint beside" "${train[@]}" --out ../damaged --resume auto
error 3 "there is no checkpoint beside" "${train[@]}" --out ../damaged

# Exit code 75 promises a checkpoint to go on from.
alone 2 "--stop-after: needs --out" "${train[@]}" --stop-after 2
timeout --foreground -s TERM --preserve-status 3 "$paco" "${train[@]}" --epochs 100000 --eval-every 0 >../stdout 2>../stderr
[ $? = 4 ] && grep -q '^paco: error: training: stopped on request at epoch .*: nothing was saved. --out saves' ../stderr ||
    { echo "FAIL: a run without --out that is told to stop"; tail -3 ../stderr; failed=1; }

# evaluation
echo "absent.png 0" >absent.txt
good=(eval --checkpoint run --list data/test.txt --data data)
"$paco" "${good[@]}" >../stdout 2>../stderr || { echo "FAIL: eval of a run"; cat ../stderr; failed=1; }
alone 2 "eval: --checkpoint FILE is missing" eval --list data/test.txt --data data
alone 4 "absent" "${good[@]}" --checkpoint absent
alone 4 "data: there is no checkpoint in this folder" "${good[@]}" --checkpoint data
alone 2 "--arch: the checkpoint is another network (resnet32 vs resnet20)" "${good[@]}" --arch resnet32
alone 2 "--classes: the checkpoint's classifier has others (9 vs 5)" "${good[@]}" --classes 9
alone 3 "range.txt: line 3: label out of range (7 vs 0 to 4)" "${good[@]}" --list range.txt
error 4 "absent.png" "${good[@]}" --list absent.txt
alone 4 "file/reports" "${good[@]}" --out file/reports

# A limit on the size of files is an error, not the end by SIGXFSZ. On the reference: OpenCL drivers may catch it.
limited=$(ulimit -f 0; "$paco" "${good[@]}" --device ref --out limited 2>&1 >/dev/null; echo "exit $?")
{ [ "$(tail -1 <<<"$limited")" = "exit 4" ] && grep -qE '^paco: error: limited/.*File too large' <<<"$limited" &&
    [ "$(grep -c '^paco: error: ' <<<"$limited")" = 1 ]; } ||
    { echo "FAIL: paco eval --out under ulimit -f:"; echo "$limited"; failed=1; }
rm -rf limited

# Output that does not arrive.
for arguments in "inspect run/last.pth.tar" "${good[*]}" help "presets imagenet_lt_r50 --no-measure" "eval --help"; do
    # shellcheck disable=SC2086
    "$paco" $arguments >/dev/full 2>../stderr
    status=$?
    [ $status = 4 ] && [ "$(grep -c '^paco: error: standard output: cannot write: No space left' ../stderr)" = 1 ] ||
        { echo "FAIL: paco $arguments >/dev/full: exit $status"; cat ../stderr; failed=1; }
done

# the other verbs
alone 2 "bench: 'stepp': expected step, eval, op, image or checkpoint" bench stepp
alone 2 "bench: say what: step, eval, op, image or checkpoint" bench
alone 2 "bench checkpoint: needs a mode and a file" bench checkpoint read
alone 2 "bench checkpoint: unknown mode 'reed'. Modes: write, read, crc" bench checkpoint reed run/last.pth.tar
alone 4 "absent.pth" bench checkpoint crc absent.pth
alone 3 "run/last.pth.tar" bench checkpoint read run/last.pth.tar
alone 2 "bench image: needs a mode and a folder" bench image
alone 2 "batch norm needs two images per rank" bench step --batch 1
alone 2 "resnet50 needs larger images" bench step --arch resnet50 --size 8
alone 2 "plan: 'stpe': expected step or eval" plan stpe
alone 2 "plan: --dump: 'all' is no stage (graph|fuse|recompute|steps|memory)" plan step --dump all
alone 2 "plan: --dump: '' is no stage" plan step --dump
alone 2 "--epochs: means nothing to this command" plan step --epochs 3
alone 2 "demo: --out" demo --out run
alone 2 "--epochs: out of range (0 vs" demo --epochs 0
alone 2 "inspect: no FILE or FOLDER given" inspect
alone 2 "inspect: unexpected argument '--nothing'" inspect --nothing
alone 2 "inspect: --arch: unknown 'resnt50'. Did you mean resnet50" inspect run/last.pth.tar --arch resnt50
alone 4 "absent.pth" inspect absent.pth
alone 4 "there is no checkpoint in this folder" convert data to.pth
alone 2 "convert: FROM and TO are needed" convert run/last.pth.tar
alone 4 "no/such/folder.pth" convert run/last.pth.tar no/such/folder.pth
mkfifo pipe
ln -s /proc/self/fd/1 stream
alone 4 "pipe: file@0: cannot be replaced: not a regular file" convert run/last.pth.tar pipe
alone 4 "stream: file@0: cannot be replaced: not a regular file" convert run/last.pth.tar stream
[ -p pipe ] && [ -L stream ] || { echo "FAIL: convert replaced a pipe or a stream"; failed=1; }
rm pipe stream
alone 4 "no/such/sheet.png: cannot create: No such file" augment --image data/0.png --out no/such/sheet.png
alone 4 "absent.json" verify absent.json

# plan --dump: each stage has a word that the one before it lacks
before=/dev/null
for pair in "graph relu_grad" "fuse bn_relu_grad" "recompute bn_relu_again" "steps Mflop" "memory slab"; do
    read -r stage word <<<"$pair"
    "$paco" plan step --dump "$stage" --arch resnet20 --batch 2 --size 8 --classes 10 --queue 16 \
        >../stdout 2>"../$stage"
    [ $? = 0 ] && [ ! -s ../stdout ] && grep -qw "$word" "../$stage" && ! grep -qw "$word" "$before" ||
        { echo "FAIL: plan --dump $stage: '$word' is missing, or was there before"; failed=1; }
    before="../$stage"
done

# what every verb says of itself
for verb in $("$paco" help | awk '/^  / { print $1 }'); do
    "$paco" $verb --help >../stdout 2>../stderr || { echo "FAIL: $verb --help"; failed=1; }
    { head -1 ../stdout | grep -q "^usage: paco $verb" && [ ! -s ../stderr ]; } ||
        { echo "FAIL: $verb --help says:"; cat ../stdout ../stderr; failed=1; }
    awk -v verb=$verb 'length > 120 { print "FAIL: " verb " --help: a line of " length " columns"; bad = 1 } END { exit bad }' \
        ../stdout || failed=1
    "$paco" help $verb >../again 2>../stderr && cmp -s ../stdout ../again && [ ! -s ../stderr ] ||
        { echo "FAIL: help $verb says:"; cat ../again ../stderr; failed=1; }
    for words in -h "what -h" "step --batch --help" "a b c d -h"; do
        # shellcheck disable=SC2086
        "$paco" $verb $words >../again 2>../stderr && cmp -s ../stdout ../again && [ ! -s ../stderr ] ||
            { echo "FAIL: $verb $words says:"; cat ../again ../stderr; failed=1; }
    done
done
exit $failed
