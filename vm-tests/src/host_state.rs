//! What a guest is, as text: taken before and after, the two must not differ.
//!
//! Everything that is left out is on one list, with its reason.

use anyhow::Result;

use crate::machine::Machine;

/// Files that change by themselves, or that every package transaction writes anew. No other is left out.
const VOLATILE: [(&str, &str); 4] = [
    ("/etc/ld.so.cache", "written by ldconfig after every package transaction, from what is installed"),
    ("/etc/.pwd.lock", "a lock of the account tools, empty"),
    ("/etc/group-", "the account tools' copy of the file before their last change"),
    ("/etc/gshadow-", "likewise"),
];

/// Lines that may come or go, with their reasons: data that is kept, and what only lasts until the next boot.
const PASSING: [(&str, &str); 6] = [
    ("provision", "below /var/lib: the record of what was done"),
    ("registry", "below /var/lib: the images that were mirrored; data is kept"),
    ("distribution", "likewise"),
    ("containers", "below /var/lib: podman's own storage"),
    ("unit run-netns.mount loaded active mounted", "podman's folder of network namespaces"),
    (
        "unit var-lib-containers-storage-overlay.mount loaded active mounted",
        "podman's storage, mounted when podman is asked something for the first time",
    ),
];

/// Units that come and go by themselves, whatever state they are in.
const TRANSIENT: [(&str, &str); 3] = [
    (
        "unit systemd-networkd-wait-online.service",
        "a oneshot that network-online.target pulls in; once run it stays active, and does nothing",
    ),
    ("unit systemd-timedated.service", "runs for half a minute after timedatectl asked it something"),
    ("unit systemd-hostnamed.service", "likewise for hostnamectl"),
];

/// Files, packages, units: a line each, sorted.
pub fn manifest(machine: &mut Machine) -> Result<String> {
    let volatile: Vec<String> = VOLATILE.iter().map(|(path, _)| format!("-path '{path}' -o")).collect();
    let left_out = format!("\\( {} -false \\) -prune -o", volatile.join(" "));
    machine.run(&format!(
        // What cannot be asked must not look like a difference, and an emulated guest takes its time.
        "export SYSTEMD_BUS_TIMEOUT=300; cd /; \
         find /etc /usr/local /root /home {left_out} -printf '%y %m %u:%g %p -> %l\\n' | sort; \
         find /etc /usr/local /root /home {left_out} -type f -print0 | sort -z | xargs -0 sha256sum; \
         getfattr --absolute-names --physical --recursive --dump --match=- /etc /usr/local /root /home; \
         dpkg-query --show --showformat '${{db:Status-Status}} ${{Package}} ${{Version}}\\n' | sort; \
         systemctl list-unit-files --no-legend --no-pager >/run/manifest || exit 1; \
         awk '{{ print \"unit-file\", $1, $2 }}' /run/manifest | sort; \
         systemctl list-units --no-legend --no-pager --plain --all --type=service,socket,timer,mount,path \
           >/run/manifest || exit 1; \
         awk '$2 != \"not-found\" {{ print \"unit\", $1, $2, $3, $4 }}' /run/manifest | sort; \
         ls -A /var/lib | sort; hostname; ip -brief link | sort"
    ))
}

/// The lines that only one of the two has.
pub fn differences(before: &str, after: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let is_volatile = |line: &str| {
        let passing = PASSING.iter().any(|(passing, _)| *passing == line);
        passing || TRANSIENT.iter().any(|(unit, _)| line.starts_with(unit))
    };
    let gone = before.difference(&after).filter(|line| !is_volatile(line)).map(|line| format!("- {line}"));
    let come = after.difference(&before).filter(|line| !is_volatile(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

/// When anything under the paths that provision manages was last written, and when its units started: a second apply
/// must not move any of it.
pub fn times(machine: &mut Machine) -> Result<String> {
    machine.run(
        "find /etc /usr/local /root /var/lib/registry /var/lib/distribution -printf '%T@ %C@ %p\\n' 2>/dev/null | sort -k3; \
         for unit in $(systemctl list-units --no-legend --plain --type=service --state=active | awk '{ print $1 }'); do \
           echo unit $unit $(systemctl show --property=ActiveEnterTimestampMonotonic --property=MainPID $unit); done; \
         find /var/lib/provision -not -name lock -printf '%T@ %p\\n' | sort",
    )
}
