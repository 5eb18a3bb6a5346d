//! Virtual machines for tests: guest images, boot, snapshots, evidence.
//!
//! Everything is QEMU with software emulation; nothing here needs KVM, a network, or more than two cores.

pub mod act;
pub mod apt;
pub mod bastion;
pub mod binary;
pub mod host_state;
pub mod image;
pub mod machine;
pub mod media;
pub mod needs;
pub mod qmp;
pub mod run;
