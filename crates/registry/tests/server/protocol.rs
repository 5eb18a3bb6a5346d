//! The distribution protocol, request by request, over real TLS.

use crate::site::{Site, bytes, digest, manifest};

#[tokio::test]
async fn an_image_is_pushed_and_pulled_byte_for_byte() {
    let site = Site::start().await;
    let mut client = site.client().await;
    assert_eq!(client.get("/v2/").await.verdict(), "200");
    let layer = bytes(3_000_001, 1);
    let (manifest, id) = client.push_image("ocp4/openshift4", "4.10.0-x86_64", &layer).await;
    for reference in ["4.10.0-x86_64", id.as_str()] {
        let answer = client.get(&format!("/v2/ocp4/openshift4/manifests/{reference}")).await;
        assert_eq!(answer.body, manifest);
        assert_eq!(answer.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(answer.header("docker-content-digest"), id);
        let head = client.send("HEAD", &format!("/v2/ocp4/openshift4/manifests/{reference}"), &[], "").await;
        assert_eq!(
            (head.header("content-length"), head.body.len()),
            (manifest.len().to_string().as_str(), 0)
        );
    }
    let blob = format!("/v2/ocp4/openshift4/blobs/{}", digest(&layer));
    assert_eq!(client.get(&blob).await.body, layer);
    let head = client.send("HEAD", &blob, &[], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "3000001"));
    assert_eq!(head.header("docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn parts_of_a_blob_are_served() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let blob = bytes(1_000_000, 2);
    let path = format!("/v2/a/blobs/{}", client.push_blob("a", &blob).await);
    for (range, part) in
        [("bytes=0-0", 0..1), ("bytes=500000-", 500_000..1_000_000), ("bytes=-7", 999_993..1_000_000)]
    {
        let answer = client.send("GET", &path, &[("range", range)], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (206, &blob[part.clone()]), "{range}");
        let expected = format!("bytes {}-{}/1000000", part.start, part.end - 1);
        assert_eq!(answer.header("content-range"), expected);
    }
    let answer = client.send("GET", &path, &[("range", "bytes=1000000-")], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, "bytes */1000000"));
    // A HEAD has no parts.
    let answer = client.send("HEAD", &path, &[("range", "bytes=0-1")], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, "1000000"));
    let answer = client.send("GET", &path, &[("range", "bytes=0-1,4-5")], "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.len(), answer.header("content-range")),
        (200, 1_000_000, "")
    );
}

#[tokio::test]
async fn wrong_bytes_are_not_stored() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let before = site.files();
    let right = digest(b"right");
    let answer = client.send("POST", &format!("/v2/a/blobs/uploads/?digest={right}"), &[], "wrong").await;
    assert_eq!(answer.verdict(), "400 DIGEST_INVALID");
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    assert_eq!(client.send("PATCH", &place, &[], "wrong").await.verdict(), "202");
    assert_eq!(client.send("PUT", &place, &[], "").await.verdict(), "400 DIGEST_INVALID");
    assert_eq!(
        client.send("PUT", &format!("{place}?digest=sha256:0"), &[], "").await.verdict(),
        "400 DIGEST_INVALID"
    );
    let answer = client.send("PUT", &format!("{place}?digest={right}"), &[], "").await;
    assert_eq!(answer.verdict(), "400 DIGEST_INVALID");
    assert_eq!(client.get(&place).await.verdict(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(client.get(&format!("/v2/a/blobs/{right}")).await.verdict(), "404 BLOB_UNKNOWN");
    let path = format!("/v2/a/manifests/{right}");
    assert_eq!(client.send("PUT", &path, &[], r#"{"manifests": []}"#).await.verdict(), "400 DIGEST_INVALID");
    assert_eq!(site.files(), before);
}

#[tokio::test]
async fn chunks_go_in_order_and_an_upload_outlives_the_server() {
    let mut site = Site::start().await;
    let mut client = site.client().await;
    let blob = bytes(900_000, 3);
    let begun = client.send("POST", "/v2/a/b/blobs/uploads/", &[], "").await;
    assert_eq!((begun.verdict().as_str(), begun.header("range")), ("202", "0-0"));
    let place = begun.header("location").to_owned();
    let chunk = |first: usize, end: usize| (format!("{first}-{}", end - 1), blob[first..end].to_vec());
    let (range, part) = chunk(0, 300_000);
    let answer = client.send("PATCH", &place, &[("content-range", &range)], part.clone()).await;
    assert_eq!((answer.verdict().as_str(), answer.header("range")), ("202", "0-299999"));
    // The same again, a gap, and numbers that contradict each other: nothing is taken.
    let answer = client.send("PATCH", &place, &[("content-range", &range)], part).await;
    assert_eq!((answer.verdict().as_str(), answer.header("range")), ("416 BLOB_UPLOAD_INVALID", "0-299999"));
    let (range, part) = chunk(400_000, 500_000);
    let answer = client.send("PATCH", &place, &[("content-range", &range)], part.clone()).await;
    assert_eq!(answer.verdict(), "416 BLOB_UPLOAD_INVALID");
    let answer = client.send("PATCH", &place, &[("content-range", "300000-300001")], part.clone()).await;
    assert_eq!(answer.verdict(), "400 SIZE_INVALID");
    let answer = client.send("PATCH", &place, &[("content-range", "x")], part).await;
    assert_eq!(answer.verdict(), "400 BLOB_UPLOAD_INVALID");
    // Another repository has no such upload.
    let stranger = place.replace("/a/b/", "/c/");
    assert_eq!(client.get(&stranger).await.verdict(), "404 BLOB_UPLOAD_UNKNOWN");
    drop(client);
    site.stop().await;
    let mut config = provision_registry::Config::new(site.address, site.path("store"));
    config.tls = None;
    site.tls = false;
    site.run(config).await;
    let mut client = site.client().await;
    let status = client.get(&place).await;
    assert_eq!((status.verdict().as_str(), status.header("range")), ("204", "0-299999"));
    let (range, part) = chunk(300_000, 600_000);
    assert_eq!(client.send("PATCH", &place, &[("content-range", &range)], part).await.verdict(), "202");
    let (range, part) = chunk(600_000, 900_000);
    let last = format!("{place}?digest={}", digest(&blob));
    let answer = client.send("PUT", &last, &[("content-range", &range)], part).await;
    assert_eq!(answer.verdict(), "201");
    assert_eq!(client.get(answer.header("location")).await.body, blob);
    site.stop().await;
}

#[tokio::test]
async fn a_cut_off_upload_can_be_resumed_and_a_cut_off_blob_is_gone() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let site = Site::with(|config| (config.tls, config.htpasswd) = (None, None)).await;
    let mut client = site.client().await;
    let blob = bytes(2_000_000, 4);
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    let cut = async |head: String, sent: &[u8]| {
        let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
        stream
            .write_all(format!("{head} HTTP/1.1\r\nhost: h\r\ncontent-length: 2000000\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream.write_all(sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
    };
    cut(format!("PATCH {place}"), &blob[..1_234_567]).await;
    cut(format!("POST /v2/a/blobs/uploads/?digest={}", digest(&blob)), &blob[..1_000_000]).await;
    let status = client.get(&place).await;
    assert_eq!(status.header("range"), "0-1234566");
    let path = format!("/v2/a/blobs/{}", digest(&blob));
    assert_eq!(client.get(&path).await.verdict(), "404 BLOB_UNKNOWN");
    let answer = client.send("PATCH", &place, &[], blob[1_234_567..].to_vec()).await;
    assert_eq!(answer.verdict(), "202");
    let answer = client.send("PUT", &format!("{place}?digest={}", digest(&blob)), &[], "").await;
    assert_eq!(answer.verdict(), "201");
    assert_eq!(client.get(&path).await.body, blob);
    assert!(!site.files().iter().any(|file| file.starts_with("uploads/")), "{:?}", site.files());
}

#[tokio::test]
async fn two_pushes_of_one_blob_both_succeed() {
    let site = Site::start().await;
    let blob = bytes(2_000_000, 5);
    let push = async |repository: &str| {
        let mut client = site.client().await;
        let place = client.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], "").await;
        let place = place.header("location").to_owned();
        for part in blob.chunks(250_000) {
            assert_eq!(client.send("PATCH", &place, &[], part.to_vec()).await.verdict(), "202");
        }
        client.send("PUT", &format!("{place}?digest={}", digest(&blob)), &[], "").await.verdict()
    };
    let all = futures_util::future::join_all(["a", "a", "b", "b"].map(push)).await;
    assert_eq!(all, ["201", "201", "201", "201"]);
    let mut client = site.client().await;
    assert_eq!(client.get(&format!("/v2/a/blobs/{}", digest(&blob))).await.body, blob);
    let blobs = site.files().iter().filter(|file| file.starts_with("blobs/")).count();
    assert_eq!(blobs, 1);
}

#[tokio::test]
async fn one_upload_has_one_writer_at_a_time() {
    let site = Site::start().await;
    let blob = bytes(4_000_000, 6);
    let mut client = site.client().await;
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    let write = async || {
        let mut client = site.client().await;
        client.send("PATCH", &place, &[("content-range", "0-3999999")], blob.clone()).await.verdict()
    };
    let (mut first, mut second) = tokio::join!(write(), write());
    if first > second {
        (first, second) = (second, first);
    }
    assert_eq!((first.as_str(), second.as_str()), ("202", "416 BLOB_UPLOAD_INVALID"));
    let answer = client.send("PUT", &format!("{place}?digest={}", digest(&blob)), &[], "").await;
    assert_eq!(answer.verdict(), "201");
}

#[tokio::test]
async fn blobs_are_mounted_where_they_are() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let blob = client.push_blob("from", b"mounted").await;
    let mount = |from: &str| format!("/v2/to/blobs/uploads/?mount={blob}{from}");
    assert_eq!(client.get(&format!("/v2/to/blobs/{blob}")).await.verdict(), "404 BLOB_UNKNOWN");
    assert_eq!(client.send("POST", &mount("&from=other"), &[], "").await.verdict(), "202");
    assert_eq!(client.send("POST", &mount("&from=../x"), &[], "").await.verdict(), "400 NAME_INVALID");
    assert_eq!(client.send("POST", &mount("&from=from"), &[], "").await.verdict(), "201");
    assert_eq!(client.get(&format!("/v2/to/blobs/{blob}")).await.body, "mounted");
    let unknown = digest(b"unknown");
    let path = format!("/v2/to/blobs/uploads/?mount={unknown}&from=from");
    assert_eq!(client.send("POST", &path, &[], "").await.verdict(), "202");
    // Forgotten by one repository, it stays in the other.
    assert_eq!(client.send("DELETE", &format!("/v2/from/blobs/{blob}"), &[], "").await.verdict(), "202");
    assert_eq!(
        client.send("DELETE", &format!("/v2/from/blobs/{blob}"), &[], "").await.verdict(),
        "404 BLOB_UNKNOWN"
    );
    assert_eq!(client.get(&format!("/v2/to/blobs/{blob}")).await.body, "mounted");
}

#[tokio::test]
async fn manifests_come_after_what_they_refer_to() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let missing = (digest(b"missing"), 7);
    let path = "/v2/a/manifests/v1";
    let answer = client.send("PUT", path, &[], manifest(&missing, &missing)).await;
    assert_eq!(answer.verdict(), "400 MANIFEST_BLOB_UNKNOWN");
    assert!(String::from_utf8_lossy(&answer.body).contains(&missing.0));
    // A blob that only another repository has is not enough.
    let other = (client.push_blob("b", b"config").await, 6);
    assert_eq!(
        client.send("PUT", path, &[], manifest(&other, &other)).await.verdict(),
        "400 MANIFEST_BLOB_UNKNOWN"
    );
    let (_, child) = client.push_image("a", "child", b"layer").await;
    let list = |child: &str| {
        let kind = "application/vnd.docker.distribution.manifest.v2+json";
        format!(
            r#"{{"schemaVersion": 2, "manifests": [{{"mediaType": "{kind}", "digest": "{child}", "size": 1}}]}}"#
        )
    };
    let docker = [("content-type", "application/vnd.docker.distribution.manifest.list.v2+json")];
    assert_eq!(
        client.send("PUT", path, &docker, list(&missing.0)).await.verdict(),
        "400 MANIFEST_BLOB_UNKNOWN"
    );
    assert_eq!(client.send("PUT", path, &docker, list(&child)).await.verdict(), "201");
    assert_eq!(client.get(path).await.header("content-type"), docker[0].1);
    assert_eq!(client.send("PUT", path, &[], "no manifest").await.verdict(), "400 MANIFEST_INVALID");
    let oci = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
    assert_eq!(client.send("PUT", path, &oci, list(&child)).await.verdict(), "400 MANIFEST_INVALID");
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(site.client().await.send("PUT", path, &oci, large).await.verdict(), "413 MANIFEST_INVALID");
    // By tag only the tag goes, by digest the manifest and all its tags.
    let by = |reference: &str| format!("/v2/a/manifests/{reference}");
    assert_eq!(client.send("DELETE", path, &[], "").await.verdict(), "202");
    assert_eq!(client.get(path).await.verdict(), "404 MANIFEST_UNKNOWN");
    assert_eq!(client.get(&by(&digest(list(&child).as_bytes()))).await.verdict(), "200");
    assert_eq!(client.send("DELETE", &by(&child), &[], "").await.verdict(), "202");
    assert_eq!(client.get(&by("child")).await.verdict(), "404 MANIFEST_UNKNOWN");
    assert_eq!(client.send("DELETE", &by(&child), &[], "").await.verdict(), "404 MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn lists_are_paged() {
    let site = Site::start().await;
    let mut client = site.client().await;
    for (repository, tag) in [("z", "v1"), ("a/b", "v2"), ("a/b", "v1"), ("a/b", "latest"), ("a", "v1")] {
        client.push_image(repository, tag, tag.as_bytes()).await;
    }
    let mut path = "/v2/_catalog?n=2".to_owned();
    let mut seen = Vec::new();
    while !path.is_empty() {
        let answer = client.get(&path).await;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        seen.push(body["repositories"].to_string());
        let link = answer.header("link").to_owned();
        path = link.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        assert!(path.is_empty() || link.ends_with("; rel=\"next\""), "{link}");
    }
    assert_eq!(seen, [r#"["a","a/b"]"#, r#"["z"]"#]);
    let answer = client.get("/v2/a/b/tags/list").await;
    assert_eq!(answer.body, r#"{"name":"a/b","tags":["latest","v1","v2"]}"#);
    assert_eq!(client.get("/v2/a/b/tags/list?n=1&last=latest").await.body, r#"{"name":"a/b","tags":["v1"]}"#);
    assert_eq!(client.get("/v2/none/tags/list").await.verdict(), "404 NAME_UNKNOWN");
    assert_eq!(client.get("/v2/a/tags/list?n=x").await.verdict(), "400 UNSUPPORTED");
}

#[tokio::test]
async fn referrers_are_found_by_their_subject() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let (_, image) = client.push_image("a", "v1", b"layer").await;
    let config = client.push_blob("a", b"{}").await;
    let signature = format!(
        r#"{{"schemaVersion": 2, "artifactType": "text/signature", "annotations": {{"by": "test"}},
        "config": {{"mediaType": "application/vnd.oci.empty.v1+json", "digest": "{config}", "size": 2}}, "layers": [],
        "subject": {{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "{image}", "size": 1}}}}"#
    );
    let answer = client.send("PUT", "/v2/a/manifests/signature", &[], signature.clone()).await;
    assert_eq!((answer.verdict().as_str(), answer.header("oci-subject")), ("201", image.as_str()));
    let list = async |path: String| {
        let answer = site.client().await.get(&path).await;
        assert_eq!(answer.header("content-type"), "application/vnd.oci.image.index.v1+json");
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["manifests"].clone()
    };
    let found = list(format!("/v2/a/referrers/{image}")).await;
    assert_eq!(found[0]["digest"], digest(signature.as_bytes()));
    assert_eq!(
        (&found[0]["artifactType"], &found[0]["annotations"]["by"]),
        (&"text/signature".into(), &"test".into())
    );
    assert_eq!(
        list(format!("/v2/a/referrers/{image}?artifactType=text/signature")).await.as_array().unwrap().len(),
        1
    );
    assert_eq!(
        list(format!("/v2/a/referrers/{image}?artifactType=other")).await.as_array().unwrap().len(),
        0
    );
    assert_eq!(list(format!("/v2/none/referrers/{image}")).await.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn names_that_lead_out_of_the_store_are_refused() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let before = site.files();
    for path in ["/v2/../../x/blobs/uploads/", "/v2/%2e%2e%2fx/blobs/uploads/", "/v2/_tags/blobs/uploads/"] {
        let digest = digest(b"x");
        let answer = client.send("POST", &format!("{path}?digest={digest}"), &[], "x").await;
        assert_eq!(answer.verdict(), "400 NAME_INVALID", "{path}");
    }
    for path in ["/v2/a/manifests/..", "/v2/a/manifests/%2e%2e%2f..%2fstore.json"] {
        assert_eq!(
            client.send("PUT", path, &[], r#"{"manifests":[]}"#).await.verdict(),
            "400 MANIFEST_INVALID"
        );
    }
    assert_eq!(
        client.send("PATCH", "/v2/a/blobs/uploads/..%2fstore.json", &[], "x").await.verdict(),
        "404 BLOB_UPLOAD_UNKNOWN"
    );
    assert_eq!(client.send("POST", "/v2/_catalog", &[], "").await.verdict(), "405 UNSUPPORTED");
    assert_eq!(client.get("/etc/passwd").await.verdict(), "404 UNSUPPORTED");
    assert_eq!(site.files(), before);
}

#[tokio::test]
async fn a_read_only_registry_changes_nothing() {
    let mut site = Site::start().await;
    site.client().await.push_image("a", "v1", b"layer").await;
    site.stop().await;
    let before = site.files();
    let mut config = provision_registry::Config::new(site.address, site.path("store"));
    config.read_only = true;
    site.tls = false;
    site.run(config).await;
    let mut client = site.client().await;
    assert_eq!(client.get("/v2/a/manifests/v1").await.verdict(), "200");
    for (method, path) in
        [("POST", "/v2/a/blobs/uploads/"), ("PUT", "/v2/a/manifests/v2"), ("DELETE", "/v2/a/manifests/v1")]
    {
        assert_eq!(client.send(method, path, &[], "").await.verdict(), "405 UNSUPPORTED", "{method}");
    }
    assert_eq!(site.files(), before);
}

#[tokio::test]
async fn what_nobody_continues_expires() {
    let site = Site::with(|config| config.limits.upload = std::time::Duration::from_millis(200)).await;
    std::fs::create_dir_all(site.path("store/uploads")).unwrap();
    std::fs::write(site.path("store/uploads").join("0".repeat(32)), "of an earlier run").unwrap();
    let mut client = site.client().await;
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    assert_eq!(client.send("PATCH", &place, &[], "bytes").await.verdict(), "202");
    assert_eq!(site.files().iter().filter(|file| file.starts_with("uploads/")).count(), 2);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    assert_eq!(client.get(&place).await.verdict(), "404 BLOB_UPLOAD_UNKNOWN");
    assert_eq!(site.files().iter().filter(|file| file.starts_with("uploads/")).count(), 0);
    let events = site.events.lock().unwrap().join("\n");
    assert_eq!(events.matches("UploadExpired").count(), 2, "{events}");
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let site = Site::start().await;
    let mut client = site.client().await;
    let place = client.send("POST", "/v2/a/blobs/uploads/", &[], "").await.header("location").to_owned();
    assert_eq!(client.send("DELETE", &place, &[], "").await.verdict(), "204");
    assert_eq!(client.send("PATCH", &place, &[], "x").await.verdict(), "404 BLOB_UPLOAD_UNKNOWN");
    assert!(!site.files().iter().any(|file| file.starts_with("uploads/")));
}
