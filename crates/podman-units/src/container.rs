//! One container, described without a word of unit syntax.

use crate::unit_text::Error;

/// A container that runs as a service of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Name of the service (without `.service`) and of the container.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// The image, by a name that podman resolves without asking.
    pub image: String,
    /// Arguments for the image's entry point.
    pub command: Vec<String>,
    /// Ports of the host that lead into the container.
    pub ports: Vec<PublishedPort>,
    /// Directories and files of the host in the container.
    pub volumes: Vec<Volume>,
    /// Environment; never secrets: units can be read by anyone.
    pub environment: Vec<(String, String)>,
    /// `USER[:GROUP]` inside the container; none: the image's.
    pub user: Option<String>,
    /// The container's own root file system cannot be written.
    pub read_only: bool,
    /// No program in it can gain privileges.
    pub no_new_privileges: bool,
    /// Capabilities taken away: `all`, or names without `CAP_`.
    pub drop_capabilities: Vec<String>,
    /// What systemd does when it ends.
    pub restart: Restart,
    /// Seconds until systemd gives up on its start; covers loading a large image.
    pub start_timeout: u32,
    /// Seconds between SIGTERM and SIGKILL.
    pub stop_timeout: u32,
    /// Paths whose file systems have to be mounted first.
    pub mounts: Vec<String>,
}

/// A port of the host that leads into the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    /// Address of the host; none: all.
    pub address: Option<String>,
    /// Port of the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
}

impl PublishedPort {
    pub(crate) fn argument(&self) -> String {
        match &self.address {
            // An IPv6 address needs brackets to be told from its port.
            Some(address) if address.contains(':') => format!("[{address}]:{}:{}", self.host, self.container),
            Some(address) => format!("{address}:{}:{}", self.host, self.container),
            None => format!("{}:{}", self.host, self.container),
        }
    }
}

/// A directory or file of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Path on the host.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// It cannot be written through this mount.
    pub read_only: bool,
    /// What happens to its SELinux label.
    pub selinux: Selinux,
}

/// What happens to the label of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selinux {
    /// It stays.
    #[default]
    Keep,
    /// Relabelled for this container alone (`Z`).
    Private,
    /// Relabelled for all containers (`z`).
    Shared,
}

impl Volume {
    pub(crate) fn argument(&self) -> String {
        let label = match self.selinux {
            Selinux::Keep => None,
            Selinux::Private => Some("Z"),
            Selinux::Shared => Some("z"),
        };
        let options: Vec<&str> = self.read_only.then_some("ro").into_iter().chain(label).collect();
        match options.as_slice() {
            [] => format!("{}:{}", self.host, self.container),
            options => format!("{}:{}:{}", self.host, self.container, options.join(",")),
        }
    }
}

/// What systemd does when the container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Start it again, however it ended.
    #[default]
    Always,
    /// Start it again when it failed.
    OnFailure,
    /// Leave it.
    No,
}

impl Restart {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::No => "no",
        }
    }
}

impl Container {
    /// The service's unit, `.service` included.
    pub fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    /// Refuses what would come out as something else in a unit or on podman's command line.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let starts = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !starts || !self.name.chars().all(fits) || self.name.len() > 200 {
            return Err(Error::BadValue {
                key: "name",
                value: self.name.clone(),
                expected: "letters, digits, `_`, `.` or `-`, the first a letter or digit",
            });
        }
        if self.image.is_empty() || self.image.starts_with('-') || self.image.contains(char::is_whitespace) {
            return Err(Error::BadValue {
                key: "image",
                value: self.image.clone(),
                expected: "an image reference",
            });
        }
        for volume in &self.volumes {
            for path in [&volume.host, &volume.container] {
                if !path.starts_with('/') || path.contains([':', ',']) {
                    return Err(Error::BadValue {
                        key: "volume",
                        value: path.clone(),
                        expected: "an absolute path without `:` and `,`",
                    });
                }
            }
        }
        Ok(())
    }
}
