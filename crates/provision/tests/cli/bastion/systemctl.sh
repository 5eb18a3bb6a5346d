#!/bin/sh
# A service manager in short. What runs is in /run, and is gone after a boot; the registry is the real one.
[ "$1" = --no-block ] && shift
for unit; do :; done
system=/etc/systemd/system
wants=$system/multi-user.target.wants
pid=
[ -e "/run/$unit.pid" ] && read -r pid < "/run/$unit.pid"
runs() { [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null; }
stop() {
    runs && kill "$pid"
    while runs; do sleep 0.02; done
    rm -f "/run/$unit.pid"
    pid=
}
start() {
    runs && return
    if [ -e /opt/fails ]; then
        echo 'Error: crun: cannot allocate memory' > "/run/$unit.log"
        echo "Job for $unit failed because the control process exited with error code." >&2
        exit 1
    fi
    [ -e "$system/$unit" ] || exit 5
    read -r port < /opt/port
    # What an earlier start wrote must not be taken for this one's.
    rm -f "/run/$unit.log" && : > "/run/$unit.log"
    sh -c 'echo $$ > "/run/$1.pid"
        exec /bin/provision registry serve --listen "0.0.0.0:$2" --store /run/data \
            --tls-cert /etc/provision/registry/tls/registry.crt --tls-key /etc/provision/registry/tls/registry.key \
            --htpasswd /etc/provision/registry/auth/htpasswd' sh "$unit" "$port" \
        < /dev/null >> "/run/$unit.log" 2>&1 &
    pid=$!
    until case $(cat "/run/$unit.log") in *listening*) ;; *) false ;; esac; do
        runs || exit 1
        sleep 0.02
    done
}
case $1 in
--version) echo 'systemd 252 (252.38-1~deb12u1)' ;;
show)
    load=not-found enabled= active=inactive sub=dead
    if [ -L "$system/$unit" ] && [ "$system/$unit" -ef /dev/null ]; then
        load=masked enabled=masked
    elif [ -e "$system/$unit" ]; then
        load=loaded enabled=disabled
        [ -L "$wants/$unit" ] && enabled=enabled
    fi
    runs && active=active sub=running
    [ $active$load = activenot-found ] && load=loaded
    printf 'LoadState=%s\nActiveState=%s\nSubState=%s\nUnitFileState=%s\nMainPID=%s\n' \
        "$load" "$active" "$sub" "$enabled" "${pid:-0}"
    ;;
enable) [ -L "$wants/$unit" ] || ln -s "$system/$unit" "$wants/$unit" ;;
disable) rm -f "$wants/$unit" ;;
mask)
    if [ -e "$system/$unit" ]; then
        echo "Failed to mask unit: File $system/$unit already exists." >&2
        exit 1
    fi
    ln -s /dev/null "$system/$unit"
    ;;
unmask) [ "$system/$unit" -ef /dev/null ] && rm -f "$system/$unit" ;;
start) start ;;
stop) stop ;;
restart) stop && start ;;
esac
exit 0
