//! A name for this host that a file may carry: made from `/etc/machine-id`, without giving it away.
//!
//! machine-id(5) asks for exactly that: the id itself is not to leave the host, a keyed hash of it may. The hash is that
//! of sd_id128_get_machine_app_specific(3), so `systemd-id128 machine-id --app-specific=…` shows the same.

use std::path::Path;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use provision_host::Root;

use crate::desired::hex;
use crate::error::{Error, Result};

/// provision's own application id, made once by chance.
const APPLICATION: [u8; 16] =
    [0x5e, 0x0b, 0x7d, 0x2c, 0x91, 0xa4, 0x4f, 0x36, 0x8c, 0x1d, 0x63, 0xfa, 0x20, 0xe7, 0xb9, 0x48];

const MACHINE_ID: &str = "/etc/machine-id";

/// The id of a host: 32 lower-case hexadecimal digits.
pub fn host_id(root: &Root) -> Result<String> {
    let text = root.read_text(Path::new(MACHINE_ID))?.unwrap_or_default();
    let machine = parse(text.trim()).ok_or(Error::NoMachineId)?;
    Ok(hex(&app_specific(machine)?))
}

/// 16 bytes of hexadecimal digits that are not all zero; images ship with an empty file, or `uninitialized` in it.
fn parse(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok().filter(|number| *number != 0)?;
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| number.to_be_bytes())
}

fn app_specific(machine: [u8; 16]) -> Result<[u8; 16]> {
    let key = PKey::hmac(&machine)?;
    let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
    signer.update(&APPLICATION)?;
    let hash = signer.sign_to_vec()?;
    let mut id = [0; 16];
    id.iter_mut().zip(hash).for_each(|(byte, hash)| *byte = hash);
    // A UUID of version 4, variant 1, as sd-id128 has it.
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(machine_id: &str) -> Result<String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/machine-id"), machine_id).unwrap();
        host_id(&Root::open(directory.path()).unwrap())
    }

    /// Compared with what systemd-id128 252 printed for this machine id.
    #[test]
    fn the_id_is_the_one_that_systemd_makes() {
        assert_eq!(with("0123456789abcdef0123456789abcdef\n").unwrap(), "ff92bcb6bd3c4dbe9ee83a83f04c4294");
    }

    #[test]
    fn a_host_without_an_id_has_none() {
        for text in [
            "",
            "uninitialized\n",
            "00000000000000000000000000000000",
            "+123456789abcdef0123456789abcdef",
            "12",
        ] {
            assert!(matches!(with(text), Err(Error::NoMachineId)), "{text:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(host_id(&Root::open(directory.path()).unwrap()), Err(Error::NoMachineId)));
    }
}
