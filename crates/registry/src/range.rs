//! The numbers in `Range` and `Content-Range`.
//!
//! Knows RFC 9110 (section 14) for downloads and the form of the OCI distribution spec for chunks.
//! Must not know what is cut.

/// What part of a blob is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, or one that a server may ignore (several, another unit, nonsense).
    Whole,
    /// `length` bytes from `start`; never empty.
    Part { start: u64, length: u64 },
    /// Nothing in the blob is in the range.
    Unsatisfiable,
}

/// Reads a `Range` header for something of `size` bytes.
pub(crate) fn asked(header: &str, size: u64) -> Asked {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|set| set.trim().split_once('-')) else {
        return Asked::Whole;
    };
    let part = |start: u64, end: u64| match size.checked_sub(1) {
        Some(last) if start <= last => Asked::Part { start, length: end.min(last) - start + 1 },
        _ => Asked::Unsatisfiable,
    };
    match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(start), Some(end), ..) if start <= end => part(start, end),
        (Some(start), None, _, true) => part(start, u64::MAX),
        (None, Some(0), true, _) => Asked::Unsatisfiable,
        (None, Some(suffix), true, _) => part(size.saturating_sub(suffix), u64::MAX),
        _ => Asked::Whole,
    }
}

/// Reads the `Content-Range` of a chunk: `<first>-<last>`, both counted from 0 and both included.
/// Clients also write `bytes <first>-<last>/<size>`.
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let range = header.trim();
    let range = range.strip_prefix("bytes").map_or(range, |rest| rest.trim_start_matches(['=', ' ']));
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last < u64::MAX).then_some((first, last))
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let check = |header, size, expected| assert_eq!(asked(header, size), expected, "{header} of {size}");
        let part = |start, length| Asked::Part { start, length };
        check("bytes=0-0", 10, part(0, 1));
        check("bytes=0-9", 10, part(0, 10));
        check("bytes=5-", 10, part(5, 5));
        check("bytes=5-100", 10, part(5, 5));
        check("bytes=-3", 10, part(7, 3));
        check("bytes=-30", 10, part(0, 10));
        check("bytes=10-", 10, Asked::Unsatisfiable);
        check("bytes=-0", 10, Asked::Unsatisfiable);
        check("bytes=0-", 0, Asked::Unsatisfiable);
        check("bytes=5-4", 10, Asked::Whole);
        check("bytes=0-1,3-4", 10, Asked::Whole);
        check("bytes=-", 10, Asked::Whole);
        check("bytes=+1-2", 10, Asked::Whole);
        check("lines=1-2", 10, Asked::Whole);
    }

    #[test]
    fn chunks_are_read_in_the_forms_that_clients_write() {
        let check = |header, expected| assert_eq!(chunk(header), expected, "{header}");
        check("0-9", Some((0, 9)));
        check("10-10", Some((10, 10)));
        check("bytes 0-9/100", Some((0, 9)));
        check("bytes=0-9", Some((0, 9)));
        check("9-0", None);
        check("0-18446744073709551615", None);
        check("-5", None);
        check("a-b", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn a_part_lies_inside(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in any::<u64>()) {
            if let Asked::Part { start, length } = asked(&header, size) {
                prop_assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= size));
            }
        }

        #[test]
        fn nothing_panics(header in "\\PC*", size in any::<u64>()) {
            asked(&header, size);
            chunk(&header);
        }
    }
}
