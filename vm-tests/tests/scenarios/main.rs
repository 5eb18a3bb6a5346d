//! Every shipped profile on every distribution, in virtual machines. One file per scenario; two run at a time.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bastion;
mod confirm;
mod cut_off;
mod mirrored;
mod podman_host;
mod power_cut;
mod remote;
mod rolled_back;
mod state_id;
mod too_old;
mod user;
