//! The server's end of TLS: certificate and key, read again when their files change.
//!
//! Knows OpenSSL's server context. Must not know what is served.

use std::fs;
use std::path::Path;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslOptions, SslVersion};
use openssl::x509::X509;
use zeroize::Zeroizing;

use crate::config::TlsFiles;
use crate::error::Error;

/// Loads a context: TLS 1.2 and newer, Mozilla's intermediate ciphers, no renegotiation.
pub(crate) fn load(files: &TlsFiles) -> Result<SslAcceptor, Error> {
    let (certificate, key) = (files.certificate.as_path(), files.key.as_path());
    let pem = read("certificate", certificate)?;
    let in_certificate = |source| Error::Tls { what: "certificate", path: certificate.to_path_buf(), source };
    let in_key = |source| Error::Tls { what: "private key", path: key.to_path_buf(), source };
    let mut chain = X509::stack_from_pem(&pem).map_err(in_certificate)?.into_iter();
    let mut context = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).map_err(Error::Crypto)?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(Error::Crypto)?;
    context.set_options(SslOptions::NO_RENEGOTIATION);
    let leaf = chain.next().ok_or_else(|| Error::NoCertificate { path: certificate.to_path_buf() })?;
    context.set_certificate(&leaf).map_err(in_certificate)?;
    for between in chain {
        context.add_extra_chain_cert(between).map_err(in_certificate)?;
    }
    let key_pem = Zeroizing::new(read("private key", key)?);
    // The callback keeps OpenSSL from asking a terminal for a passphrase, and waiting for ever.
    let private = PKey::private_key_from_pem_callback(&key_pem, |_| Ok(0)).map_err(in_key)?;
    context.set_private_key(&private).map_err(in_key)?;
    context.check_private_key().map_err(in_key)?;
    Ok(context.build())
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { what, path: path.to_path_buf(), source })
}
