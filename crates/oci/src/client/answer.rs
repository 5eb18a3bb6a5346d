//! What registries say in headers and in the bodies of errors.

use http::{HeaderMap, HeaderValue};

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A header's value; what no header can hold (it comes from checked names only) becomes empty.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The target of `Link: <…>; rel="next"`.
pub(super) fn next_page(link: &str) -> Option<String> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| target.to_owned())
}

/// What a registry said about an error, in the specification's form or its own.
pub(super) fn own_words(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        code: String,
        #[serde(default)]
        message: String,
    }
    if let Ok(Errors { errors }) = serde_json::from_slice(body) {
        let all: Vec<String> = errors.iter().map(|one| format!("{} {}", one.code, one.message)).collect();
        return format!(": {}", all.join("; "));
    }
    let text: String = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { text } else { format!(": {}", text.chars().take(200).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_registry_s_own_words_are_shown_in_short() {
        let spec = br#"{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}"#;
        assert_eq!(own_words(spec), ": DENIED no; X ");
        assert_eq!(own_words(b"<html>\n  502 </html>"), ": <html> 502 </html>");
        assert_eq!(own_words(b""), "");
    }

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(
            next_page("</v2/a/tags/list?n=1&last=x>; rel=\"next\"").as_deref(),
            Some("/v2/a/tags/list?n=1&last=x")
        );
        assert_eq!(next_page("</v2/x>; rel=\"prev\""), None);
        assert_eq!(next_page("nonsense"), None);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), link in ".{0,60}") {
            let shown = own_words(&bytes).chars().count();
            prop_assert!(shown <= 202 || bytes.starts_with(b"\x7b"));
            let _ = next_page(&link);
        }
    }
}
