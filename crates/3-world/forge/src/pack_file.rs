//! The single file form of a pack, `NAME-BUILD.refit`.
//!
//! ```text
//! "REFIT-PACK/1\n"  length of record (u64, little endian)  record (JSON)  bundle
//! optional: "REFIT-SIGN/1\n"  public key (32 bytes)  signature (64 bytes) over "refit.record/1\n" and SHA-256 of the record
//! ```
//! The record names the bundle's digest and length, so a signature over the record covers all.

use crate::{
    BuiltPack, ForgeError,
    key::{PublicKey, SigningKey},
};
use refit_content::chunking;
use refit_names::{ByteSize, Digest};
use refit_packs::record::{self, Chunk, PackRecord, RECORD_FORMAT, TreeEntry, TreeNode};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const MAGIC: &[u8] = b"REFIT-PACK/1\n";
const MAGIC_SIGNATURE: &[u8] = b"REFIT-SIGN/1\n";
const SIGNATURE_BYTES: usize = 64;
const TRAILER_BYTES: usize = MAGIC_SIGNATURE.len() + 32 + SIGNATURE_BYTES;
/// A record of a tree with a million files has about 200 MB; nothing larger is read into memory.
const RECORD_BYTES_MAX: u64 = 256 << 20;
const COPY_BYTES: usize = 256 << 10;

/// An opened pack whose record is read and whose content is not yet believed: see [`PackFile::verify`].
#[derive(Debug)]
pub struct PackFile {
    path: PathBuf,
    file: File,
    record: PackRecord,
    record_json: Vec<u8>,
    bundle_start: u64,
    trailer: Option<Trailer>,
}

#[derive(Debug)]
struct Trailer {
    signer: PublicKey,
    signature: [u8; SIGNATURE_BYTES],
}

/// What was proven of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 of the whole file, as `sha256sum` prints it.
    pub file: Digest,
    /// SHA-256 of the record, as a plan pins it.
    pub record: Digest,
    /// Who signed it, if anybody did.
    pub signer: Option<PublicKey>,
}

/// Writes `pack` as one file, signed if there is a key, and returns the SHA-256 of the file.
///
/// Shape: the file appears whole or not at all; one that is there already is replaced.
///
/// # Errors
/// [`ForgeError::Io`] when the disk refuses.
pub fn write(
    pack: &BuiltPack,
    path: &Path,
    key: Option<&SigningKey>,
) -> Result<Digest, ForgeError> {
    let folder =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = ForgeError::write(path);
    let attempt = || -> io::Result<Digest> {
        let mut out = tempfile::NamedTempFile::new_in(folder)?;
        let mut hashed = HashingWriter { out: out.as_file_mut(), digest: Sha256::new() };
        hashed.write_all(MAGIC)?;
        hashed.write_all(&(pack.record_json().len() as u64).to_le_bytes())?;
        hashed.write_all(pack.record_json())?;
        io::copy(&mut File::open(pack.bundle())?, &mut hashed)?;
        if let Some(key) = key {
            hashed.write_all(MAGIC_SIGNATURE)?;
            hashed.write_all(key.public().as_bytes())?;
            hashed.write_all(&key.sign(&signed_message(pack.record_digest())))?;
        }
        let digest = Digest::from_bytes(hashed.digest.finalize().into());
        out.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        out.as_file().sync_all()?;
        out.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()?;
        Ok(digest)
    };
    attempt().map_err(failed)
}

fn signed_message(record: Digest) -> Vec<u8> {
    [RECORD_FORMAT.as_bytes(), b"\n", record.as_bytes()].concat()
}

impl PackFile {
    /// Reads the record and the signature, and checks that the lengths agree.
    ///
    /// # Errors
    /// [`ForgeError::NotAPack`], [`ForgeError::Damaged`] when it is cut or has something behind it, [`ForgeError::Record`].
    pub fn read(path: &Path) -> Result<Self, ForgeError> {
        let mut file = File::open(path).map_err(ForgeError::read(path))?;
        let length = file.metadata().map_err(ForgeError::read(path))?.len();
        let not = |why: &str| ForgeError::NotAPack { path: path.to_owned(), why: why.to_owned() };
        let mut head = [0; MAGIC.len() + 8];
        if length < head.len() as u64 {
            return Err(not("it is too short"));
        }
        file.read_exact(&mut head).map_err(ForgeError::read(path))?;
        let (magic, size) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(not("it does not begin with `REFIT-PACK/1`"));
        }
        let record_bytes = u64::from_le_bytes(size.try_into().unwrap_or_default());
        let bundle_start = (head.len() as u64).saturating_add(record_bytes);
        if record_bytes > RECORD_BYTES_MAX || bundle_start > length {
            return Err(damaged(
                path,
                "length of the record",
                format!("at most {}", length - head.len() as u64),
                record_bytes,
            ));
        }
        let mut record_json = vec![0; usize::try_from(record_bytes).unwrap_or_default()];
        file.read_exact(&mut record_json).map_err(ForgeError::read(path))?;
        let record = sound(&record_json, path)?;
        let trailer =
            read_trailer(&file, path, bundle_start.saturating_add(record.bundle.size.0), length)?;
        Ok(Self { path: path.to_owned(), file, record, record_json, bundle_start, trailer })
    }

    /// A pack whose bundle and record lie apart, as in a repository. `record_json` is believed already.
    pub(crate) fn of_parts(bundle: &Path, record_json: Vec<u8>) -> Result<Self, ForgeError> {
        let file = File::open(bundle).map_err(ForgeError::read(bundle))?;
        let record = sound(&record_json, bundle)?;
        let path = bundle.to_owned();
        Ok(Self { path, file, record, record_json, bundle_start: 0, trailer: None })
    }

    /// What the pack says of itself; believe it after [`PackFile::verify`].
    #[must_use]
    pub const fn record(&self) -> &PackRecord {
        &self.record
    }

    /// The record's text.
    #[must_use]
    pub fn record_json(&self) -> &[u8] {
        &self.record_json
    }

    /// Who claims to have signed it.
    #[must_use]
    pub fn signer(&self) -> Option<PublicKey> {
        self.trailer.as_ref().map(|trailer| trailer.signer)
    }

    /// Proves that every byte is what was built, and by whom.
    ///
    /// With `key`, a pack without a signature by it is refused. A signature that is there must fit in any case.
    ///
    /// # Errors
    /// [`ForgeError::Damaged`], [`ForgeError::Unsigned`], [`ForgeError::WrongSigner`], [`ForgeError::BadSignature`].
    pub fn verify(&self, key: Option<&PublicKey>) -> Result<Verified, ForgeError> {
        let record = Digest::of(&self.record_json);
        self.verify_signature(record, key)?;
        let file = self.verify_bundle()?;
        for entry in self.record.payload.iter().chain(&self.record.web) {
            self.verify_entry(entry)?;
        }
        Ok(Verified { file, record, signer: self.signer() })
    }

    fn verify_signature(&self, record: Digest, key: Option<&PublicKey>) -> Result<(), ForgeError> {
        let path = || self.path.clone();
        match (&self.trailer, key) {
            (None, None) => Ok(()),
            (None, Some(key)) => {
                Err(ForgeError::Unsigned { path: path(), expected: key.to_string() })
            }
            (Some(trailer), _)
                if !trailer.signer.accepts(&signed_message(record), &trailer.signature) =>
            {
                Err(ForgeError::BadSignature { path: path(), signer: trailer.signer.to_string() })
            }
            (Some(trailer), Some(key)) if trailer.signer != *key => Err(ForgeError::WrongSigner {
                path: path(),
                expected: key.to_string(),
                found: trailer.signer.to_string(),
            }),
            (Some(_), _) => Ok(()),
        }
    }

    /// Compares the bundle's digest and returns that of the whole file.
    fn verify_bundle(&self) -> Result<Digest, ForgeError> {
        let length = self.file.metadata().map_err(ForgeError::read(&self.path))?.len();
        let end = self.bundle_start + self.record.bundle.size.0;
        let (mut whole, mut bundle) = (Sha256::new(), Sha256::new());
        self.each_block(0, self.bundle_start, |block| whole.update(block))?;
        self.each_block(self.bundle_start, end, |block| {
            whole.update(block);
            bundle.update(block);
        })?;
        self.each_block(end, length, |block| whole.update(block))?;
        let found = Digest::from_bytes(bundle.finalize().into());
        if found != self.record.bundle.digest {
            return Err(damaged(&self.path, "bundle", self.record.bundle.digest, found));
        }
        Ok(Digest::from_bytes(whole.finalize().into()))
    }

    fn each_block(
        &self,
        start: u64,
        end: u64,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), ForgeError> {
        let mut block = vec![0; COPY_BYTES];
        let mut at = start;
        while at < end {
            let want = COPY_BYTES.min(usize::try_from(end - at).unwrap_or(COPY_BYTES));
            self.file
                .read_exact_at(&mut block[..want], at)
                .map_err(ForgeError::read(&self.path))?;
            each(&block[..want]);
            at += want as u64;
        }
        Ok(())
    }

    /// A bundle can be whole and still hold other chunks than the record promises.
    fn verify_entry(&self, entry: &TreeEntry) -> Result<(), ForgeError> {
        let TreeNode::File { digest, chunks, .. } = &entry.node else { return Ok(()) };
        let mut found = Sha256::new();
        for place in chunks {
            let chunk = self
                .record
                .bundle
                .chunks
                .get(*place as usize)
                .ok_or_else(|| damaged(&self.path, "chunk list", "a known chunk", place))?;
            found.update(self.chunk(chunk)?);
        }
        let found = Digest::from_bytes(found.finalize().into());
        if found != *digest {
            return Err(damaged(&self.path, &format!("file `{}`", entry.path), digest, found));
        }
        Ok(())
    }

    /// The content of one chunk, compared with its name.
    ///
    /// # Errors
    /// [`ForgeError::Damaged`] when it is another.
    pub fn chunk(&self, chunk: &Chunk) -> Result<Vec<u8>, ForgeError> {
        let wrong = |found: String| {
            damaged(&self.path, &format!("chunk at {}", chunk.offset), chunk.id, found)
        };
        if chunk.stored as usize > chunking::STORED_BYTES_MAX {
            return Err(wrong(format!("a frame of {} bytes", chunk.stored)));
        }
        let mut frame = vec![0; chunk.stored as usize];
        self.file
            .read_exact_at(&mut frame, self.bundle_start.saturating_add(chunk.offset))
            .map_err(ForgeError::read(&self.path))?;
        let content =
            chunking::expand(&frame, chunk.size).map_err(|error| wrong(error.to_string()))?;
        let found = chunking::chunk_id(&content);
        if found == chunk.id { Ok(content) } else { Err(wrong(found.to_string())) }
    }

    /// Copies the bundle to a new file; its digest is compared on the way.
    ///
    /// # Errors
    /// [`ForgeError::Damaged`] when it is another, [`ForgeError::Io`].
    pub fn copy_bundle(&self, to: &mut File, to_path: &Path) -> Result<(), ForgeError> {
        let mut result = Ok(());
        let mut digest = Sha256::new();
        let end = self.bundle_start + self.record.bundle.size.0;
        self.each_block(self.bundle_start, end, |block| {
            digest.update(block);
            if result.is_ok() {
                result = to.write_all(block);
            }
        })?;
        result.map_err(ForgeError::write(to_path))?;
        let found = Digest::from_bytes(digest.finalize().into());
        if found != self.record.bundle.digest {
            return Err(damaged(&self.path, "bundle", self.record.bundle.digest, found));
        }
        Ok(())
    }

    /// Bytes of the whole content, compressed.
    #[must_use]
    pub const fn size(&self) -> ByteSize {
        self.record.bundle.size
    }
}

/// A record that holds to its rules.
fn sound(record_json: &[u8], path: &Path) -> Result<PackRecord, ForgeError> {
    let record: PackRecord = serde_json::from_slice(record_json)
        .map_err(|error| damaged(path, "record", "JSON of `refit.record/1`", error))?;
    record::validate(&record)
        .map_err(|source| ForgeError::Record { path: path.to_owned(), source: Box::new(source) })?;
    Ok(record)
}

fn read_trailer(
    file: &File,
    path: &Path,
    end: u64,
    length: u64,
) -> Result<Option<Trailer>, ForgeError> {
    if end == length {
        return Ok(None);
    }
    if end.checked_add(TRAILER_BYTES as u64) != Some(length) {
        return Err(damaged(
            path,
            "length",
            format!("{end}, or {} with a signature", end.saturating_add(TRAILER_BYTES as u64)),
            length,
        ));
    }
    let mut bytes = [0; TRAILER_BYTES];
    file.read_exact_at(&mut bytes, end).map_err(ForgeError::read(path))?;
    let (magic, rest) = bytes.split_at(MAGIC_SIGNATURE.len());
    if magic != MAGIC_SIGNATURE {
        return Err(damaged(path, "what follows the bundle", "`REFIT-SIGN/1`", hex::encode(magic)));
    }
    let (mut signer, mut signature) = ([0; 32], [0; SIGNATURE_BYTES]);
    signer.copy_from_slice(&rest[..32]);
    signature.copy_from_slice(&rest[32..]);
    Ok(Some(Trailer { signer: PublicKey::from_bytes(signer), signature }))
}

fn damaged(
    path: &Path,
    what: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) -> ForgeError {
    ForgeError::Damaged {
        path: path.to_owned(),
        what: what.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

struct HashingWriter<'a> {
    out: &'a mut File,
    digest: Sha256,
}

impl Write for HashingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
