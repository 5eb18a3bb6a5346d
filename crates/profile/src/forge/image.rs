//! Archives of images: assembled from our own binary, or read from the file that carried them here; and which image
//! each comes to, which has to be known beforehand.
//!
//! Must not know how podman loads them.

use std::path::Path;

use provision_converge::Bytes;
use provision_host::facts::Facts;
use provision_oci::Digest;
use provision_oci::archive::{self, ArchivedImage};
use provision_oci::assemble::{Assembled, ImageSpec, scratch_image, scratch_image_id};

use super::Forge;
use crate::error::{Error, FileError};
use crate::lock::{Exact, Lock};
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::resolve::LockedImage;
use crate::section::registry::image::ROLE;
use crate::section::registry::{Backend, ServerImage};

/// The program in the image.
const PROGRAM: &str = "provision";

impl Forge<'_> {
    /// Everything exact that the profile means on this host: what the lock has, and the images that come from files of
    /// this machine. `lock` none: there is no file, and then only what can change by itself is missing.
    pub fn exact(&self, profile: &Profile, facts: &Facts, lock: Option<&Lock>) -> Result<Exact, Error> {
        let mut exact = Exact::of(profile, facts, lock)?;
        let Some(registry) = &profile.registry else { return Ok(exact) };
        let image = match &registry.backend {
            Backend::Embedded => {
                let (program, spec) = self.own_image("localhost/provision-registry:lock", &facts.arch)?;
                let id = scratch_image_id(&program, &spec).map_err(|source| self.unpacked(source))?;
                // The name follows the content: another image has another name, so that the unit's text changes
                // with it, and a rollback finds the image that it ran before.
                let short = id.get(..12).unwrap_or(&id);
                LockedImage { name: format!("localhost/provision-registry:{short}"), id }
            }
            Backend::Distribution(ServerImage::Archive { written, path, digest }) => {
                let (bytes, archived) = self.carried(path, digest.as_deref())?;
                same_archive(path, &bytes, exact.archives.get(&written.value))?;
                // An archive without a name loads as an image without a name, which podman knows by its id.
                let name = archived.names.into_iter().next().unwrap_or_else(|| archived.image_id.clone());
                LockedImage { name, id: archived.image_id }
            }
            // Only its registry can say which image id a digest stands for, and the lock knows.
            Backend::Distribution(ServerImage::Pull(_)) => return Ok(exact),
            Backend::NotBuilt(word, origin) => return Err(word.not_built(origin)),
        };
        exact.images.insert(ROLE.to_owned(), image);
        Ok(exact)
    }

    /// The bytes of an image's archive, once they are known to be those that were locked.
    pub(super) fn image(&self, recipe: &Recipe) -> Result<Bytes, Error> {
        let (bytes, found, expected) = match recipe {
            Recipe::OwnImage { reference, machine, id, .. } => {
                let Assembled { archive, image_id } = self.assemble(reference, machine)?;
                (archive, image_id, id)
            }
            Recipe::CarriedImage { file, digest, id, .. } => {
                let (bytes, archived) = self.carried(file, digest.as_deref())?;
                (bytes, archived.image_id, id)
            }
            other => return Err(Error::NotMade { name: other.what() }),
        };
        if found != *expected {
            return Err(Error::WrongImage { what: recipe.what(), expected: expected.clone(), found });
        }
        Ok(Bytes::new(bytes))
    }

    fn assemble(&self, name: &str, machine: &str) -> Result<Assembled, Error> {
        let (program, spec) = self.own_image(name, machine)?;
        scratch_image(&program, &spec).map_err(|source| self.unpacked(source))
    }

    /// What our own image is made of.
    fn own_image(&self, name: &str, machine: &str) -> Result<(Vec<u8>, ImageSpec), Error> {
        let program = self.file(&self.binary)?;
        if let Some(loader) = loader(&program) {
            return Err(Error::NotStatic { binary: self.binary.clone(), loader });
        }
        let spec = ImageSpec {
            name: name.to_owned(),
            program: PROGRAM.to_owned(),
            entrypoint: vec![format!("/{PROGRAM}")],
            directories: ["data", "tls", "auth"].map(str::to_owned).to_vec(),
            labels: [("org.opencontainers.image.title".to_owned(), "provision-registry".to_owned())].into(),
            architecture: go_architecture(machine).to_owned(),
        };
        Ok((program, spec))
    }

    fn unpacked(&self, source: provision_oci::Error) -> Error {
        Error::Image { what: self.binary.display().to_string(), source }
    }

    fn carried(&self, path: &Path, digest: Option<&str>) -> Result<(Vec<u8>, ArchivedImage), Error> {
        let bytes = self.file(path)?;
        let archived = archive::read(&bytes)
            .map_err(|source| Error::Image { what: path.display().to_string(), source })?;
        let found = archived.manifest.as_ref().map(ToString::to_string);
        match (digest, found) {
            (Some(expected), found) if found.as_deref() != Some(expected) => Err(Error::WrongImage {
                what: path.display().to_string(),
                expected: expected.to_owned(),
                found: found.unwrap_or_else(|| "a docker archive, which has no manifest digest".to_owned()),
            }),
            _ => Ok((bytes, archived)),
        }
    }

    fn file(&self, path: &Path) -> Result<Vec<u8>, Error> {
        (self.read)(path).map_err(|error| Error::File(FileError::from_io(path, error)))
    }
}

fn same_archive(path: &Path, bytes: &[u8], locked: Option<&Digest>) -> Result<(), Error> {
    let found = Digest::of(bytes);
    match locked {
        Some(expected) if *expected != found => {
            Err(Error::OtherArchive { path: path.to_owned(), expected: *expected, found })
        }
        _ => Ok(()),
    }
}

/// uname(2)'s name of a machine in the words of the OCI image specification (Go's GOARCH).
pub(crate) fn go_architecture(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The dynamic loader that a 64-bit little-endian ELF program asks for (elf(5), `PT_INTERP`); an image that holds
/// nothing but the program has none.
pub fn loader(program: &[u8]) -> Option<String> {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, width: usize| -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(program.get(at..at.checked_add(width)?)?);
        Some(u64::from_le_bytes(bytes))
    };
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for index in 0..count {
        let header = usize::try_from(table.checked_add(size.checked_mul(index)?)?).ok()?;
        if number(header, 4)? == u64::from(INTERPRETER) {
            let start = usize::try_from(number(header.checked_add(8)?, 8)?).ok()?;
            let length = usize::try_from(number(header.checked_add(32)?, 8)?).ok()?;
            let text = program.get(start..start.checked_add(length)?)?;
            return Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of this very machine is a good example, whatever it was linked to.
    #[test]
    fn the_loader_of_a_dynamic_program_is_found() {
        let shell = std::fs::read("/bin/sh").unwrap();
        let found = loader(&shell).unwrap();
        assert!(found.starts_with("/lib") && found.contains("ld-"), "{found}");
        assert_eq!(loader(b"#!/bin/sh\n"), None);
        for length in 0..600.min(shell.len()) {
            let _ = loader(&shell[..length]);
        }
    }
}
