//! A real server with its own authority, on the loopback interface, and a client that sends what it is told to.
//!
//! Knows TLS and HTTP/1.1. Must not know what the answers ought to be.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use provision_registry::{Config, Event, TlsFiles, serve};
use provision_trust_store::KeyKind;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

pub(crate) const USER: &str = "init";
pub(crate) const PASSWORD: &str = "a password: with a colon";

/// An authority, and its certificate as TLS takes it.
pub(crate) struct Authority {
    pub(crate) certificate: X509,
    issuer: provision_trust_store::Authority,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let now = SystemTime::now();
        let issuer = provision_trust_store::Authority::generate(name, KeyKind::EcdsaP256, now, 2).unwrap();
        Authority { certificate: X509::from_pem(&issuer.certificate().to_pem().unwrap()).unwrap(), issuer }
    }

    /// Certificate and key of a server, in PEM.
    pub(crate) fn issue(&self, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        let pair = self.issuer.issue(&names, KeyKind::EcdsaP256, SystemTime::now(), 1).unwrap();
        (pair.certificate.to_pem().unwrap(), pair.key.to_pem().unwrap().to_vec())
    }
}

/// A server that runs, and where its files are.
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<Result<(), provision_registry::Error>>>,
}

impl Site {
    /// With TLS, and one user.
    pub(crate) async fn start() -> Site {
        Site::with(|_| ()).await
    }

    /// With changes to the configuration.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority of the test");
        let path = |name: &str| directory.path().join(name);
        let (certificate, key) = authority.issue(&["localhost", "127.0.0.1"]);
        std::fs::write(path("server.crt"), certificate).unwrap();
        std::fs::write(path("server.key"), key).unwrap();
        std::fs::create_dir(path("certs")).unwrap();
        std::fs::write(path("certs/ca.crt"), authority.certificate.to_pem().unwrap()).unwrap();
        let hash = bcrypt::hash_with_result(PASSWORD, 4).unwrap().format_for_version(bcrypt::Version::TwoY);
        std::fs::write(path("htpasswd"), format!("{USER}:{hash}\n")).unwrap();
        let mut config = Config::new(([127, 0, 0, 1], 0).into(), path("store"));
        config.tls = Some(TlsFiles { certificate: path("server.crt"), key: path("server.key") });
        config.htpasswd = Some(path("htpasswd"));
        config.limits.reload = std::time::Duration::from_millis(50);
        change(&mut config);
        let mut site = Site {
            directory,
            authority,
            address: config.listen,
            tls: config.tls.is_some(),
            events: Arc::default(),
            stop: None,
            task: None,
        };
        site.run(config).await;
        site
    }

    /// Starts a server on these files, after an earlier one was stopped.
    pub(crate) async fn run(&mut self, config: Config) {
        let (told, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (told, events) = (Mutex::new(Some(told)), self.events.clone());
        let tell = move |event: Event| {
            if let (Event::Listening { address, .. }, Some(told)) = (&event, told.lock().unwrap().take()) {
                told.send(*address).unwrap();
            }
            events.lock().unwrap().push(format!("{event:?}"));
        };
        let stopped = async {
            let _ = stopped.await;
        };
        self.task = Some(tokio::spawn(serve(config, tell, stopped)));
        self.stop = Some(stop);
        self.address = address.await.expect("the server did not start");
    }

    /// Stops the server, and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        self.task.take().unwrap().await.unwrap().unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An auth file for this server.
    pub(crate) fn auth_file(&self, host: &str, password: &str) -> PathBuf {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}"));
        let path = self.path(&format!("auth-{host}.json"));
        let key = format!("{host}:{}", self.address.port());
        std::fs::write(&path, format!("{{\"auths\": {{\"{key}\": {{\"auth\": \"{auth}\"}}}}}}")).unwrap();
        path
    }

    pub(crate) async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let sender = if self.tls {
            open(secure(stream, &self.authority.certificate, "localhost").await.unwrap()).await
        } else {
            open(stream).await
        };
        Client { sender, authorization: Some(format!("Basic {basic}")) }
    }

    /// Names of all files below the store, sorted; directories are left out.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut left = vec![self.path("store")];
        while let Some(directory) = left.pop() {
            for entry in std::fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    left.push(path);
                } else {
                    files.push(path.strip_prefix(self.path("store")).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        files
    }
}

/// A TLS connection that trusts one authority and checks one name.
pub(crate) async fn secure(
    stream: TcpStream,
    trusted: &X509,
    name: &str,
) -> Result<SslStream<TcpStream>, String> {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    context.set_verify(SslVerifyMode::PEER);
    context.cert_store_mut().add_cert(trusted.clone()).unwrap();
    let mut ssl = Ssl::new(&context.build()).unwrap();
    ssl.param_mut().set_host(name).unwrap();
    ssl.set_hostname(name).unwrap();
    let mut stream = SslStream::new(ssl, stream).unwrap();
    Pin::new(&mut stream).connect().await.map_err(|error| error.to_string())?;
    Ok(stream)
}

async fn open<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    pub(crate) authorization: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status, and the code of the first error if there is one.
    pub(crate) fn verdict(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body["errors"][0]["code"].as_str().unwrap_or_default();
        format!("{} {code}", self.status.as_u16()).trim().to_owned()
    }
}

impl Client {
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        request = request.header("host", "localhost");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Pushes a blob at once, and tells its digest.
    pub(crate) async fn push_blob(&mut self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.send("POST", &path, &[], bytes.to_vec()).await;
        assert_eq!(answer.verdict(), "201", "{answer:?}");
        digest
    }

    /// Pushes a configuration, a layer and their manifest; tells the manifest's bytes and digest.
    pub(crate) async fn push_image(
        &mut self,
        repository: &str,
        tag: &str,
        layer: &[u8],
    ) -> (Vec<u8>, String) {
        let config = format!("{{\"tag\":\"{tag}\"}}");
        let config = (self.push_blob(repository, config.as_bytes()).await, config.len());
        let layer = (self.push_blob(repository, layer).await, layer.len());
        let manifest = manifest(&config, &layer);
        let path = format!("/v2/{repository}/manifests/{tag}");
        let headers = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let answer = self.send("PUT", &path, &headers, manifest.clone()).await;
        assert_eq!(answer.verdict(), "201", "{answer:?}");
        let digest = digest(&manifest);
        assert_eq!(answer.header("docker-content-digest"), digest);
        (manifest, digest)
    }
}

/// An OCI image manifest; blanks as nobody writes them, to see that its bytes are kept.
pub(crate) fn manifest(config: &(String, usize), layer: &(String, usize)) -> Vec<u8> {
    let blob = |kind: &str, (digest, size): &(String, usize)| {
        format!(
            "{{\"mediaType\": \"application/vnd.oci.image.{kind}\",  \"digest\": \"{digest}\", \"size\": {size}}}"
        )
    };
    let (config, layer) = (blob("config.v1+json", config), blob("layer.v1.tar", layer));
    let kind = "application/vnd.oci.image.manifest.v1+json";
    format!("{{ \"schemaVersion\": 2, \"mediaType\": \"{kind}\",\n \"config\": {config}, \"layers\": [{layer}] }}\n").into()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    provision_oci::Digest::of(bytes).to_string()
}

/// Bytes that do not repeat, the same each time.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
