//! Mirror sets: the cluster resources that redirect pulls to the mirror.
//!
//! Sources are sorted and nothing depends on time, so that the text changes only when the meaning does: each change
//! of such a resource restarts nodes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::expand::Work;

/// Which resource a cluster knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// ImageDigestMirrorSet, from OpenShift 4.13 on.
    #[default]
    Idms,
    /// ImageContentSourcePolicy, before.
    Icsp,
}

/// Where pulls of one repository are redirected to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Redirect {
    /// The repository that images name.
    pub source: String,
    /// The repository that has them.
    pub mirror: String,
}

/// All redirects of a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorSet {
    redirects: BTreeSet<Redirect>,
}

impl MirrorSet {
    /// The redirects that make a cluster find all images of this work in `mirror` (`host:port/repository`).
    pub fn of(work: &Work, mirror: &str) -> Self {
        let redirect =
            |image: &crate::expand::Image| Redirect { source: image.from.name(), mirror: mirror.to_owned() };
        Self { redirects: work.images.iter().map(redirect).collect() }
    }

    /// These redirects.
    pub fn new(redirects: impl IntoIterator<Item = Redirect>) -> Self {
        Self { redirects: redirects.into_iter().collect() }
    }

    /// The redirects, sorted.
    pub fn redirects(&self) -> impl Iterator<Item = Redirect> + '_ {
        self.redirects.iter().cloned()
    }

    /// Whether nothing is redirected.
    pub fn is_empty(&self) -> bool {
        self.redirects.is_empty()
    }

    fn list(&self, indent: &str) -> String {
        let mut text = String::new();
        for Redirect { source, mirror } in &self.redirects {
            let _ = write!(text, "{indent}- mirrors:\n{indent}  - {mirror}\n{indent}  source: {source}\n");
        }
        text
    }

    /// The cluster resource, as YAML.
    pub fn resource(&self, kind: Kind, name: &str) -> String {
        let (version, kind, key) = match kind {
            Kind::Idms => ("config.openshift.io/v1", "ImageDigestMirrorSet", "imageDigestMirrors"),
            Kind::Icsp => {
                ("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", "repositoryDigestMirrors")
            }
        };
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  {key}:\n{}",
            self.list("  ")
        )
    }
}

/// What an administrator does with the mirror: the words and the text of `oc adm release mirror`.
pub fn instructions(set: &MirrorSet, kind: Kind) -> String {
    let (section, resource) = match kind {
        Kind::Idms => ("imageDigestSources", "ImageDigestMirrorSet"),
        Kind::Icsp => ("imageContentSources", "ImageContentSourcePolicy"),
    };
    format!(
        "\nTo use the new mirrored repository to install, add the following section to the install-config.yaml:\n\n\
         {section}:\n{}\n\nTo use the new mirrored repository for upgrades, use the following to create an {resource}:\n\n{}",
        set.list(""),
        set.resource(kind, "example")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> MirrorSet {
        MirrorSet::new([Redirect {
            source: "quay/another/test".into(),
            mirror: "registry/another/test".into(),
        }])
    }

    #[test]
    fn the_words_are_those_of_oc() {
        let expected = "
To use the new mirrored repository to install, add the following section to the install-config.yaml:

imageDigestSources:
- mirrors:
  - registry/another/test
  source: quay/another/test


To use the new mirrored repository for upgrades, use the following to create an ImageDigestMirrorSet:

apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata:
  name: example
spec:
  imageDigestMirrors:
  - mirrors:
    - registry/another/test
    source: quay/another/test
";
        assert_eq!(instructions(&set(), Kind::Idms), expected);
        let older = expected
            .replace("imageDigestSources", "imageContentSources")
            .replace("ImageDigestMirrorSet", "ImageContentSourcePolicy")
            .replace("config.openshift.io/v1", "operator.openshift.io/v1alpha1")
            .replace("imageDigestMirrors", "repositoryDigestMirrors");
        assert_eq!(instructions(&set(), Kind::Icsp), older);
    }

    #[test]
    fn sources_are_sorted_and_named_once() {
        let redirect = |source: &str| Redirect { source: source.into(), mirror: "m/x".into() };
        let one = MirrorSet::new([redirect("b/b"), redirect("a/a"), redirect("b/b")]);
        assert_eq!(one, MirrorSet::new([redirect("a/a"), redirect("b/b")]));
        let text = one.resource(Kind::Idms, "x");
        assert!(text.find("a/a").unwrap() < text.find("b/b").unwrap());
        assert_eq!(text.matches("source: ").count(), 2);
    }
}
