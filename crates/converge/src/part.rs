//! One part of a file that belongs to others: a marked block of lines, or one entry of an auth file.
//!
//! Pure functions over bytes. Whatever is not the part stays byte for byte, and to write a part and take
//! it out again gives back the bytes from before.

use provision_pull_secret::AuthFile;

/// Parts whose name starts with this are entries of an auth file (containers-auth.json(5)).
const AUTH_ENTRY: &str = "auths/";

/// A file in which a part can't be found or written.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The block's begin line has no end line behind it.
    #[error("the block {part:?} begins but does not end: expected a line {end:?}")]
    Unclosed {
        /// The part.
        part: String,
        /// The line that is missing.
        end: String,
    },
    /// The file is no auth file.
    #[error("it is not an auth file in which {part:?} can be kept")]
    AuthFile {
        /// The part.
        part: String,
        /// Why not.
        #[source]
        source: provision_pull_secret::Error,
    },
}

/// The part's bytes, if the file has it.
pub fn read(file: &[u8], part: &str) -> Result<Option<Vec<u8>>, PartError> {
    match part.strip_prefix(AUTH_ENTRY) {
        Some(key) => Ok(parse_auth(file, part)?.entry(key).map(|json| json.as_bytes().to_vec())),
        None => Ok(find_block(file, part)?.map(|block| file[block.inner].to_vec())),
    }
}

/// The file with the part in it (or, for none, without it).
pub fn write(file: &[u8], part: &str, content: Option<&[u8]>) -> Result<Vec<u8>, PartError> {
    match part.strip_prefix(AUTH_ENTRY) {
        Some(key) => write_auth(file, part, key, content),
        None => write_block(file, part, content),
    }
}

/// Whether nothing is left in a file once all its parts are gone.
pub fn is_empty(file: &[u8], part: &str) -> bool {
    if part.starts_with(AUTH_ENTRY) {
        let text: String = String::from_utf8_lossy(file).split_whitespace().collect();
        matches!(text.as_str(), "" | "{}" | r#"{"auths":{}}"#)
    } else {
        file.is_empty()
    }
}

fn parse_auth(file: &[u8], part: &str) -> Result<AuthFile, PartError> {
    let file = if file.trim_ascii().is_empty() { b"{}" } else { file };
    AuthFile::parse(file).map_err(|source| PartError::AuthFile { part: part.to_owned(), source })
}

fn write_auth(file: &[u8], part: &str, key: &str, content: Option<&[u8]>) -> Result<Vec<u8>, PartError> {
    let mut auths = parse_auth(file, part)?;
    let failed = |source| PartError::AuthFile { part: part.to_owned(), source };
    match content {
        Some(bytes) => auths.set_entry(key, &String::from_utf8_lossy(bytes)).map_err(failed)?,
        None if !auths.remove(key) => return Ok(file.to_vec()),
        None => {}
    }
    Ok(auths.to_bytes().to_vec())
}

struct Block {
    /// The whole block with its markers, and the line end that was put before it.
    outer: std::ops::Range<usize>,
    inner: std::ops::Range<usize>,
}

/// Ends the marker of a block that gave the line above it the end that it lacked.
///
/// Written down, because by the time the block goes somebody may have added lines below it, and those need that end.
const LENT: &str = " (the line above had no end)";

fn markers(part: &str) -> (String, String) {
    (format!("# BEGIN {part}"), format!("# END {part}"))
}

fn find_block(file: &[u8], part: &str) -> Result<Option<Block>, PartError> {
    let (begin, end) = markers(part);
    let lent = format!("{end}{LENT}");
    let mut start = None;
    for (line, text) in lines_of(file) {
        match &start {
            None if text == begin.as_bytes() => start = Some(line),
            // What is between may be anybody's: the end of the first block is lost.
            Some(_) if text == begin.as_bytes() => break,
            Some(first) if text == end.as_bytes() || text == lent.as_bytes() => {
                let last = line.end == file.len();
                // Lines that somebody added below would run into the one above.
                let takes_back = first.start > 0 && text == lent.as_bytes() && last;
                let outer = first.start - usize::from(takes_back)..line.end;
                return Ok(Some(Block { outer, inner: first.end..line.start }));
            }
            _ => {}
        }
    }
    match start {
        None => Ok(None),
        Some(_) => Err(PartError::Unclosed { part: part.to_owned(), end }),
    }
}

/// Where each line is, with its end, and its text without it; an editor may have put `\r` there.
fn lines_of(file: &[u8]) -> impl Iterator<Item = (std::ops::Range<usize>, &[u8])> {
    let mut at = 0;
    file.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let range = at..at + line.len();
        at = range.end;
        (range, line.trim_ascii_end())
    })
}

fn write_block(file: &[u8], part: &str, content: Option<&[u8]>) -> Result<Vec<u8>, PartError> {
    let found = find_block(file, part)?;
    let mut out = file.to_vec();
    match (found, content) {
        (Some(block), Some(content)) => drop(out.splice(block.inner, lines(content))),
        (Some(block), None) => drop(out.drain(block.outer)),
        (None, None) => {}
        (None, Some(content)) => {
            let (begin, end) = markers(part);
            let whole_lines = file.is_empty() || file.ends_with(b"\n");
            let (before, lent) = if whole_lines { ("", "") } else { ("\n", LENT) };
            out.extend_from_slice(format!("{before}{begin}\n").as_bytes());
            out.extend(lines(content));
            out.extend_from_slice(format!("{end}{lent}\n").as_bytes());
        }
    }
    Ok(out)
}

fn lines(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    if !content.is_empty() && !content.ends_with(b"\n") {
        content.push(b'\n');
    }
    content
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_is_appended_changed_and_removed() {
        let hosts = b"127.0.0.1 localhost\n";
        let with = write(hosts, "provision", Some(b"127.0.0.1 registry\n")).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&with),
            "127.0.0.1 localhost\n# BEGIN provision\n127.0.0.1 registry\n# END provision\n"
        );
        assert_eq!(read(&with, "provision").unwrap().unwrap(), b"127.0.0.1 registry\n");
        let mut edited = with.clone();
        edited.extend_from_slice(b"10.0.0.1 somebody\n");
        let changed = write(&edited, "provision", Some(b"::1 registry\n")).unwrap();
        assert_eq!(read(&changed, "provision").unwrap().unwrap(), b"::1 registry\n");
        let without = write(&changed, "provision", None).unwrap();
        assert_eq!(String::from_utf8_lossy(&without), "127.0.0.1 localhost\n10.0.0.1 somebody\n");
    }

    #[test]
    fn a_block_without_its_end_is_an_error_not_a_guess() {
        let error = read(b"# BEGIN provision\nx\n", "provision").unwrap_err();
        assert!(error.to_string().contains("# END provision"), "{error}");
    }

    #[test]
    fn lines_below_a_block_stay_lines_when_the_file_had_no_last_line_end() {
        let hosts = b"127.0.0.1 localhost";
        let mut with = write(hosts, "provision", Some(b"127.0.0.1 registry\n")).unwrap();
        assert_eq!(write(&with, "provision", None).unwrap(), hosts, "as it was, to the byte");
        // As `echo 10.0.0.1 somebody >> /etc/hosts` does.
        with.extend_from_slice(b"10.0.0.1 somebody\n");
        assert_eq!(read(&with, "provision").unwrap().unwrap(), b"127.0.0.1 registry\n");
        let without = write(&with, "provision", None).unwrap();
        assert_eq!(String::from_utf8_lossy(&without), "127.0.0.1 localhost\n10.0.0.1 somebody\n");
    }

    #[test]
    fn a_block_is_found_after_an_editor_changed_the_line_ends() {
        let with = write(b"a\n", "p", Some(b"x\n")).unwrap();
        let windows = String::from_utf8(with).unwrap().replace('\n', "\r\n");
        assert_eq!(read(windows.as_bytes(), "p").unwrap().unwrap(), b"x\r\n");
        assert_eq!(write(windows.as_bytes(), "p", None).unwrap(), b"a\r\n");
    }

    #[test]
    fn what_is_between_two_begins_is_not_ours() {
        let file = b"# BEGIN p\nx\nsomebody's\n# BEGIN p\ny\n# END p\n";
        assert!(read(file, "p").is_err());
        assert!(write(file, "p", None).is_err());
    }

    #[test]
    fn an_entry_of_an_auth_file_leaves_the_others() {
        let file = br#"{"auths":{"quay.io":{"auth":"YTpi","email":"x@y"}},"credHelpers":{"a":"b"}}"#;
        let part = "auths/registry.example.test:8443";
        let with = write(file, part, Some(br#"{"auth":"YTpi"}"#)).unwrap();
        assert_eq!(read(&with, part).unwrap().unwrap(), br#"{"auth":"YTpi"}"#);
        assert_eq!(read(&with, "auths/quay.io").unwrap().unwrap(), br#"{"auth":"YTpi","email":"x@y"}"#);
        assert_eq!(write(&with, part, None).unwrap(), file);
    }

    proptest! {
        #[test]
        fn to_write_and_take_out_is_identity(file in "[a-z# \n]{0,60}", content in "[a-z\n]{1,20}") {
            prop_assume!(!file.contains("# BEGIN p"));
            let with = write(file.as_bytes(), "p", Some(content.as_bytes())).unwrap();
            prop_assert_eq!(read(&with, "p").unwrap(), Some(lines(content.as_bytes())));
            prop_assert_eq!(write(&with, "p", None).unwrap(), file.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&file, "p");
            let _ = write(&file, "auths/x", Some(b"{}"));
        }
    }
}
