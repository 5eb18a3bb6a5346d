//! Container images: references, digests, manifests, and the store on disk.
//!
//! Knows the OCI specifications and Docker's schema 2. Must not know OpenShift, hosts or terminals.

pub mod archive;
pub mod assemble;
pub mod client;
mod digest;
mod error;
mod manifest;
mod reference;
mod store;

pub use client::{ClientError, Registry};
pub use digest::{Digest, Hasher};
pub use error::{Error, Result};
pub use manifest::{
    ALL_MANIFESTS, Body, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST,
    Platform,
};
pub use reference::{Reference, Repository, Tag};
pub use store::{Store, Upload};
