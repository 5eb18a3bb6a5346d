//! A file from a web server, over TLS that is verified as a registry's is: the same connections, redirects and patience.

use http::{Method, Uri};
use http_body_util::BodyExt as _;

use super::ask::Ask;
use super::error::ClientError;
use super::travel::within;
use super::{Options, Registry, retry};

/// The bytes at an `https://` address, no more than `limit` of them. Nothing is ever asked for without TLS, and no
/// credentials are sent.
pub async fn download(address: &str, options: &Options, limit: u64) -> Result<Vec<u8>, ClientError> {
    let rest = address.strip_prefix("https://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let target = format!("/{path}");
    let options = Options { plain_http: false, credentials: None, ..options.clone() };
    let server = Registry::new(host, &options)?;
    if host.is_empty() || target.parse::<Uri>().is_err() {
        return Err(server.nonsense(address, "expected an address that begins with https://"));
    }
    retry::again(|| server.get(&target, address, limit)).await
}

impl Registry {
    async fn get(&self, target: &str, what: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        let answer = self.follow(Ask::new(Method::GET, target.to_owned(), None, ""), None).await?;
        let mut body = self.success(answer, None, what).await?.into_body();
        let mut bytes = Vec::new();
        loop {
            let next = async { Ok(body.frame().await) };
            let Some(frame) = within(self.inner.patience, &self.inner.server, next).await? else { break };
            let broken = |source| ClientError::Broken { registry: self.name().to_owned(), source };
            bytes.extend_from_slice(&frame.map_err(broken)?.into_data().unwrap_or_default());
            if bytes.len() as u64 > limit {
                return Err(ClientError::TooLarge {
                    registry: self.name().to_owned(),
                    what: what.to_owned(),
                    limit,
                });
            }
        }
        Ok(bytes)
    }
}
