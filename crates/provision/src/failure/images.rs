//! Failures to do with images: what to do next, for each kind.

use provision_converge::Error as ConvergeError;
use provision_mirror::Error as MirrorError;
use provision_oci::{ClientError, Error as OciError};

use super::Failure;
use crate::exit::Exit;

const AGAIN: &str = "run the same command again: what has arrived is not sent again";

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        Self::because(Exit::Failed, &error).hinted(mirror(&error))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::because(Exit::Failed, &error).hinted(client(&error))
    }
}

impl From<OciError> for Failure {
    fn from(error: OciError) -> Self {
        Self::because(Exit::Failed, &error).hinted(image(&error))
    }
}

/// A failure of the engine with the hint of the images' part in it, if there is one.
pub(super) fn hinted(failure: Failure, error: &ConvergeError) -> Failure {
    match error {
        ConvergeError::Mirror(error) => failure.hinted(mirror(error)),
        ConvergeError::Resource { source, .. } => hinted(failure, source),
        _ => failure,
    }
}

impl Failure {
    fn hinted(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

fn mirror(error: &MirrorError) -> Option<String> {
    match error {
        MirrorError::Registry(error) => client(error),
        MirrorError::Image(error) => image(error),
        MirrorError::Copy { source, .. } => mirror(source),
        MirrorError::NotARelease { .. } => {
            Some("an image that is no release is copied without --release".to_owned())
        }
        MirrorError::NotOnMedia { directory, .. } => Some(format!(
            "provision mirror list {directory} shows what it holds; where it comes from, save it there once more"
        )),
        MirrorError::MediaIndex { file, .. } => Some(format!(
            "where the images come from, remove {file} and save them once more: those that are there stay"
        )),
        MirrorError::File { source, .. } if is_full(source) => Some(full()),
        _ => None,
    }
}

fn client(error: &ClientError) -> Option<String> {
    Some(match error {
        ClientError::Unauthorized { registry, .. } => {
            format!("provision pull-secret check shows which credentials there are for {registry}")
        }
        ClientError::Untrusted { registry, .. } => format!(
            "give its authority with --certificate-authority, or among `anchors` of the profile, or install it on this host; \
             the certificate has to be for the name {registry} is called by"
        ),
        ClientError::Tls { .. } => {
            "if the registry speaks plain HTTP, and only on this machine, add --plain-http".to_owned()
        }
        ClientError::Connect { registry, .. } => {
            let host = registry.rsplit_once(':').map_or(registry.as_str(), |(host, _)| host);
            format!("is the registry running, and does its name resolve? getent hosts {host}")
        }
        ClientError::NotFound { .. } => "check repository, tag and digest for typing errors".to_owned(),
        ClientError::WrongBytes { .. } => format!(
            "none of it was taken; something on the way, or the registry's disk, changes bytes. {AGAIN}"
        ),
        ClientError::Broken { .. } | ClientError::Truncated { .. } | ClientError::Silent { .. } => {
            format!("the network or a proxy in between gives up; it was tried several times. {AGAIN}")
        }
        ClientError::Status { status, .. } if status.is_server_error() || status.as_u16() == 429 => {
            format!("the registry's own log says more. {AGAIN}")
        }
        ClientError::Nonsense { registry, .. } => format!(
            "expected a registry at {registry}: something else, such as a proxy or a login page, may answer there; \
             curl -i https://{registry}/v2/ shows what does"
        ),
        ClientError::Reading { what, .. } => format!(
            "the media are not whole: where they were written, remove {what} if it is there and save once more"
        ),
        ClientError::TooLarge { .. } => {
            "files of a profile are kept on the host whole: carry what is larger in another way".to_owned()
        }
        ClientError::Local(error) => return image(error),
        _ => return None,
    })
}

fn image(error: &OciError) -> Option<String> {
    Some(match error {
        error if error.is_disk_full() => full(),
        OciError::DigestMismatch { .. } | OciError::Size { .. } => {
            "where the media were written, remove the damaged file and save once more: only that comes again"
                .to_owned()
        }
        OciError::Manifest { .. } => {
            "expected an image there: is the name right, and is it a registry that answers (not a proxy or login page)?"
                .to_owned()
        }
        OciError::NotAStore { .. } => {
            "name the directory that `provision mirror save` wrote, or an empty one to save to".to_owned()
        }
        _ => return None,
    })
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::StorageFull
}

fn full() -> String {
    format!("make room there. {AGAIN}")
}
