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
        return format!(": {}", printable(&all.join("; "), 1000));
    }
    let text = printable(&String::from_utf8_lossy(body), 200);
    if text.is_empty() { text } else { format!(": {text}") }
}

/// One line of at most so many characters, without those that would command a terminal.
fn printable(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_registry_s_own_words_are_shown_in_short() {
        let spec = br#"{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}"#;
        assert_eq!(own_words(spec), ": DENIED no; X");
        assert_eq!(own_words(b"<html>\n  502 </html>"), ": <html> 502 </html>");
        assert_eq!(own_words(b""), "");
    }

    #[test]
    fn a_registry_s_own_words_command_no_terminal_and_fake_no_line() {
        let spec = br#"{"errors":[{"code":"X","message":"\u001b[2Jno\r\nhint: run this"}]}"#;
        assert_eq!(own_words(spec), ": X \u{fffd}[2Jno hint: run this");
        assert_eq!(own_words(b"\x1b[31mred"), ": \u{fffd}[31mred");
        let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "x".repeat(9000));
        assert!(own_words(long.as_bytes()).len() < 1100);
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
            prop_assert!(shown <= 1002);
            let _ = next_page(&link);
        }
    }
}
