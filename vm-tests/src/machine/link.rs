//! What a guest's one network card leads to: nothing but this machine's way in, or another guest.
//!
//! A snapshot knows the card and not what is behind it, so that may differ each time. Guests of one kind share address and
//! hardware address; on a network of their own each gets others.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Flavour, Machine};
use crate::image::Suite;

/// What is at the other end of a guest's network card.
#[derive(Debug, Clone)]
pub(super) enum Wire {
    /// Nothing; only the guest's SSH is reached from here.
    Alone,
    /// Whoever connects to a socket in the machine's folder.
    Listens,
    /// The guest that listens on this socket.
    Connects(PathBuf),
}

impl Wire {
    /// QEMU's back ends, of which `n0` is the card's. `folder` is the machine's own.
    pub(super) fn netdevs(&self, folder: &Path, ssh_port: u16) -> Vec<String> {
        // restrict=on: the guest reaches nothing, not even this machine; only its SSH is reached from here.
        let user = |id: &str| format!("user,id={id},restrict=on,hostfwd=tcp:127.0.0.1:{ssh_port}-:22");
        let stream = |role: &str, socket: &Path| {
            format!("stream,id=n0,server={role},addr.type=unix,addr.path={}", socket.display())
        };
        // A snapshot holds the state of the first, so there has to be one, if only with nothing at it.
        match self {
            Self::Alone => vec![user("n0")],
            Self::Listens => vec![user("unused"), stream("on", &socket(folder))],
            Self::Connects(socket) => vec![user("unused"), stream("off", socket)],
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("link")
}

impl Machine {
    /// Two bare guests that reach each other and nobody else: at 10.77.0.1 and at 10.77.0.2.
    pub fn pair(first: Suite, second: Suite, names: [&str; 2]) -> Result<[Self; 2]> {
        let one = Self::wired(first, Flavour::Bare, names[0], &Wire::Listens)?;
        let there = Wire::Connects(socket(one.directory.path()));
        let other = Self::wired(second, Flavour::Bare, names[1], &there)?;
        let mut both = [one, other];
        for (machine, number) in both.iter_mut().zip(1..) {
            // Whoever manages the card would ask for its old address again.
            machine.run(&format!(
                "systemctl stop systemd-networkd.socket systemd-networkd.service && ip link set eth0 down && \
                 ip address flush dev eth0 && ip link set eth0 address 52:54:00:77:00:0{number} && \
                 ip address add 10.77.0.{number}/24 dev eth0 && ip link set eth0 up"
            ))?;
        }
        Ok(both)
    }
}
