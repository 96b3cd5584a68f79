#!/usr/bin/env bash
# Completion as a user meets it: bash's is run, fish's and zsh's where they are installed. Man pages: rendered without a
# warning, and everything that --help shows is in them.
set -u
paco=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
failed=0
fail() { echo "FAIL: $*"; failed=1; }
for shell in bash zsh fish; do
    "$paco" completion $shell >"$shell" 2>stderr && [ ! -s stderr ] || fail "completion $shell: $(cat stderr)"
done
mapfile -t verbs < <("$paco" help | awk '/^  / { print $1 }')
[ "${#verbs[@]}" -gt 10 ] || fail "no verbs"

# ---- bash: as readline calls it, with = as a word of its own

cat >complete.sh <<'BASH'
source ./bash || exit 1
complete -p paco | grep -q -- '-F _paco' || exit 1
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_paco paco "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>errors
cat errors >&2
printf '%s\n' "${COMPREPLY[@]}" | sed '/^$/d'
BASH
# completes EXPECTED WORDS...: all that is offered for the last word, in any order.
completes() {
    local expected=$1 seen
    shift
    seen=$(bash complete.sh "$@" 2>errors | sort | tr '\n' ' ')
    [ "$seen" = "$(tr ' ' '\n' <<<"$expected" | sed '/^$/d' | sort | tr '\n' ' ')" ] && [ ! -s errors ] ||
        { fail "$* completes to: $seen(expected: $expected)"; cat errors; }
}
# offers WORD WORDS..., refuses WORD WORDS...: whether the word is among what is offered.
offers() { bash complete.sh "${@:2}" | grep -qxF -e "$1" || fail "${*:2} does not offer $1"; }
refuses() { ! bash complete.sh "${@:2}" | grep -qxF -e "$1" || fail "${*:2} offers $1"; }

completes "help --help --version ${verbs[*]}" paco ''
offers --checkpoint paco eval --che
completes "train" paco tr
completes "presets" paco pres
completes "${verbs[*]}" paco help ''
completes "step eval op image checkpoint exchange" paco bench ''
completes "check prepare" paco data ''
completes "bash zsh fish" paco completion ''
completes "inat_r50 inat_r152" paco presets inat
completes "inat_r50 inat_r152" paco train --preset inat
completes "inat_r50 inat_r152" paco train --preset = inat
completes "paco cross_entropy balanced_softmax" paco train --method =
completes "cross_entropy" paco train --out x --method cr
completes "resnet50 resnet56 resnet56_b" paco eval --arch resnet5
completes "resnet50 resnet56 resnet56_b" paco eval --model resnet5
completes "resnet50 resnet56 resnet56_b" paco train -a resnet5
completes "fp32 fp16" paco verify --amp fp
completes "zip legacy safetensors" paco convert --format ''
completes "graph fuse recompute steps memory" paco plan step --dump ''
completes "--save-every --save-steps" paco train --save-
completes "--mlp" paco bench step --ml
completes "--no-mlp" paco train --no-ml
completes "" paco train --epochs ''
completes "" paco train --lr 0
offers --restarts paco train --
offers --decode paco data check --
offers --classifier paco eval --
refuses --epochs paco eval --
refuses --config paco bench --
touch 'a file.pth' && mkdir 'a folder'
completes "" paco train ''
[ "$(bash complete.sh paco inspect 'a fi')" = 'a file.pth' ] || fail "no file of inspect"
[ "$(bash complete.sh paco train --init-from 'a fi')" = 'a file.pth' ] || fail "no file of an option"
[ "$(bash complete.sh paco train --out 'a f')" = 'a folder' ] || fail "no folder of an option"
# Every option of every verb is there.
for verb in "${verbs[@]}"; do
    for option in $("$paco" help "$verb" | grep -oE '^  --[^ ]+' | tr -d ' ' | sed 's/\[no-\]//'); do
        offers "$option" paco "$verb" "$option"
    done
done

# ---- the others

if command -v fish >/dev/null; then
    offered() { HOME=$folder fish -c "source ./fish; complete -C '$1'" | cut -f1 | sort | tr '\n' ' '; }
    fish --no-execute fish || fail "fish: syntax"
    [ "$(offered 'paco tr')" = "train " ] || fail "fish: verbs: $(offered 'paco tr')"
    [ "$(offered 'paco eval --arch resnet5')" = "resnet50 resnet56 resnet56_b " ] || fail "fish: words: $(offered 'paco eval --arch resnet5')"
    [ "$(offered 'paco train --preset inat')" = "inat_r152 inat_r50 " ] || fail "fish: presets"
    [ "$(offered 'paco train --save-')" = "--save-every --save-steps " ] || fail "fish: options: $(offered 'paco train --save-')"
else
    echo "skipped: no fish to try its completion"
fi
if command -v zsh >/dev/null; then
    zsh -n zsh || fail "zsh: syntax"
    # compadd tells what it is given instead of a terminal
    zsh -f -c 'autoload -U compinit && compinit -D -u; source ./zsh; [[ $_comps[paco] == _paco ]]' || fail "zsh: not taken"
else
    echo "skipped: no zsh to try its completion"
fi

# ---- man pages

"$paco" man >page.1 || fail "man"
for verb in "${verbs[@]}"; do
    grep -q "^.BR paco.*-$verb (1)" page.1 || fail "paco(1) does not name $verb"
done
if command -v groff >/dev/null && command -v man >/dev/null; then
    for page in '' "${verbs[@]}"; do
        # shellcheck disable=SC2086
        "$paco" man $page >page.1 || fail "man $page"
        LC_ALL=C.UTF-8 MANWIDTH=200 man --warnings -l page.1 >page.txt 2>warnings
        [ $? = 0 ] && [ ! -s warnings ] && [ "$(wc -l <page.txt)" -gt 8 ] || { fail "the page of paco $page"; cat warnings; }
        [ -n "$page" ] || continue
        col -b <page.txt >plain.txt
        for option in $("$paco" help "$page" | grep -oE '^  --[^ ]+' | tr -d ' '); do
            grep -qF -e "$option" plain.txt || fail "the page of $page lacks $option"
        done
    done
else
    echo "skipped: no man to render pages"
fi
if command -v mandoc >/dev/null; then
    for page in '' "${verbs[@]}"; do
        # shellcheck disable=SC2086
        "$paco" man $page | mandoc -T lint -W warning >warnings 2>&1 || { fail "mandoc: $page"; head -5 warnings; }
    done
fi
exit $failed
