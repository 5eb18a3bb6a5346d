//! Registries that mean no good, or are broken: what they say is bounded in size and in time.

#![expect(clippy::unwrap_used, reason = "a set-up that fails is a test that fails")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use provision_oci::client::{ClientError, Options, Registry, by_c_library};

/// A server that answers every request with this head, and then talks on until the client has had enough. Each
/// connection sends how many bytes were taken.
fn talker(head: &'static str, pieces: usize) -> (String, std::sync::mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let name = format!("localhost:{}", listener.local_addr().unwrap().port());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let _ = client.read(&mut [0; 4096]);
                let mut taken = 0;
                let piece = vec![b'x'; 64 * 1024];
                let talked = client.write_all(head.as_bytes()).is_ok();
                while talked && taken < pieces * piece.len() && client.write_all(&piece).is_ok() {
                    taken += piece.len();
                }
                let _ = sender.send(taken);
                // Silent from here on, but still there.
                let _ = client.read(&mut [0; 1]);
            });
        }
    });
    (name, receiver)
}

fn registry(name: &str, patience: Duration) -> Registry {
    let options = Options { plain_http: true, patience: Some(patience), ..Options::new(by_c_library) };
    Registry::new(name, &options).unwrap()
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    const ENDLESS: usize = 1 << 14;
    for head in [
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 500 Broken\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 307 There\r\nLocation: /v2/\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let (name, taken) = talker(head, ENDLESS);
        registry(&name, Duration::from_secs(30)).ping().await.unwrap_err();
        // What the sockets' buffers hold counts as taken.
        let taken = tokio::task::spawn_blocking(move || taken.recv().unwrap()).await.unwrap();
        assert!(taken < 32 << 20, "{head}: {taken} bytes");
    }
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_not_waited_for_for_ever() {
    for head in [
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 500 Broken\r\nContent-Length: 10\r\n\r\n",
    ] {
        let (name, _taken) = talker(head, 0);
        let registry = registry(&name, Duration::from_millis(200));
        let error =
            tokio::time::timeout(Duration::from_secs(10), registry.ping()).await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::Unauthorized { .. } | ClientError::Status { .. }), "{error}");
    }
}
