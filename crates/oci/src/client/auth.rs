//! Credentials for requests: Basic, or Bearer tokens per repository (distribution specification; docker's token
//! specification).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use provision_pull_secret::Credentials;
use serde::Deserialize;

/// A token is asked for anew this long before it expires.
const MARGIN: Duration = Duration::from_secs(10);
/// How long a token lives that does not say (docker's token specification).
const DEFAULT_LIFE: u64 = 60;

/// What a registry wants to see, from `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from this address.
    Bearer {
        /// Where to ask for it.
        realm: String,
        /// Which service it is for.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the header; none when there is no scheme that we know in it.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let parameters = parameters(rest);
                let find = |wanted: &str| {
                    let found = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.map(|(_, value)| value.clone())
                };
                Some(Self::Bearer { realm: find("realm")?, service: find("service") })
            }
            _ => None,
        }
    }
}

/// `name="value", name=value`, with backslashes in quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let name: String = std::iter::from_fn(|| chars.next_if(|c| *c != '=')).collect();
        if chars.next().is_none() {
            return found;
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(chars.next()),
                    c => value.push(c),
                }
            }
        }
        value.extend(std::iter::from_fn(|| chars.next_if(|c| *c != ',')));
        chars.next();
        found.push((name.trim_matches([' ', ',']).to_owned(), value));
    }
}

/// A token with its end.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: String,
    until: Instant,
}

/// What a token server answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Token {
    /// Reads the answer of a token server.
    pub(super) fn parse(body: &[u8], now: Instant) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(1, 86_400));
        Some(Self { value: answer.token.or(answer.access_token)?, until: now + life })
    }
}

/// What is known of a registry's wishes.
#[derive(Default)]
pub(super) struct Known {
    pub(super) challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
}

impl Known {
    /// A token for a scope that will live a while.
    pub(super) fn token(&self, scope: &str, now: Instant) -> Option<Token> {
        self.tokens.get(scope).filter(|token| token.until > now + MARGIN).cloned()
    }

    pub(super) fn keep(&mut self, scope: &str, token: Token) {
        self.tokens.insert(scope.to_owned(), token);
    }

    pub(super) fn forget(&mut self, scope: &str) {
        self.tokens.remove(scope);
    }
}

/// Where to ask for a token: `scope` is repeated, never joined (Quay refuses the latter).
pub(super) fn token_url(realm: &str, service: Option<&str>, scopes: &[String]) -> String {
    let mut url = realm.to_owned();
    let mut separator = if realm.contains('?') { '&' } else { '?' };
    let pairs = service.into_iter().map(|service| ("service", service));
    for (name, value) in pairs.chain(scopes.iter().map(|scope| ("scope", scope.as_str()))) {
        url.push(separator);
        url.push_str(&format!("{name}={}", percent(value)));
        separator = '&';
    }
    url
}

/// Percent-encoding of everything but what RFC 3986 calls unreserved.
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Who asks, for error messages.
pub(super) fn who(credentials: Option<&Credentials>) -> String {
    credentials.map_or_else(|| "a client without credentials".to_owned(), |one| one.username.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read() {
        let check =
            |header: &str, expected: Option<Challenge>| assert_eq!(Challenge::parse(header), expected);
        check("Basic realm=\"x\"", Some(Challenge::Basic));
        check(
            r#"Bearer realm="https://h/v2/auth",service="h:8443",scope="repository:a/b:pull,push""#,
            Some(Challenge::Bearer { realm: "https://h/v2/auth".into(), service: Some("h:8443".into()) }),
        );
        check("Bearer service=x", None);
        check("Negotiate", None);
        check("", None);
    }

    #[test]
    fn scopes_are_repeated() {
        let scopes = ["repository:a:pull".to_owned(), "repository:b:pull,push".to_owned()];
        assert_eq!(
            token_url("https://h/auth", Some("h:1"), &scopes),
            "https://h/auth?service=h%3A1&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull%2Cpush"
        );
    }

    #[test]
    fn parameters_of_every_form_are_read() {
        let service = |header: &str| match Challenge::parse(header) {
            Some(Challenge::Bearer { service, .. }) => service,
            other => panic!("{header}: {other:?}"),
        };
        let check = |header: &str, expected: &str| assert_eq!(service(header).as_deref(), Some(expected));
        check(r#"Bearer realm="https://h/a", service="a,b""#, "a,b");
        check(r#"Bearer service="a\"b",realm="https://h/a""#, "a\"b");
        check("bearer Realm=https://h/a,  SERVICE=h", "h");
    }

    #[test]
    fn where_tokens_come_from_may_have_a_query() {
        assert_eq!(token_url("https://h/auth?a=b", Some("s"), &[]), "https://h/auth?a=b&service=s");
    }

    proptest! {
        #[test]
        fn no_header_and_no_answer_makes_it_panic(
            header in "(Bearer |Basic |)[a-z=\",\\\\ é]{0,60}",
            answer in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = Challenge::parse(&header);
            let _ = Token::parse(&answer, Instant::now());
        }

        #[test]
        fn what_is_quoted_comes_out_as_it_was(value in "[ -~]{0,30}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"https://h/a\",service=\"{quoted}\"");
            let expected = Challenge::Bearer { realm: "https://h/a".into(), service: Some(value) };
            prop_assert_eq!(Challenge::parse(&header), Some(expected));
        }
    }

    #[test]
    fn a_token_that_ends_soon_is_not_used() {
        let now = Instant::now();
        let mut known = Known::default();
        known.keep("a", Token::parse(br#"{"token":"t","expires_in":60}"#, now).unwrap());
        known.keep("b", Token::parse(br#"{"access_token":"t","expires_in":5}"#, now).unwrap());
        assert!(known.token("a", now).is_some() && known.token("b", now).is_none());
        assert!(Token::parse(b"{}", now).is_none());
    }
}
