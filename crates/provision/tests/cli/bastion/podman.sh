#!/bin/sh
# The storage holds one image or none.
read -r id < /opt/image-id
read -r name < /opt/image-name
stored=/var/lib/containers/storage/$id
for last; do :; done
case "$*" in
--version) echo 'podman version 4.3.1' ;;
'image inspect '*)
    if [ "$last" = "$name" ] && [ -e "$stored" ]; then
        echo "$id"
    else
        echo "Error: $last: image not known" >&2
        exit 125
    fi
    ;;
'load '*) : >> "$stored" ;;
'image rm '*) rm -f "$stored" ;;
esac
