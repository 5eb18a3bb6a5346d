//! Lists, a page at a time: the tags of a repository, and all repositories.
//!
//! Knows the paging of the distribution spec (`n`, `last`, `Link`). Must not know what is listed.

use http::StatusCode;
use http::header::{HeaderValue, LINK};
use provision_oci::Repository;
use serde_json::json;

use crate::refusal::{Code, Refusal};
use crate::registry::{Asked, Registry, Reply, json};
use crate::route::parameter;

impl Registry {
    pub(crate) async fn tags(&self, name: &Repository, asked: &Asked) -> Result<Reply, Refusal> {
        let tags = self.store.tags(name).await.map_err(|e| Refusal::fault(&e))?;
        let unknown = || Refusal::missing(Code::NameUnknown, format!("there is no repository {name}"));
        let tags = tags.ok_or_else(unknown)?.iter().map(ToString::to_string).collect();
        let page = Page::of(tags, asked)?;
        page.reply(&format!("/v2/{name}/tags/list"), |tags| json!({ "name": name.as_str(), "tags": tags }))
    }

    pub(crate) async fn catalog(&self, asked: &Asked) -> Result<Reply, Refusal> {
        let repositories = self.store.repositories().await.map_err(|e| Refusal::fault(&e))?;
        let page = Page::of(repositories.iter().map(ToString::to_string).collect(), asked)?;
        page.reply("/v2/_catalog", |names| json!({ "repositories": names }))
    }
}

/// A part of a sorted list.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    names: Vec<String>,
    /// The `n` of the next page, if there is one.
    next: Option<usize>,
}

impl Page {
    fn of(names: Vec<String>, asked: &Asked) -> Result<Page, Refusal> {
        let query = asked.query.as_deref();
        let number = |text: String| text.parse::<usize>();
        let n = parameter(query, "n").map(number).transpose();
        let n = n.map_err(|_| Refusal::bad(Code::Unsupported, "n must be a number, from 0"))?;
        Ok(Page::cut(names, n, parameter(query, "last").as_deref()))
    }

    fn cut(mut names: Vec<String>, n: Option<usize>, last: Option<&str>) -> Page {
        names.sort();
        names.retain(|name| last.is_none_or(|last| name.as_str() > last));
        let next = n.filter(|n| *n > 0 && *n < names.len());
        names.truncate(n.unwrap_or(usize::MAX));
        Page { names, next }
    }

    fn reply(self, path: &str, body: impl FnOnce(&[String]) -> serde_json::Value) -> Result<Reply, Refusal> {
        let mut reply = json(StatusCode::OK, &body(&self.names));
        if let (Some(n), Some(last)) = (self.next, self.names.last()) {
            // A name has `/`, which may stand in a query as it is (RFC 3986, section 3.4).
            let link = format!("<{path}?n={n}&last={last}>; rel=\"next\"");
            let link = HeaderValue::from_str(&link).map_err(|e| Refusal::fault(&e))?;
            reply.headers_mut().insert(LINK, link);
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_are_cut_as_asked() {
        let check = |n, last, expected: &str, next| {
            let names = ["b", "a", "d", "c"].map(str::to_owned).to_vec();
            let page = Page::cut(names, n, last);
            assert_eq!((page.names.concat().as_str(), page.next), (expected, next), "n={n:?} last={last:?}");
        };
        check(None, None, "abcd", None);
        check(Some(2), None, "ab", Some(2));
        check(Some(2), Some("b"), "cd", None);
        check(Some(1), Some("bb"), "c", Some(1));
        check(Some(0), None, "", None);
        check(Some(9), Some("d"), "", None);
    }

    proptest! {
        #[test]
        fn pages_together_are_the_list(names in prop::collection::btree_set("[a-z]{1,3}", 0..20), n in 1..5_usize) {
            let all: Vec<String> = names.into_iter().collect();
            let mut seen: Vec<String> = Vec::new();
            loop {
                let page = Page::cut(all.clone(), Some(n), seen.last().map(String::as_str));
                seen.extend(page.names);
                if page.next.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, all);
        }
    }
}
