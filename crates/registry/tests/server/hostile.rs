//! Clients that are slow, gone, too large or early: none of them may hold the server or lose its answer.
//!
//! Speaks bytes over plain TCP, since no HTTP client would send what is sent here.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::site::{Site, bytes, digest};

/// No TLS, no users, and one second of patience.
async fn impatient() -> Site {
    Site::with(|config| {
        (config.tls, config.htpasswd) = (None, None);
        config.limits.idle = Duration::from_secs(1);
    })
    .await
}

/// All that comes until the server closes, and how long that took.
async fn answer(stream: &mut TcpStream) -> (String, Duration) {
    let began = Instant::now();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    read.expect("the server holds the connection").expect("the connection was reset");
    (String::from_utf8_lossy(&bytes).into_owned(), began.elapsed())
}

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(site.address).await.unwrap()
}

#[tokio::test]
async fn who_sends_no_request_in_time_is_let_go() {
    let site = impatient().await;
    let check = async |sent: &str, expected: &str| {
        let mut stream = connect(&site).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let (text, took) = answer(&mut stream).await;
        assert!(text.starts_with(expected) && took < Duration::from_secs(10), "{sent:?}: {text} {took:?}");
    };
    check("", "").await;
    check("GET /v2/ HTTP/1.1\r\nhost: h\r\nx", "").await;
    // Between two requests as well.
    check("GET /v2/ HTTP/1.1\r\nhost: h\r\n\r\n", "HTTP/1.1 200").await;
    let path = format!("/v2/a/blobs/uploads/?digest={}", digest(b"0123456789"));
    let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\n01234");
    check(&head, "HTTP/1.1 400").await;
    assert!(!site.files().iter().any(|file| file.starts_with("uploads/")), "{:?}", site.files());
}

#[tokio::test]
async fn who_begins_no_handshake_in_time_is_let_go() {
    let site = Site::with(|config| config.limits.idle = Duration::from_secs(1)).await;
    let (text, took) = answer(&mut connect(&site).await).await;
    assert!(text.is_empty() && took < Duration::from_secs(5), "{text} {took:?}");
}

#[tokio::test]
async fn who_reads_no_further_is_let_go() {
    let site = impatient().await;
    let path = format!("/v2/a/blobs/{}", site.client().await.push_blob("a", &bytes(30_000_000, 12)).await);
    let mut stream = connect(&site).await;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await.unwrap();
    for _ in 0..200 {
        if site.events.lock().unwrap().iter().any(|event| event.contains("Broken")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the connection is still open: {:?}", site.events.lock().unwrap());
}

#[tokio::test]
async fn heads_have_a_limit() {
    let site = impatient().await;
    let check = async |head: String, expected: &str| {
        let mut stream = connect(&site).await;
        // The server may have answered, and closed, before all is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&start), format!("HTTP/1.1 {expected}"));
    };
    let head = |more: String| format!("GET /v2/ HTTP/1.1\r\nhost: h\r\n{more}\r\n");
    check(head(format!("x: {}\r\n", "x".repeat(100_000))), "200").await;
    check(head(format!("x: {}\r\n", "x".repeat(1_000_000))), "431").await;
    check(head("x: x\r\n".repeat(1_000)), "431").await;
    check(format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "x".repeat(70_000)), "414").await;
    check("GET\r\n\r\n".to_owned(), "400").await;
    check(head("content-length: 1\r\ncontent-length: 2\r\n".to_owned()), "400").await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_everything_first() {
    let site = Site::with(|config| config.tls = None).await;
    let mut stream = connect(&site).await;
    // More than the buffers between two sockets hold.
    let body = vec![b'x'; 30_000_000];
    let head = format!("POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nhost: h\r\n", digest(&body));
    let head = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.expect("the body is taken off the connection");
    // And the connection serves on.
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let (text, _) = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 401") && text.contains("HTTP/1.1 200"), "{text}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let site = Site::with(|config| config.tls = None).await;
    let mut stream = connect(&site).await;
    let head = format!("POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nhost: h\r\n", digest(b""));
    let head = format!("{head}expect: 100-continue\r\ncontent-length: 30000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (text, took) = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 401") && took < Duration::from_secs(2), "{text} {took:?}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    for tls in [true, false] {
        let mut site = Site::with(|config| {
            if !tls {
                config.tls = None;
            }
        })
        .await;
        let _silent = connect(&site).await;
        let mut client = site.client().await;
        assert_eq!(client.get("/v2/").await.verdict(), "200");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        site.stop().await;
        assert!(began.elapsed() < Duration::from_secs(2), "tls {tls}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_chunk_does_not_touch_what_is_stored() {
    let site = Site::with(|config| (config.tls, config.htpasswd) = (None, None)).await;
    let mut client = site.client().await;
    for round in 0..20 {
        let blob = bytes(300_000, 100 + round);
        let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
        assert_eq!(client.send("PATCH", &place, &[], blob.clone()).await.verdict(), "202");
        let late = async |wait: u64| {
            let mut client = site.client().await;
            tokio::time::sleep(Duration::from_micros(wait)).await;
            client.send("PATCH", &place, &[], "late").await
        };
        let finish = async {
            let last = format!("{place}?digest={}", digest(&blob));
            site.client().await.send("PUT", &last, &[], "").await.verdict()
        };
        let (verdict, ..) = tokio::join!(finish, late(200), late(500), late(1_000), late(2_000), late(4_000));
        let stored = client.get(&format!("/v2/a/blobs/{}", digest(&blob))).await;
        // A chunk that came before the end changed the digest; one that came after it found nothing.
        match verdict.as_str() {
            "201" => assert!(stored.body == blob, "round {round}: the blob has {} bytes", stored.body.len()),
            other => {
                assert_eq!((other, stored.status.as_u16()), ("400 DIGEST_INVALID", 404), "round {round}")
            }
        }
    }
}
