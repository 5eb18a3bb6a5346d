//! Where anchors live, per distribution.

/// Where a family of distributions keeps the anchors an administrator adds, and what is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorStore {
    /// The directory of anchors, one PEM file each.
    pub directory: &'static str,
    /// What the file names have to end in, dot included.
    pub extension: &'static str,
    /// The bundle that programs read, extracted by the family's tool.
    pub bundle: &'static str,
}

/// Debian and Ubuntu: update-ca-certificates(8) reads only `*.crt`.
pub const ANCHORS_DEBIAN: AnchorStore = AnchorStore {
    directory: "/usr/local/share/ca-certificates",
    extension: ".crt",
    bundle: "/etc/ssl/certs/ca-certificates.crt",
};

/// RHEL, Fedora and CentOS Stream: update-ca-trust(8) reads any file, and skips what it can't read in silence.
pub const ANCHORS_RED_HAT: AnchorStore = AnchorStore {
    directory: "/etc/pki/ca-trust/source/anchors",
    extension: ".crt",
    bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
};

impl AnchorStore {
    /// The path of an anchor of ours; `name` has no extension.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}{}", self.directory, self.extension)
    }
}

/// The path of the authority that podman believes for one registry (containers-certs.d(5): `*.crt` is a CA).
pub fn certs_d(registry: &str) -> String {
    format!("/etc/containers/certs.d/{registry}/ca.crt")
}
