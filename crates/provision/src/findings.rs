//! Findings of preflight in words: what passed in a line each, what did not with its reason and its remedy, the worst
//! last, where the eye is when the command has ended.

use provision_preflight::{Finding, Report, Status};

use crate::out::{BAD, CAREFUL, FAINT, GOOD, HEADING, paint};

/// The order of the groups.
const GROUPS: [Status; 4] = [Status::Pass, Status::Warn, Status::Unknown, Status::Fail];

/// The findings with these statuses, grouped.
pub fn table(report: &Report, all: bool) -> String {
    let shown = |finding: &&Finding| all || finding.status != Status::Pass;
    let width = report.findings.iter().filter(shown).map(|one| one.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for status in GROUPS {
        for finding in report.findings.iter().filter(shown).filter(|one| one.status == status) {
            text.push_str(&row(finding, width));
        }
    }
    text.trim_start_matches('\n').to_owned()
}

/// How many of which status, and what that means.
pub fn summary(report: &Report) -> String {
    let count = |status| report.findings.iter().filter(|finding| finding.status == status).count();
    let part = |status, words: &str| match count(status) {
        0 => None,
        number => Some(format!("{number} {words}")),
    };
    let warned = if count(Status::Warn) == 1 { "warning" } else { "warnings" };
    let parts: Vec<String> = [
        part(Status::Fail, "failed"),
        part(Status::Unknown, "could not be checked"),
        part(Status::Warn, warned),
        part(Status::Pass, "passed"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let counts = parts.join(", ");
    match report.refuses() {
        true => format!("{} {counts}", paint(BAD, "Preflight refuses this host:")),
        false if counts.is_empty() => paint(GOOD, "The profile requires nothing of this host."),
        false => format!("{} {counts}", paint(GOOD, "Preflight passed:")),
    }
}

fn row(finding: &Finding, width: usize) -> String {
    let (word, style) = match finding.status {
        Status::Pass => ("pass", GOOD),
        Status::Warn => ("warn", CAREFUL),
        Status::Unknown => ("unknown", CAREFUL),
        Status::Fail => ("FAIL", BAD),
    };
    let (word, id) = (paint(style, format!("{word:<7}")), paint(HEADING, format!("{:<width$}", finding.id)));
    let mut text = format!("{word}  {id}  {}\n", finding.found);
    if finding.status != Status::Pass {
        text.insert(0, '\n');
        let indent = " ".repeat(9);
        let mut line = |label: &str, words: &str| {
            text.push_str(&format!("{indent}{} {words}\n", paint(FAINT, format!("{label:<9}"))));
        };
        line("expected", &finding.expected);
        line("because", &finding.why);
        // On a line of its own, so that it is copied as it is.
        for command in finding.remedy.iter().flat_map(|remedy| remedy.lines()) {
            text.push_str(&format!("{indent}{}\n{indent}    {command}\n", paint(FAINT, "remedy")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use provision_preflight::Severity;

    use super::*;

    #[test]
    fn the_summary_says_what_follows() {
        let check = |statuses: &[(Severity, Status)], expected: &str| {
            let finding = |(severity, status): &(Severity, Status)| Finding {
                id: "x".into(),
                severity: *severity,
                status: *status,
                found: String::new(),
                expected: String::new(),
                why: String::new(),
                remedy: None,
            };
            let report = Report { schema: 1, findings: statuses.iter().map(finding).collect() };
            assert_eq!(anstream::adapter::strip_str(&summary(&report)).to_string(), expected);
        };
        use Severity::{Error, Warning};
        check(&[], "The profile requires nothing of this host.");
        check(&[(Error, Status::Pass), (Error, Status::Warn)], "Preflight passed: 1 warning, 1 passed");
        check(&[(Warning, Status::Fail)], "Preflight passed: 1 failed");
        check(&[(Error, Status::Unknown)], "Preflight refuses this host: 1 could not be checked");
        check(
            &[(Error, Status::Fail), (Error, Status::Pass)],
            "Preflight refuses this host: 1 failed, 1 passed",
        );
    }
}
