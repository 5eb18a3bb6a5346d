//! Private keys: made here, wiped from memory when dropped, never shown.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Which kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// ECDSA over P-256: small, fast, allowed under FIPS.
    #[default]
    EcdsaP256,
    /// RSA with 3072 bits, for clients that know nothing newer.
    Rsa3072,
}

/// A private key.
#[derive(Clone)]
pub struct PrivateKey(pub(crate) PKey<Private>);

impl PrivateKey {
    /// Makes a new key.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        Ok(Self(match kind {
            KeyKind::EcdsaP256 => {
                let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
                PKey::from_ec_key(EcKey::generate(&group)?)?
            }
            KeyKind::Rsa3072 => PKey::from_rsa(Rsa::generate(3072)?)?,
        }))
    }

    /// Reads a key without passphrase: PKCS #8, PKCS #1 or SEC 1.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        // The callback keeps OpenSSL from asking a person for the passphrase.
        let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0));
        key.map(Self).map_err(|source| Error::DamagedKey { source })
    }

    /// The key as PKCS #8 PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(self.0.private_key_to_pem_pkcs8()?))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
