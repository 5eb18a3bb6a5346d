//! What a path asks for: the end points of the OCI distribution spec, v1.1.
//!
//! Knows paths and the grammar of what is in them: nothing that leaves here can climb out of a directory.
//! Must not know methods, headers or the store.

use std::fmt;

use provision_oci::{Digest, Repository, Tag};

use crate::refusal::{Code, Refusal};

/// An end point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/healthz`
    Health,
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags { name: Repository },
    /// `/v2/<name>/manifests/<reference>`
    Manifest { name: Repository, reference: Reference },
    /// `/v2/<name>/blobs/<digest>`
    Blob { name: Repository, digest: Digest },
    /// `/v2/<name>/blobs/uploads/`
    Uploads { name: Repository },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload { name: Repository, id: String },
    /// `/v2/<name>/referrers/<digest>`
    Referrers { name: Repository, digest: Digest },
}

/// How a manifest is named in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Tag(Tag),
    Digest(Digest),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Tag(tag) => tag.fmt(f),
            Reference::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Reads the path of a request.
pub(crate) fn route(path: &str) -> Result<Route, Refusal> {
    if path == "/healthz" {
        return Ok(Route::Health);
    }
    let unknown = || Refusal::missing(Code::Unsupported, "there is no such end point");
    let rest = path.strip_prefix("/v2").ok_or_else(unknown)?;
    let segments =
        rest.split('/').skip(1).map(decode).collect::<Option<Vec<String>>>().ok_or_else(unknown)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] | [""] if rest.is_empty() || rest == "/" => Ok(Route::Base),
        ["_catalog"] => Ok(Route::Catalog),
        [name @ .., "tags", "list"] => Ok(Route::Tags { name: repository(name)? }),
        [name @ .., "manifests", reference] => {
            Ok(Route::Manifest { name: repository(name)?, reference: self::reference(reference)? })
        }
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
            Ok(Route::Uploads { name: repository(name)? })
        }
        [name @ .., "blobs", "uploads", id] => Ok(Route::Upload { name: repository(name)?, id: upload(id)? }),
        [name @ .., "blobs", digest] => {
            Ok(Route::Blob { name: repository(name)?, digest: self::digest(digest)? })
        }
        [name @ .., "referrers", digest] => {
            Ok(Route::Referrers { name: repository(name)?, digest: self::digest(digest)? })
        }
        _ => Err(unknown()),
    }
}

/// The value of a parameter of a query, decoded.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)?;
    decode(value)
}

/// A repository's name.
fn repository(segments: &[&str]) -> Result<Repository, Refusal> {
    named(&segments.join("/"))
}

/// A repository's name in a parameter of a query.
pub(crate) fn named(text: &str) -> Result<Repository, Refusal> {
    text.parse().map_err(|error: provision_oci::Error| Refusal::bad(Code::NameInvalid, error.to_string()))
}

/// A digest of a kind that the store has.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: provision_oci::Error| Refusal::bad(Code::DigestInvalid, error.to_string()))
}

fn reference(text: &str) -> Result<Reference, Refusal> {
    if text.contains(':') {
        return Ok(Reference::Digest(digest(text)?));
    }
    let tag = text.parse().map_err(|error: provision_oci::Error| error.to_string());
    tag.map(Reference::Tag).map_err(|words| Refusal::bad(Code::ManifestInvalid, words))
}

fn upload(id: &str) -> Result<String, Refusal> {
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Ok(id.to_owned());
    }
    Err(Refusal::missing(Code::BlobUploadUnknown, "there is no such upload"))
}

/// Percent-decoding of one segment or value (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit =
                    |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next()?)? * 16 + digit(rest.next()?)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn describe(path: &str) -> String {
        match route(&path.replace("HEX", HEX)) {
            Ok(route) => format!("{route:?}").replace(HEX, "HEX"),
            Err(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.code.as_str()),
        }
    }

    #[test]
    fn end_points_are_told_from_each_other() {
        let check = |path: &str, expected: &str| {
            let found = describe(path);
            assert!(found.starts_with(expected), "{path}: {found}, expected {expected}");
        };
        check("/healthz", "Health");
        check("/v2", "Base");
        check("/v2/", "Base");
        check("/v2/_catalog", "Catalog");
        check("/v2/a/tags/list", "Tags { name: Repository(\"a\") }");
        check("/v2/a/b/tags/list", "Tags { name: Repository(\"a/b\") }");
        check("/v2/tags/list/tags/list", "Tags { name: Repository(\"tags/list\") }");
        check("/v2/a/manifests/v1", "Manifest { name: Repository(\"a\"), reference: Tag(Tag(\"v1\"))");
        check("/v2/a/manifests/sha256:HEX", "Manifest { name: Repository(\"a\"), reference: Digest(");
        check("/v2/a/manifests/sha256%3AHEX", "Manifest { name: Repository(\"a\"), reference: Digest(");
        check(
            "/v2/manifests/manifests/manifests",
            "Manifest { name: Repository(\"manifests\"), reference: Tag(Tag(\"manifests\"))",
        );
        check("/v2/a/blobs/sha256:HEX", "Blob { name: Repository(\"a\"");
        check("/v2/a/blobs/uploads", "Uploads { name: Repository(\"a\") }");
        check("/v2/a/blobs/uploads/", "Uploads { name: Repository(\"a\") }");
        check("/v2/blobs/uploads/blobs/uploads/", "Uploads { name: Repository(\"blobs/uploads\") }");
        check("/v2/a/blobs/uploads/0f-1", "Upload { name: Repository(\"a\"), id: \"0f-1\" }");
        check("/v2/a/referrers/sha256:HEX", "Referrers { name: Repository(\"a\"");
        check("/", "404 UNSUPPORTED");
        check("/v2x/", "404 UNSUPPORTED");
        check("/v2/a", "404 UNSUPPORTED");
        check("/v2//", "404 UNSUPPORTED");
        check("/v2/a/manifests/%zz", "404 UNSUPPORTED");
    }

    #[test]
    fn names_that_could_leave_the_store_are_refused() {
        let check = |path: &str, expected: &str| assert_eq!(describe(path), expected, "{path}");
        check("/v2/../etc/manifests/v1", "400 NAME_INVALID");
        check("/v2/%2e%2e/manifests/v1", "400 NAME_INVALID");
        check("/v2/a%2f..%2fb/manifests/v1", "400 NAME_INVALID");
        check("/v2/a//b/manifests/v1", "400 NAME_INVALID");
        check("/v2/manifests/v1", "400 NAME_INVALID");
        check("/v2/_tags/tags/list", "400 NAME_INVALID");
        check("/v2/A/tags/list", "400 NAME_INVALID");
        check("/v2/a..b/tags/list", "400 NAME_INVALID");
        check("/v2/a___b/tags/list", "400 NAME_INVALID");
        check("/v2/a./tags/list", "400 NAME_INVALID");
        check(&format!("/v2/{}/tags/list", "a".repeat(256)), "400 NAME_INVALID");
        check("/v2/a/manifests/..", "400 MANIFEST_INVALID");
        check("/v2/a/manifests/", "400 MANIFEST_INVALID");
        check("/v2/a/manifests/%2e%2e%2fx", "400 MANIFEST_INVALID");
        check(&format!("/v2/a/manifests/{}", "a".repeat(129)), "400 MANIFEST_INVALID");
        check("/v2/a/manifests/sha256:..%2f..%2fx", "400 DIGEST_INVALID");
        check("/v2/a/blobs/sha256:0", "400 DIGEST_INVALID");
        check("/v2/a/blobs/uploads/..", "404 BLOB_UPLOAD_UNKNOWN");
        check("/v2/a/blobs/uploads/%2e%2e%2f", "404 BLOB_UPLOAD_UNKNOWN");
    }

    #[test]
    fn names_of_the_grammar_are_taken() {
        for name in ["a", "a-b", "a--b", "a.b_c__d", "ocp4/openshift4", "0"] {
            assert!(describe(&format!("/v2/{name}/tags/list")).starts_with("Tags"), "{name}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(parameter(Some(query), "digest").as_deref(), expected, "{query}");
        };
        check("digest=sha256:0", Some("sha256:0"));
        check("x=1&digest=sha256%3A0", Some("sha256:0"));
        check("digests=1", None);
        check("digest=%f", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn whatever_is_routed_stays_inside(path in "(/v2)?(/(\\PC{0,6}|\\.\\.|a|%2e|manifests|blobs|uploads|tags|list)){0,6}") {
            if let Ok(Route::Tags { name } | Route::Uploads { name } | Route::Manifest { name, .. }) = route(&path) {
                prop_assert!(name.as_str().split('/').all(|c| !c.is_empty() && !c.starts_with(['.', '_'])), "{}", name);
            }
        }
    }
}
