//! What links a generation to the one before it: hashes, so that nothing on record can change or get lost unnoticed.
//!
//! Knows which files a generation has, not what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Records, Report, encode};
use crate::canonical;
use crate::desired::plain_fingerprint;
use crate::error::{Error, Result};
use crate::plan::Baseline;

/// The files of a generation, beside its report.
pub(crate) const FILES: [&str; 5] = ["asked.json", "desired.json", "lock.toml", "plan.json", "profile.toml"];

/// How a report is linked to its generation's files, and to the report before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `sha256:…` of the generation's other files, by name.
    pub files: BTreeMap<String, String>,
    /// `sha256:…` of `baseline.json` as the generation left it.
    pub baseline: String,
    /// The hash of the parent's report; none for a generation without a parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The report's own hash: `sha256:…` of its canonical JSON without this field.
    pub hash: String,
}

/// The hash of a report; one that an older version wrote, without a link, has one too.
pub(crate) fn hash(report: &Value) -> String {
    let mut report = report.clone();
    if let Some(link) = report.get_mut("link").and_then(Value::as_object_mut) {
        link.remove("hash");
    }
    plain_fingerprint(canonical::text(&report).as_bytes())
}

impl Records<'_> {
    /// Links a report to the files of its generation, to the baseline that it leaves, and to its parent's report.
    pub(crate) fn linked(&self, report: Report, baseline: &Baseline) -> Result<Report> {
        let place = self.place(report.generation);
        let mut files = BTreeMap::new();
        for name in FILES {
            if let Some(fingerprint) = self.fingerprint(&place.join(name))? {
                files.insert(name.to_owned(), fingerprint);
            }
        }
        let parent = match report.parent.map(|parent| self.read::<Value>(&self.report_path(parent))) {
            // Damage of the past is no reason to refuse a repair; that the link is missing tells of it.
            None | Some(Err(Error::Damaged { .. })) => None,
            Some(read) => read?.as_ref().map(hash),
        };
        let baseline = plain_fingerprint(&encode(&self.baseline_path(), baseline)?);
        let link = Link { files, baseline, parent, hash: String::new() };
        let path = self.report_path(report.generation);
        let mut report = Report { link: Some(Box::new(link)), ..report };
        let hash = hash(&serde_json::to_value(&report).map_err(|source| Error::Damaged { path, source })?);
        if let Some(link) = &mut report.link {
            link.hash = hash;
        }
        Ok(report)
    }

    /// The bytes of a file of ours.
    pub(crate) fn bytes(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(self.root.read(path)?)
    }

    /// The fingerprint of a file of ours.
    pub(crate) fn fingerprint(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.bytes(path)?.map(|bytes| plain_fingerprint(&bytes)))
    }

    /// Where the report of a generation is.
    pub(crate) fn report_path(&self, number: u64) -> PathBuf {
        self.place(number).join("report.json")
    }

    /// Where the baseline is.
    pub(crate) fn baseline_path(&self) -> PathBuf {
        self.directory.join("baseline.json")
    }
}
