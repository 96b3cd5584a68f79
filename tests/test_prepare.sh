#!/usr/bin/env bash
# paco data prepare: miniature data sets of the three kinds in every layout, counts as published and otherwise, images
# that are missing, lists that lie, hostile paths and annotations. The command that it prints is one that trains.
set -u
paco=$(realpath "$1")
. "$(dirname "$0")/verb_judge.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

# images FOLDER PATH...: empty files; nothing decodes them.
images() {
    local root=$1 path
    shift
    rm -rf "$root"
    for path; do
        mkdir -p "$root/$(dirname "$path")"
        : >"$root/$path"
    done
}
# is FILE LINE...: all that is in it.
is() {
    local file=$1
    shift
    [ "$(cat "$file")" = "$(printf '%s\n' "$@")" ] || { fail "$file is otherwise:"; cat "$file"; }
}
says() { grep -qF -- "$1" stdout stderr || { fail "it does not say '$1'"; cat stdout stderr; }; }
prepare() { rm -rf out; ok data prepare "$@" --out out --counts off; }
refuses() { # STATUS TEXT ARGUMENTS...: one line of error, and nothing is written
    local status=$1 text=$2 seen
    shift 2
    rm -rf out
    "$paco" data prepare "$@" --out out >stdout 2>stderr
    seen=$?
    [ $seen = "$status" ] || fail "prepare $*: exit $seen instead of $status"
    [ "$(grep -c '^paco: error: ' stderr)" = 1 ] && grep '^paco: error: ' stderr | grep -qF -- "$text" ||
        { fail "prepare $*: no error line with '$text'"; cat stderr; }
    [ ! -e out ] || fail "prepare $*: wrote something"
}

# ---- ImageNet-LT: three classes; the validation list is of training images

mkdir imagenet
printf '%s\r\n' 'train/n01/n01_1.JPEG 0' 'train/n01/n01_2.JPEG 0' 'train/n02/n02_7.JPEG 1' 'train/n03/n03_5.JPEG 2' \
    >imagenet/ImageNet_LT_train.txt
printf '%s\n' 'train/n01/n01_3.JPEG 0' 'train/n02/n02_8.JPEG 1' 'train/n03/n03_6.JPEG 2' >imagenet/ImageNet_LT_val.txt
printf '%s\n' 'val/n01/ILSVRC2012_val_00000003.JPEG 0' 'val/n02/ILSVRC2012_val_00000001.JPEG 1' \
    'val/n03/ILSVRC2012_val_00000002.JPEG 2' >imagenet/ImageNet_LT_test.txt
training=(train/n01/n01_{1,2,3}.JPEG train/n02/n02_{7,8}.JPEG train/n03/n03_{5,6}.JPEG)
by_class=(val/n01/ILSVRC2012_val_00000003.JPEG val/n02/ILSVRC2012_val_00000001.JPEG val/n03/ILSVRC2012_val_00000002.JPEG)
flat=(val/ILSVRC2012_val_0000000{3,1,2}.JPEG)
# imagenet PREFIX TEST_PATH...: the lists made for images that lie so.
imagenet() {
    local prefix=$1
    shift
    images data "${training[@]/#/$prefix}" "${@/#/$prefix}"
    prepare imagenet_lt --lists imagenet --data data
    is out/train.txt "${prefix}train/n01/n01_1.JPEG 0" "${prefix}train/n01/n01_2.JPEG 0" \
        "${prefix}train/n02/n02_7.JPEG 1" "${prefix}train/n03/n03_5.JPEG 2"
    is out/val.txt "${prefix}train/n01/n01_3.JPEG 0" "${prefix}train/n02/n02_8.JPEG 1" "${prefix}train/n03/n03_6.JPEG 2"
    is out/test.txt "$prefix$1 0" "$prefix$2 1" "$prefix$3 2"
    is out/classes.txt n01 n02 n03
}
for prefix in '' Data/CLS-LOC/ ILSVRC/Data/CLS-LOC/; do
    imagenet "$prefix" "${by_class[@]}"
    imagenet "$prefix" "${flat[@]}"
done
says 'train list imagenet/ImageNet_LT_train.txt: 4 images (published: 115846), 3 classes (published: 1000)'
says 'warning: imagenet/ImageNet_LT_test.txt: 3 images, published are 50000'
says 'looked for as ILSVRC/Data/CLS-LOC/val/FILE (listed as val/CLASS/FILE)'
says 'images per class 1 to 2, imbalance 2'
says 'many-shot 0, medium-shot 0, few-shot 3 classes'
says 'images of test that train has too: 0'
# Lists with flat paths find folders of classes by what the training list calls them.
cp -r imagenet flat
sed 's,val/n../,val/,' imagenet/ImageNet_LT_test.txt >flat/ImageNet_LT_test.txt
images data "${training[@]}" "${by_class[@]}"
prepare imagenet_lt --lists flat --data data
is out/test.txt "${by_class[0]} 0" "${by_class[1]} 1" "${by_class[2]} 2"
# What it prints is what trains: lists with names of the classes, in folders with blanks and quotes.
mkdir "it's here"
mv data "it's here/da ta"
rm -rf out
ok data prepare imagenet_lt --lists=imagenet --data "it's here/da ta" --out "it's here/out" --counts=off
command=$(sed -n 's/^  paco train //p' stdout)
says "--val-list 'it'\\''s here/out/val.txt' --test-list"
says "--data 'it'\\''s here/da ta' --class-names 'it'\\''s here/out/classes.txt' --out runs/imagenet_lt"
for file in "it's here/da ta"/train/*/* "it's here/da ta"/val/*/*; do
    base64 -d >"$file" <<<'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAGjC2GaAAAAAElFTkSuQmCC'
done
eval "words=($command)"
"$paco" train "${words[@]}" --classes 3 --ranks 1 --batch 2 --epochs 1 --warmup 0 --arch resnet20 --size 16 --queue 4 \
    --recipe sim_sim --out run >stdout 2>stderr || { fail "the command does not train: paco train $command"; cat stderr; }

# ---- Places-LT: classes within classes, two forms of its lists, five places of its training images

mkdir standard letters
printf '%s\n' 'train/airfield/00000001.jpg 0' 'train/bakery-shop/00000001.jpg 1' 'train/bakery-shop/00000009.jpg 1' \
    >standard/Places_LT_train.txt
printf '%s\n' 'train/airfield/00000002.jpg 0' 'train/bakery-shop/00000002.jpg 1' >standard/Places_LT_val.txt
printf '%s\n' 'val/airfield/Places365_val_00000002.jpg 0' 'val/bakery-shop/Places365_val_00000001.jpg 1' \
    >standard/Places_LT_test.txt
printf '%s\n' 'data_256/a/airfield/00000001.jpg 0' 'data_256/b/bakery/shop/00000001.jpg 1' \
    'data_256/b/bakery/shop/00000009.jpg 1' >letters/Places_LT_train.txt
printf '%s\n' 'data_256/a/airfield/00000002.jpg 0' 'data_256/b/bakery/shop/00000002.jpg 1' >letters/Places_LT_val.txt
printf '%s\n' 'val_256/Places365_val_00000002.jpg 0' 'val_256/Places365_val_00000001.jpg 1' >letters/Places_LT_test.txt
# places NAME AIRFIELD SHOP TEST TEST: the folders of both classes, and the test images.
places() {
    local lists
    images data "$2"/0000000{1,2}.jpg "$3"/0000000{1,2,9}.jpg "$4" "$5"
    for lists in standard letters; do
        prepare places_lt --lists $lists --data data
        is out/train.txt "$2/00000001.jpg 0" "$3/00000001.jpg 1" "$3/00000009.jpg 1"
        is out/val.txt "$2/00000002.jpg 0" "$3/00000002.jpg 1"
        is out/test.txt "$4 0" "$5 1"
        is out/classes.txt airfield bakery/shop
    done
}
places easy train/airfield train/bakery-shop val/airfield/Places365_val_00000002.jpg \
    val/bakery-shop/Places365_val_00000001.jpg
for size in 256 large; do
    for end in '' _standard; do
        places $size data_$size$end/a/airfield data_$size$end/b/bakery/shop val_$size/Places365_val_0000000{2,1}.jpg
    done
done
says '--preset places_lt_r152 --init-from resnet152-394f9c45.pth'

# ---- iNaturalist 2018: lists, or annotations, whose members stand in any order

mkdir inat json
printf '%s\n' 'train_val2018/Aves/1/a.jpg 1' 'train_val2018/Plantae/0/b.jpg 0' >inat/iNaturalist18_train.txt
printf '%s\n' 'train_val2018/Plantae/0/d.jpg 0' 'train_val2018/Aves/1/c.jpg 1' >inat/iNaturalist18_val.txt
cat >json/train2018.json <<'JSON'
{"info": {"year": 2018, "list": [1, [2]]}, "annotations": [{"id": 9, "image_id": 70, "category_id": 0},
 {"id": 8, "image_id": 5, "category_id": 1}], "licenses": [{"id": 1, "name": "CC"}],
 "images": [{"id": 5, "width": 8, "height": 8, "file_name": "train_val2018\/Aves\/1\/a.jpg", "rights_holder": "J\u00fcrgen \"J\""},
            {"id": 70, "file_name": "train_val2018/Plantae/0/b.jpg"}],
 "categories": [{"id": 1, "name": "Obscure 1", "supercategory": "Aves"}, {"id": 0, "name": "Obscure 0"}]}
JSON
cat >json/val2018.json <<'JSON'
{"images": [{"id": 1, "file_name": "train_val2018/Plantae/0/d.jpg"}, {"id": 2, "file_name": "train_val2018/Aves/1/c.jpg"}],
 "annotations": [{"image_id": 1, "category_id": 0}, {"image_id": 2, "category_id": 1}]}
JSON
for prefix in train_val2018/ 2018/ ''; do
    images data ${prefix}Aves/1/{a,c}.jpg ${prefix}Plantae/0/{b,d}.jpg
    for lists in inat json; do
        prepare inaturalist --lists $lists --data data
        is out/train.txt "${prefix}Aves/1/a.jpg 1" "${prefix}Plantae/0/b.jpg 0"
        is out/test.txt "${prefix}Plantae/0/d.jpg 0" "${prefix}Aves/1/c.jpg 1"
        [ ! -e out/val.txt ] || fail "iNaturalist has a validation list"
        grep -q -- '--val-list' stdout && fail "the command has a validation list"
    done
    is out/classes.txt 'Obscure 0' 'Obscure 1'
done
cat >inat/categories.json <<'JSON'
[{"id": 0, "name": "Quercus robur"}, {"id": 1, "name": "Turdus merula", "kingdom": "Animalia"}]
JSON
prepare inaturalist --lists inat --data data
is out/classes.txt 'Quercus robur' 'Turdus merula'
# categories JSON STATUS TEXT: names that cannot be those of the classes.
categories() {
    cp -r inat bad
    printf '%s' "$1" >bad/categories.json
    refuses "$2" "$3" inaturalist --lists bad --data data --counts off
    rm -rf bad
}
categories '[{"id": 0, "name": "One"}]' 3 'names of 1 classes (there are 2)'
categories '[{"id": 0, "name": "One"}, {"id": 2, "name": "Two"}]' 3 'none has id 1'
categories '[{"id": 0, "name": "One"}, {"id": 1, "name": "One"}]' 3 "'One' stands there twice"
categories '[{"id": 0, "name": "One"}, {"id": 1, "name": "Two\nThree"}]' 3 'cannot stand in a line'
categories '[{"id": 0, "name": "One"}, {"id": 1, "name": ""}]' 3 'cannot stand in a line'
categories '[]' 3 '0 class names'
categories '[{"id": 0, "name": "One"},' 3 'ends where a value is expected'
# Names in the annotations that are not all different are no reason to stop: they are left out.
sed -i 's/Obscure ./Obscure/g' json/train2018.json
prepare inaturalist --lists json --data data
says "warning: no names of classes are written: json/train2018.json: class name 'Obscure' stands there twice"
[ ! -e out/classes.txt ] || fail "names that are alike are written"
grep -q -- --class-names stdout && fail "the command has names that are not written"

# ---- counts: as many images and classes as published, of few files; then a line less

mkdir full
images data data_256/c/c{0..364}/1.jpg val_256/{0..364}.jpg
awk 'BEGIN { for (i = 0; i < 62500; i++) printf "data_256/c/c%d/1.jpg %d\n", i % 365, i % 365 }' >full/Places_LT_train.txt
head -7300 full/Places_LT_train.txt >full/Places_LT_val.txt
awk 'BEGIN { for (i = 0; i < 36500; i++) printf "val_256/%d.jpg %d\n", i % 365, i % 365 }' >full/Places_LT_test.txt
rm -rf out
ok data prepare places_lt --lists full --data data --out out
[ "$(cat out/{train,val,test}.txt | wc -l)" = 106300 ] || fail "not as many lines as published"
says 'train list full/Places_LT_train.txt: 62500 images (published: 62500), 365 classes (published: 365)'
says 'listed twice 62135, with conflicting labels 0'
says 'images of val that train has too: 7300'
says 'warning: 7300 images of full/Places_LT_val.txt are in full/Places_LT_train.txt, too'
says 'many-shot 365, medium-shot 0, few-shot 0 classes'
grep -q 'published are' stderr && fail "a warning about counts that are right"
sed 's/ 364$/ 363/' full/Places_LT_test.txt >shorter && mv full/Places_LT_test.txt longer && mv shorter full/Places_LT_test.txt
refuses 3 'not those published' places_lt --lists full --data data
says 'warning: full/Places_LT_test.txt: 1 of 365 classes have no images (class 364)'
sed '$d' longer >full/Places_LT_test.txt
refuses 3 'not those published' places_lt --lists full --data data
says 'warning: full/Places_LT_test.txt: 36499 images, published are 36500'
sed -i '/ 364$/d' full/Places_LT_train.txt
refuses 3 'label out of range (364 vs 0 to 363). The published list is otherwise' places_lt --lists full --data data

# ---- what is missing: lists, images

images data "${training[@]}" "${by_class[@]}"
mkdir none
cp imagenet/ImageNet_LT_train.txt none
refuses 4 'none: lists of ImageNet-LT are missing: ImageNet_LT_val.txt, ImageNet_LT_test.txt. They are published at https://' \
    imagenet_lt --lists none --data data
refuses 4 'lists of iNaturalist 2018 are missing: iNaturalist18_train.txt|train2018.json, iNaturalist18_val.txt|val2018.json' \
    inaturalist --lists none --data data
rm data/train/n01/n01_1.JPEG data/val/n02/*.JPEG
mkdir data/val/n02/ILSVRC2012_val_00000001.JPEG
refuses 4 '1 images missing, 1 unreadable: no list written. --on-missing skip leaves them out' \
    imagenet_lt --lists imagenet --data data --counts off
says 'data/train/n01/n01_1.JPEG: listed by imagenet/ImageNet_LT_train.txt, but missing'
says 'ILSVRC2012_val_00000001.JPEG: not a regular file'
says 'missing 1, unreadable 0, listed twice 0'
refuses 4 '1 images missing' imagenet_lt --lists imagenet --data data --counts off --lines 0
grep -q 'but missing' stdout && fail "--lines 0 lists files"
prepare imagenet_lt --lists imagenet --data data --on-missing skip
is out/train.txt 'train/n01/n01_2.JPEG 0' 'train/n02/n02_7.JPEG 1' 'train/n03/n03_5.JPEG 2'
is out/test.txt "${by_class[0]} 0" "${by_class[2]} 2"
says 'warning: imagenet/ImageNet_LT_train.txt: 1 images left out'
rm data/train/n02/n02_7.JPEG
refuses 4 'no image of class 1 is there' imagenet_lt --lists imagenet --data data --counts off --on-missing skip
refuses 4 '10 images missing' imagenet_lt --lists imagenet --data none --counts off
says 'looked for as train/CLASS/FILE, Data/CLS-LOC/train/CLASS/FILE, ILSVRC/Data/CLS-LOC/train/CLASS/FILE'
refuses 4 '10 images missing' imagenet_lt --lists imagenet --data nowhere --counts off
# Files of the same names among the validation images are no training images.
images data "${training[@]/#train/val}" "${by_class[@]}"
refuses 4 '7 images missing' imagenet_lt --lists imagenet --data data --counts off

# ---- lists that lie, and hostile ones

images data "${training[@]}" "${by_class[@]}"
# bad_list STATUS TEXT LINE...: a training list of these lines.
bad_list() {
    local status=$1 text=$2
    shift 2
    rm -rf bad
    cp -r imagenet bad
    printf '%b\n' "$@" >bad/ImageNet_LT_train.txt
    refuses "$status" "$text" imagenet_lt --lists bad --data data --counts off
}
two=('train/n02/n02_7.JPEG 1' 'train/n03/n03_5.JPEG 2')
bad_list 3 'leaves its folder' 'train/../../n01_1.JPEG 0' "${two[@]}"
bad_list 3 'leaves its folder' '../train/n01/n01_1.JPEG 0' "${two[@]}"
bad_list 3 'leaves its folder, or has an empty part' 'train//n01_1.JPEG 0' "${two[@]}"
bad_list 3 'leaves its folder, or has an empty part' 'train/./n01_1.JPEG 0' "${two[@]}"
bad_list 3 'leaves its folder, or has an empty part' 'train/n01/.. 0' "${two[@]}"
bad_list 3 'is absolute' '/etc/passwd 0' "${two[@]}"
bad_list 3 'has a control character' 'train/n01/n01\0033[31m.JPEG 0' "${two[@]}"
bad_list 3 'class 0 is folder' 'train/n01/n01_1.JPEG 0' 'train/n09/n01_1.JPEG 0' "${two[@]}"
rm -rf bad && cp -r imagenet bad && sed -i 's,/n02/,/n01/,' bad/*
refuses 3 "folder 'n01' is class 0 and class 1" imagenet_lt --lists bad --data data --counts off
bad_list 3 'line 2: negative label' 'train/n01/n01_1.JPEG 0' 'train/n02/n02_7.JPEG -1'
bad_list 3 'label is no whole number' 'train/n01/n01_1.JPEG 0' 'train/n02/n02_7.JPEG one' "${two[1]}" 'train/n01/n01_2.JPEG 0'
bad_list 3 'class 1 of 0 to 2 has no images. The published list is otherwise' 'train/n01/n01_1.JPEG 0' "${two[1]}"
bad_list 3 'labels run from 1 to 2, they must begin at 0. The published list' "${two[@]}"
bad_list 3 'labels are names' 'train/n01/n01_1.JPEG shark' 'train/n02/n02_7.JPEG whale'
bad_list 3 'path or label missing' 'train/n01/n01_1.JPEG' "${two[@]}"
bad_list 3 'no lines' ''
printf 'loose.JPEG 0\nloose.JPEG 1\n%s\n' "${two[1]}" >loose
: >data/loose.JPEG
rm -rf bad && cp -r imagenet bad && cp loose bad/ImageNet_LT_train.txt
refuses 3 '1 images with conflicting labels' imagenet_lt --lists bad --data data --counts off
# Bytes that are no UTF-8 are a name like any other, shown escaped.
images data "${training[@]}" "${by_class[@]}" $'train/n01/\xff.JPEG'
printf 'train/n01/\xff.JPEG 0\ntrain/n01/\xfe.JPEG 0\n%s\n%s\n' "${two[@]}" >bad/ImageNet_LT_train.txt
refuses 4 '1 images missing' imagenet_lt --lists bad --data data --counts off
says 'data/train/n01/\xfe.JPEG: listed by'

# ---- the command line

refused 2 "unknown action 'prepair' (expected check or prepare)" data prepair
refused 2 'data prepare: --lists FOLDER is missing' data prepare imagenet_lt --data data --out out
refused 2 "'nothing' is no data set that it knows" data prepare nothing
refused 2 'data prepare: --out FOLDER is missing' data prepare imagenet_lt --data data --lists imagenet
refused 2 'data prepare: --out: value missing' data prepare imagenet_lt --data data --lists imagenet --out
refused 2 "'imagenet' is no data set that it knows (imagenet_lt, places_lt or inaturalist)" \
    data prepare imagenet --data data --lists imagenet --out out
refused 2 "unexpected argument '--decode'" data prepare imagenet_lt --decode on --data data --lists imagenet --out out
refused 2 "--on-missing: 'never' (expected fail or skip)" data prepare imagenet_lt --on-missing never --data data --lists imagenet --out out
refused 2 "--counts: '' (expected on or off)" data prepare imagenet_lt --data data --lists imagenet --out out --counts
refused 2 'lines' data prepare imagenet_lt --data data --lists imagenet --out out --lines -1
images data "${training[@]}" "${by_class[@]}"
: >file
"$paco" data prepare imagenet_lt --lists imagenet --data data --counts off --out file/out >stdout 2>stderr
[ $? = 4 ] || fail "a folder that cannot be made: exit $?"
exit $failed
