# Sourced by the tools before they do anything: as their first word --help prints the comment that they begin with.
case "${1:-}" in
    -h|--help) sed -n -e '1d' -e '/^#/!q' -e 's/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
