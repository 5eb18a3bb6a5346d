#!/bin/sh
# Every file in the list is a package, with its version.
shift 3
[ "$1" = -- ] && shift
[ $# -gt 0 ] || { cd /var/lib/dpkg/info && set -- *; }
missing=0
for name; do
    if read -r version < "/var/lib/dpkg/info/$name"; then
        printf 'installed\t%s\t%s\n' "$name" "$version"
    else
        missing=1
    fi 2> /dev/null
done
exit $missing
