//! The store on a temporary directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use provision_oci::{Digest, Manifest, OCI_MANIFEST, Repository, Store, Tag};
use tokio::io::AsyncReadExt as _;

async fn with_store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(directory.path().join("store")).await.unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_blob_comes_in_parts_and_goes_out_whole() {
    let (_directory, store) = with_store().await;
    let digest = Digest::of(b"hello world");
    let mut upload = store.begin().await.unwrap();
    upload.write(b"hello ").await.unwrap();
    let id = upload.id().to_owned();
    upload.pause().await.unwrap();
    let mut upload = store.resume(&id).await.unwrap().unwrap();
    assert_eq!(upload.offset(), 6);
    upload.write(b"world").await.unwrap();
    assert_eq!(upload.commit(&digest).await.unwrap(), 11);
    let (mut file, size) = store.open_blob(&digest).await.unwrap().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!((text.as_str(), size), ("hello world", 11));
    assert!(store.resume(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn wrong_bytes_are_never_stored_under_a_digest() {
    let (_directory, store) = with_store().await;
    let promised = Digest::of(b"promised");
    let mut upload = store.begin().await.unwrap();
    upload.write(b"other").await.unwrap();
    let error = upload.commit(&promised).await.unwrap_err().to_string();
    assert!(
        error.contains(&promised.to_string()) && error.contains(&Digest::of(b"other").to_string()),
        "{error}"
    );
    assert_eq!(store.blob_size(&promised).await.unwrap(), None);
    assert_eq!(std::fs::read_dir(store.directory().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn two_writers_of_one_blob_do_not_disturb_each_other() {
    let (_directory, store) = with_store().await;
    let digest = Digest::of(b"same");
    let (mut one, mut two) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    one.write(b"same").await.unwrap();
    two.write(b"sa").await.unwrap();
    one.commit(&digest).await.unwrap();
    two.write(b"me").await.unwrap();
    two.commit(&digest).await.unwrap();
    assert_eq!(store.read_blob(&digest).await.unwrap().unwrap(), b"same");
}

#[tokio::test]
async fn manifests_and_tags_are_found_again() {
    let (_directory, store) = with_store().await;
    let repository: Repository = "ocp4/openshift4".parse().unwrap();
    let (first, second): (Tag, Tag) = ("4.10.0-x86_64".parse().unwrap(), "latest".parse().unwrap());
    assert_eq!(store.tags(&repository).await.unwrap(), None);
    let config = store.put_blob(b"{}").await.unwrap();
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{config}","size":2}},"layers":[]}}"#
    );
    let manifest = Manifest::parse(text, Some(OCI_MANIFEST)).unwrap();
    let digest = store.put_manifest(&repository, Some(&first), &manifest).await.unwrap();
    store.put_manifest(&repository, Some(&second), &manifest).await.unwrap();
    assert_eq!(store.tag(&repository, &first).await.unwrap(), Some(digest));
    assert_eq!(store.manifest(&repository, &digest).await.unwrap().unwrap(), manifest);
    assert_eq!(store.tags(&repository).await.unwrap().unwrap(), [first.clone(), second]);
    assert_eq!(store.repositories().await.unwrap(), std::slice::from_ref(&repository));
    assert!(store.delete_manifest(&repository, &digest).await.unwrap());
    assert_eq!(store.tag(&repository, &first).await.unwrap(), None);
    assert_eq!(store.manifest(&repository, &digest).await.unwrap(), None);
}

#[tokio::test]
async fn a_flipped_bit_is_noticed() {
    let (_directory, store) = with_store().await;
    let digest = store.put_blob(b"bytes").await.unwrap();
    std::fs::write(store.blob_path(&digest), b"bytez").unwrap();
    let error = store.read_blob(&digest).await.unwrap_err().to_string();
    assert!(error.contains(&digest.hex()), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_something_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("holiday.jpg"), b"").unwrap();
    assert!(Store::create(directory.path()).await.unwrap_err().to_string().contains("not a store"));
    assert!(Store::open(directory.path()).await.unwrap_err().to_string().contains("store.json"));
}

#[tokio::test]
async fn an_upload_id_leads_nowhere_else() {
    let (_directory, store) = with_store().await;
    assert!(store.resume("../store.json").await.unwrap().is_none());
    assert!(store.resume("../../../../../../etc/passwd0").await.unwrap().is_none());
}

#[tokio::test]
async fn a_directory_may_be_named_from_where_one_stands() {
    let here = std::env::current_dir().unwrap();
    let directory = tempfile::tempdir_in(&here).unwrap();
    let relative = directory.path().strip_prefix(&here).unwrap().join("a/b");
    let digest = Store::create(&relative).await.unwrap().put_blob(b"x").await.unwrap();
    let found = Store::open(directory.path().join("a/b")).await.unwrap();
    assert_eq!(found.read_blob(&digest).await.unwrap().unwrap(), b"x");
}
