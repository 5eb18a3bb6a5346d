//! Whether `/etc/hosts` and DNS say the same about a name.

use std::net::IpAddr;

use provision_host::Error;
use provision_host::names::{self, HostsLine};

use super::name::{comment_out, has, shown};
use crate::scene::Scene;
use crate::verdict::Verdict;

pub(crate) fn probe(scene: &Scene<'_>, name: &str, declared: &[IpAddr]) -> Result<Verdict, Error> {
    let lines: Vec<HostsLine> =
        names::hosts_file(scene.host)?.into_iter().filter(|line| has(line, name)).collect();
    let dns = names::resolve_dns(scene.host, name)?;
    Ok(judge(name, declared, &lines, &dns))
}

fn judge(name: &str, declared: &[IpAddr], lines: &[HostsLine], dns: &[IpAddr]) -> Verdict {
    let expected = "the same address in both, or the name in one of them";
    let mut file = declared.to_vec();
    file.extend(lines.iter().map(|line| line.address));
    file.sort();
    file.dedup();
    match (file.is_empty(), dns.is_empty()) {
        (true, true) => Verdict::pass("neither gives an address", expected),
        (true, false) => Verdict::pass(format!("DNS alone has it: {}", shown(dns)), expected),
        (false, true) => Verdict::pass(
            format!(
                "DNS gives no address (none, or no server answers), /etc/hosts says {}: other hosts will not find it",
                shown(&file)
            ),
            expected,
        ),
        (false, false) if dns.iter().all(|one| file.contains(one)) => {
            Verdict::pass(format!("both say {}", shown(dns)), expected)
        }
        (false, false) => {
            let found = format!("/etc/hosts says {}, DNS says {}", shown(&file), shown(dns));
            let foreign = lines.iter().find(|line| !declared.contains(&line.address));
            Verdict::warn(found, expected).remedy(match foreign {
                Some(line) => comment_out(line),
                None => format!(
                    "addresses = {{ \"{name}\" = [{}] }}   # in the profile, under [host]: what DNS says",
                    dns.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ")
                ),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Status::{Pass, Warn};

    #[test]
    fn two_sources() {
        let addresses =
            |text: &str| text.split_whitespace().map(|one| one.parse().unwrap()).collect::<Vec<_>>();
        for (declared, hosts, dns, status, found) in [
            ("", "", "", Pass, "neither gives an address"),
            ("", "", "10.0.0.5", Pass, "DNS alone has it: 10.0.0.5"),
            (
                "127.0.0.1",
                "",
                "",
                Pass,
                "DNS gives no address (none, or no server answers), /etc/hosts says 127.0.0.1: other hosts will not find it",
            ),
            ("10.0.0.5", "10.0.0.5", "10.0.0.5", Pass, "both say 10.0.0.5"),
            ("127.0.0.1", "", "10.0.0.5", Warn, "/etc/hosts says 127.0.0.1, DNS says 10.0.0.5"),
            ("", "10.0.0.9", "10.0.0.5", Warn, "/etc/hosts says 10.0.0.9, DNS says 10.0.0.5"),
        ] {
            let line = |address| HostsLine { line: 3, address, names: vec!["r.test".into()] };
            let lines: Vec<_> = addresses(hosts).into_iter().map(line).collect();
            let verdict = judge("r.test", &addresses(declared), &lines, &addresses(dns));
            assert_eq!((verdict.status, verdict.found.as_str()), (status, found));
            assert_eq!(verdict.remedy.is_some(), status == Warn);
        }
    }
}
