//! The kernel of a guest, its modules, and an initrd that does nothing but mount the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::checked;

/// What the disk needs; the network and the rest are loaded by the guest itself.
const MODULES: [&str; 2] = ["virtio_pci", "virtio_blk"];

const INIT: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc /sys /new
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in /modules/*; do /bin/busybox insmod $module; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /new
/bin/busybox umount /proc
exec /bin/busybox switch_root /new /sbin/init
";

/// Unpacks the kernel package of the guest's repository (without installing it, which would build an initrd of
/// forty megabytes), and puts kernel and initrd into `place`.
pub(super) fn kernel(rootfs: &Path, place: &Path) -> Result<()> {
    let package = package(&rootfs.join("srv/repo"))?;
    let unpacked = tempfile::tempdir_in(place)?;
    checked(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(unpacked.path()))?;
    // Older packages have /lib, newer ones /usr/lib; in the guest one is a link to the other.
    let below = ["lib/modules", "usr/lib/modules"].map(|path| unpacked.path().join(path));
    let modules = below.iter().find(|path| path.is_dir()).context("no modules in the kernel package")?;
    let version =
        fs::read_dir(modules)?.flatten().next().context("no modules in the kernel package")?.file_name();
    let version = version.to_string_lossy().into_owned();
    fs::create_dir_all(rootfs.join("lib/modules"))?;
    checked(Command::new("cp").arg("--archive").arg(modules.join(&version)).arg(rootfs.join("lib/modules")))?;
    checked(Command::new("depmod").arg("--basedir").arg(rootfs).arg(&version))?;
    fs::copy(unpacked.path().join(format!("boot/vmlinuz-{version}")), place.join("vmlinuz"))?;
    initrd(rootfs, &version, place)?;
    // The repository is for packages that tests install.
    for entry in fs::read_dir(rootfs.join("srv/repo"))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("linux-image") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn package(repository: &Path) -> Result<PathBuf> {
    let is_kernel = |name: &str| name.starts_with("linux-image-") && !name.starts_with("linux-image-cloud");
    let found =
        fs::read_dir(repository)?.flatten().find(|entry| is_kernel(&entry.file_name().to_string_lossy()));
    match found {
        Some(entry) => Ok(entry.path()),
        None => bail!("no kernel package in {}", repository.display()),
    }
}

fn initrd(rootfs: &Path, version: &str, place: &Path) -> Result<()> {
    let work = tempfile::tempdir_in(place)?;
    let (modules, bin) = (work.path().join("modules"), work.path().join("bin"));
    fs::create_dir_all(&modules)?;
    fs::create_dir_all(&bin)?;
    fs::copy("/bin/busybox", bin.join("busybox"))?;
    let init = work.path().join("init");
    fs::write(&init, INIT)?;
    checked(Command::new("chmod").arg("755").arg(&init))?;
    let mut number = 0;
    for module in MODULES {
        let shown = checked(Command::new("modprobe").arg("--dirname").arg(rootfs).args([
            "-S",
            version,
            "--show-depends",
            module,
        ]))?;
        for path in shown.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            number += 1;
            add(path.trim(), &modules.join(format!("{number:02}.ko")))?;
        }
    }
    let listing = "find . | cpio --quiet --create --format=newc --owner=0:0 | gzip -n";
    let packed = Command::new("sh").args(["-c", listing]).current_dir(work.path()).output()?;
    fs::write(place.join("initrd"), packed.stdout)?;
    Ok(())
}

fn add(module: &str, to: &Path) -> Result<()> {
    if module.ends_with(".xz") {
        let output = Command::new("xz").args(["--decompress", "--stdout", module]).output()?;
        fs::write(to, output.stdout)?;
    } else {
        fs::copy(module, to)?;
    }
    Ok(())
}
