# paco report and paco compare: the page is whole and says the run's numbers, names are escaped, several seeds become
# mean and deviation, what is missing is said, what is damaged is one line.
# shellcheck shell=bash
set -u
paco=$1
source "$(dirname "$0")/tiny_data.sh"
tiny_begin "$paco"
cd "$folder" || exit 1

# expect STATUS TEXT ARGUMENTS...: runs paco; its status and a text in its output must be these, and of a failure there is
# one line.
expect() {
    local status=$1 text=$2 seen
    shift 2
    output=$("$paco" "$@" 2>&1)
    seen=$?
    [ "$seen" = "$status" ] && grep -qF -- "$text" <<<"$output" ||
        fail "paco $*: status $seen (expected $status), output without '$text': $output"
    [ "$status" = 0 ] || [ "$(grep -c . <<<"$output")" = 1 ] || fail "paco $*: not one line: $output"
}

# says TEXT [PAGE]: the page has it.
says() {
    grep -qF -- "$1" "${2:-page.html}" || fail "${2:-page.html} does not say '$1'"
}

# well_formed PAGE: every element that begins ends, in order; nothing comes from elsewhere; every picture can be read.
well_formed() {
    local n=0 uri
    grep -oE '</?[a-z][a-z0-9]*( [^<>]*)?/?>' "$1" | awk '
        /\/>$/ || /^<(meta|img|br)[ >]/ { next }
        /^<\// { tag = substr($0, 3, length($0) - 3); if (!depth || stack[depth--] != tag) { print "stray " tag; exit }; next }
        { tag = $0; sub(/^</, "", tag); sub(/[ >].*/, "", tag); stack[++depth] = tag }
        END { for (; depth > 0; depth--) print "open " stack[depth] }' >tags
    [ ! -s tags ] || fail "$1: $(head -3 tags)"
    grep -qiE '<script|(src|href)="(https?:|//|file:)|url\(|@import' "$1" && fail "$1 asks for something from elsewhere"
    while read -r uri; do
        n=$((n + 1))
        base64 -d <<<"$uri" >picture.png
        "$paco" augment --recipe sim --image picture.png --out views.png --n 1 --size 8 2>/dev/null ||
            fail "$1: picture $n is no PNG"
    done < <(grep -o 'data:image/png;base64,[A-Za-z0-9+/=]*' "$1" | sed 's/.*,//')
    [ "$n" -gt 0 ] || fail "$1 has no picture"
    if command -v xmllint >/dev/null; then
        xmllint --html --noout "$1" 2>&1 | grep 'error :' | grep -v 'Tag [a-z]* invalid' >tags
        [ ! -s tags ] || fail "$1: xmllint: $(head -3 tags)"
    fi
}

printf '%s\n' '<b>&"x' "it's" 'a_b' ' c, d ' '=1+1' >names.txt
for seed in 0 1 2; do
    "$paco" train "${tiny_options[@]}" --seed $seed --class-names names.txt --out "seed_$seed" >log 2>&1 ||
        { cat log; fail "train"; exit 1; }
done

# ---- one run

expect 0 'report.html: 1 run' report seed_0
well_formed seed_0/report.html
expect 0 'page.html: 1 run' report seed_0/ --out page.html
cmp -s page.html seed_0/report.html || fail "the same run gives another page"
top1=$(sed -n 's/^  "top1": \([0-9.e+-]*\),.*/\1/p' seed_0/report.json)
says "<b>$(awk -v x="$top1" 'BEGIN { printf "%.2f", 100 * x }')</b>top-1 %"
says "$(sed -n 's/.*"checksum": "\([0-9a-f]*\)".*/\1/p' seed_0/report.json)"
says '48 images, 5 classes, checksum '
says "<th>program</th><td>$("$paco" --version | head -1)</td>"
says "<th>command</th><td>$paco train "
says ', after 1 start</td>'
says '&lt;b&gt;&amp;&quot;x'
grep -qF '<b>&"x' page.html && fail "a class name is not escaped"
says 'it&#39;s'
says '>=1+1<'
says '>--queue</td><td class="s">20</td><td class="s">8192<'
says '<tr><th>seed</th><td>0</td></tr>'
says 'class="sheet"'
thumbnails=$(grep -o 'class="thumbnail"' page.html | wc -l)
[ "$thumbnails" -ge 1 ] && [ "$thumbnails" -le 12 ] || fail "$thumbnails examples"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "eval_seconds") c = i; next } !c || !($c > 0) { exit 1 }' \
    seed_0/metrics.csv || fail "no seconds of evaluation in metrics.csv"

# ---- an evaluation: as it is, then with numbers of which the calibration is known

"$paco" eval --checkpoint seed_0 --test-list data/test.txt --data data --batch 8 --out judged >log 2>&1 || { cat log; fail eval; }
expect 0 '1 run' report judged --out page.html
well_formed page.html
says 'options.txt is not there'
says 'Class sizes are not known'
echo '{"top1": 0.75}' >judged/report.json
printf 'image,label,top1,top1_p\na.png,0,0,0.9\nb.png,1,1,0.9\nc.png,2,2,0.9\nd.png,3,0,0.9\n' >judged/predictions.csv
expect 0 '1 run' report judged --out page.html
says '<b>75.00</b>top-1 %'
says 'ECE 15.00 % in 15 bins, of 4 images; mean confidence 90.00 %'
printf 'image,label,top1\na.png,0,0\n' >judged/predictions.csv
expect 0 '1 run' report judged --out page.html
says 'predictions.csv has no probabilities'
printf 'class,name,train_images,test_images,correct,accuracy\n0,<b>,9,0,0,\n1,,8,2,0,0\n' >judged/classes.csv
rm judged/confusion.csv
printf 'image,label,top1\ndata/3.png,1,0\nno.png,1,0\n' >judged/predictions.csv
expect 0 '1 run' report judged --out page.html
says 'alt="data/3.png"'
says 'taken for &lt;b&gt;<'
says 'no.png: '
rm judged/predictions.csv
expect 0 '1 run' report judged --out page.html
says 'predictions.csv is not there'
cat >judged/report.json <<'JSON'
{"ece": 0.125, "ece_bins": [{"count": 0, "confidence": null, "accuracy": null}, {"count": 8, "confidence": 0.75, "accuracy": 0.875}]}
JSON
expect 0 '1 run' report judged --out page.html
says 'ECE 12.50 % in 2 bins, of 8 images; mean confidence 75.00 %'
says '<b>12.50</b>ECE %'

# ---- several runs, with accuracies of which mean and deviation are known

for seed in 0 1 2; do
    cp -r seed_$seed known_$seed
    sed -i "s/\"top1\": [^,]*,/\"top1\": 0.$((5 + seed)),/" known_$seed/report.json
done
expect 0 'report.html: 3 runs' report known_0 known_1 known_2
well_formed report.html
says '>60.00 ± 10.00<' report.html
says '>0 1 2<' report.html
expect 0 '60.00 ± 10.00' compare known_0 known_1 known_2
[ "$(wc -l <<<"$output")" = 2 ] || fail "three seeds are not one row: $output"
expect 0 'known\_0, known\_1, known\_2 & 0 1 2 & 3 & 60.00 $\pm$ 10.00' compare known_0 known_1 known_2 --format latex
expect 2 'known_0/: given twice (as known_0, too)' compare known_0 known_1 known_0/
cp -r known_0 copied
expect 0 'known_0, known_1  0 1' compare known_0 known_1 copied
[ "$(wc -l <<<"$output")" = 3 ] || fail "a copy counts as another seed: $output"
expect 0 '"known_0, known_1, known_2",0 1 2,3,60,10,' compare --format=csv known_0 known_1 known_2
[ "$(awk -F, '{ n = NR == 1 ? NF : NF - 2; if (n != (NR == 1 ? NF : w)) print; w = NF }' <<<"$output" | wc -l)" = 0 ] ||
    fail "rows of CSV differ in length: $output"
# What a run writes is no difference to it: no column.
sed -i 's/^lr=.*/lr=0.5/; s/^log-every=.*/log-every=7/; s/^tensorboard=.*/tensorboard=on/' known_2/options.txt
expect 0 'known_0, known_1  0 1      2  0.02  55.00 ± 7.07' compare known_0 known_1 known_2
grep -qE '^known_2 +2 +1  0.5 +70.00 ' <<<"$output" || fail "no row of its own for another lr: $output"
expect 0 '3 runs' report known_0 known_1 known_2 --out page.html
says '>lr</th>'
rm known_1/options.txt
expect 0 'not known' compare known_0 known_1 known_2

# ---- what is missing is said

# without FILE TEXT: a run without it has a page that says so.
without() {
    rm -rf part
    cp -r seed_0 part
    rm part/"$1"
    expect 0 '1 run' report part --out page.html
    says "$2"
}
without metrics.csv 'Not drawn: metrics.csv is not there'
without classes.csv 'Not drawn: classes.csv is not there'
without confusion.csv 'Not drawn: confusion.csv is not there'
without report.json 'report.json is not there'
without options.txt 'Not known: options.txt is not there'
without last.pth.tar 'not known: no checkpoint'
mv data moved
expect 0 'warning: seed_0: no images in the report: ' report seed_0 --out page.html
says "Not drawn: $folder/data/train.txt: "
mv moved data
# Paths that are relative begin where the run was started.
cp -r seed_0 relative
sed -i "s|=$folder/|=|" relative/options.txt
mkdir elsewhere
output=$(cd elsewhere && "$paco" report ../relative --out ../page.html 2>&1)
grep -q warning <<<"$output" && fail "a report from elsewhere: $output"
says 'class="sheet"'
echo '5.png 3' >>data/train.txt
expect 0 '1 run' report seed_0 --out page.html
says "The training data are others than the run&#39;s by now"

# ---- what is damaged is one line, and a page that is there stays

# damaged FILE SED TEXT: a run whose file was changed so ends the report.
damaged() {
    rm -rf part
    cp -r seed_0 part
    sed -i "$2" part/"$1"
    cmp -s part/"$1" seed_0/"$1" && fail "$1 was not damaged by $2"
    expect 3 "$3" report part --out page.html
    expect 3 "$3" compare part seed_1
}
cp page.html before.html
damaged metrics.csv '3s/,[^,]*,/,abc,/' "part/metrics.csv: line 3: lr: no number ('abc')"
damaged metrics.csv '3s/,[^,]*$//' 'part/metrics.csv: line 3: other fields than the header ('
damaged metrics.csv '3s/^2/1/' "part/metrics.csv: line 3: epoch: no whole number from 2"
damaged metrics.csv 's/epoch/apoch/' "part/metrics.csv: line 1: no column 'epoch'"
damaged classes.csv '2s/"//' 'part/classes.csv: line 2: a quote within a field'
damaged classes.csv '3s/^1/2/' 'part/classes.csv: line 3: class: no whole number from 1 to 1'
damaged classes.csv '2s/\(",[0-9]*,[0-9]*\),[0-9]*/\1,999/' 'part/classes.csv: line 2: correct: no whole number from 0 to 4'
damaged confusion.csv '2s/^0/5/' 'part/confusion.csv: line 2: true: no whole number from 0 to 4'
damaged report.json '3s/"//' 'part/report.json: '
damaged options.txt '2s/=/ /' 'part/options.txt: option line 2: '
damaged options.txt 's/^lr=/lx=/' "unknown option 'lx'"
cmp -s page.html before.html || fail "a failed report changed the page"
cp -r seed_0 odd
printf '\0' >>odd/classes.csv
expect 3 'odd/classes.csv: a zero byte' report odd --out page.html
: >odd/classes.csv
expect 3 'odd/classes.csv: is empty' report odd --out page.html
rm odd/classes.csv
printf 'image,label,top1,top1_p\na.png,0,0,1.5\n' >odd/predictions.csv
expect 3 'odd/predictions.csv: line 2: top1_p: no probability (1.5)' report odd --out page.html
rm odd/predictions.csv
printf '3,0.1' >>odd/metrics.csv # being written
expect 0 '1 run' report odd --out page.html
says '<th>epochs</th><td>2 of 2</td>'

# ---- usage

mkdir empty
expect 4 'empty: no run: it has none of options.txt' report empty
expect 4 'nowhere: no such folder' compare nowhere seed_0
expect 4 'no/such/page.html' report seed_0 --out no/such/page.html
expect 2 'no folder of a run given' report
expect 2 "unknown option '--ot'" report seed_0 --ot x
expect 2 "value missing behind '--out'" report seed_0 --out
expect 2 'Did you mean latex' compare seed_0 --format latx
expect 0 'usage: paco report RUN' report --help
expect 0 'usage: paco compare RUN' compare --help

# ---- as a browser sees it

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
    echo "skipped: no Chromium to look at the page"
else
    expect 0 '1 run' report seed_0 --out page.html
    for width in 390 1280; do
        HOME=$folder timeout 300 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$folder/profile" \
            --enable-logging=stderr --screenshot="$folder/shot$width.png" --window-size=$width,2000 "file://$folder/page.html" \
            >log 2>&1 || { tail -3 log; fail "$browser ended badly"; }
        grep -qi 'console' log && fail "the page has an error: $(grep -i console log | head -1)"
        # A blank page of this size is a PNG of less than 20 kB.
        [ "$(stat -c %s "shot$width.png" 2>/dev/null || echo 0)" -gt 30000 ] || fail "the page is blank at $width pixels"
    done
fi
exit $failed
