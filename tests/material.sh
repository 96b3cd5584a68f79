# Sourced by test scripts: what they compare with. $data and $golden are the repository's; $shared is the folder of
# additional cases, PACO_SHARED or ../shared beside the repository, and empty where there is none.
# shellcheck shell=bash disable=SC2034
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=$tests/data
golden=$tests/golden
shared=$(realpath -e "${PACO_SHARED:-$tests/../../shared}" 2>/dev/null) || shared=

# additional_golden loss|step: sets `more` to the shared golden files that are not the repository's, byte for byte.
additional_golden() {
    local file
    more=()
    for file in "$shared/golden/$1"/*.json; do
        [ -n "$shared" ] && [ -e "$file" ] && ! cmp -s "$file" "$golden/$1/${file##*/}" && more+=("$file")
    done
    return 0
}
