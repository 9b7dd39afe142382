//! The machine's power: two small file systems on loop devices, one for the product and one for the agent's state, that stop
//! at a moment and come back with what was made durable.
//!
//! Where there is no device mapper the file system itself is told to stop (the shutdown request that file system developers test
//! crash recovery with): from then on nothing reaches its device, neither its log nor data. Mounted again, it holds what was
//! synchronised and nothing more. Times of its own commits are put off, and ext4's habit of writing a renamed file's content by
//! itself is switched off, so that only the agent's own discipline counts. With two volumes no synchronisation of the journal makes
//! anything of the product durable by accident.

use crate::walk::Fault;
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// The file system that loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Disk {
    /// ext4, the ordinary one.
    Ext4,
    /// XFS, which writes later and in another order.
    Xfs,
}

/// The host's two volumes; plain folders where no power is cut.
pub(crate) struct Volumes {
    folder: PathBuf,
    disk: Option<Disk>,
}

const NAMES: [&str; 2] = ["product", "state"];

impl Volumes {
    /// Makes them below `folder`, which is made anew.
    pub(crate) fn make(folder: &Path, fault: Fault) -> Result<Self> {
        let disk = match fault {
            Fault::Power(disk) => Some(disk),
            Fault::Kill | Fault::KillTwice | Fault::Full => None,
        };
        let volumes = Self { folder: folder.to_owned(), disk };
        volumes.remove()?;
        for name in NAMES {
            fs::create_dir_all(folder.join(name))?;
        }
        if let Some(disk) = disk {
            for name in NAMES {
                let image = volumes.image(name);
                let (size, make) = match disk {
                    Disk::Ext4 => (128 << 20, vec!["mkfs.ext4", "-q", "-F"]),
                    Disk::Xfs => (320 << 20, vec!["mkfs.xfs", "-q", "-f"]),
                };
                fs::File::create(&image)?.set_len(size)?;
                run(Command::new(make[0]).args(&make[1..]).arg(&image))?;
            }
            volumes.mount()?;
        }
        Ok(volumes)
    }

    fn image(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.image"))
    }

    fn mount(&self) -> Result<()> {
        let Some(disk) = self.disk else { return Ok(()) };
        let options = match disk {
            Disk::Ext4 => "loop,commit=1000,noauto_da_alloc",
            Disk::Xfs => "loop",
        };
        for name in NAMES {
            run(Command::new("mount")
                .args(["-o", options])
                .arg(self.image(name))
                .arg(self.folder.join(name)))?;
        }
        Ok(())
    }

    /// What was laid before counts as durable.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.disk.is_some() {
            for name in NAMES {
                run(Command::new("sync").arg("-f").arg(self.folder.join(name)))?;
            }
        }
        Ok(())
    }

    /// From now on nothing reaches the devices.
    pub(crate) fn cut(&self) -> Result<()> {
        for name in NAMES {
            run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.folder.join(name)))?;
        }
        Ok(())
    }

    /// The power comes back. No process may use the volumes any more.
    pub(crate) fn back(&self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    fn unmount(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        for name in NAMES {
            let place = self.folder.join(name);
            while is_mounted(&place)? {
                // A process that was just killed holds its files for a moment.
                let done = run(Command::new("umount").arg(&place));
                ensure!(done.is_ok() || Instant::now() < deadline, "{done:?}");
            }
        }
        Ok(())
    }

    /// Everything of the host goes.
    pub(crate) fn remove(&self) -> Result<()> {
        self.unmount()?;
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn is_mounted(place: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let place = place.display().to_string();
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(place.as_str())))
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(())
}

/// Whether the power can be cut here; why not.
///
/// # Errors
/// What is missing.
pub fn possible(disk: Disk) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let volumes = Volumes::make(&folder.path().join("try"), Fault::Power(disk))?;
    let tried = volumes.cut().and_then(|()| volumes.back());
    volumes.remove()?;
    tried
}
