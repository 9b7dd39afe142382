//! Building packs from folders, and telling what was done to them since.

use refit_forge::{
    ForgeError, PackFile,
    key::{PublicKey, SigningKey},
    pack, pack_file,
};
use refit_packs::record::TreeNode;
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

const MANIFEST: &str = "format: refit.pack/1\nproduct: ledger\nfrom: [\"1000\"]\nto: \"1100\"\nkind: service-pack\ntitle: Ledger 1100\nreadme: README.md\npayload: payload\nweb: web\nunit: { data: [data] }\n";

fn folder(dir: &Path) -> PathBuf {
    let folder = dir.join("ledger");
    for (path, text) in [
        ("pack.yaml", MANIFEST),
        ("README.md", "# Read me\n"),
        ("payload/bin/ledger", "#!/bin/sh\n"),
        ("web/index.html", "<p>"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let big: Vec<u8> =
        (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(folder.join("payload/big"), &big).unwrap();
    fs::write(folder.join("payload/bin/twin"), &big).unwrap();
    fs::set_permissions(folder.join("payload/bin/ledger"), fs::Permissions::from_mode(0o700))
        .unwrap();
    std::os::unix::fs::symlink("bin/ledger", folder.join("payload/start")).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().flatten().collect();
    entries.reverse();
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn same_folder_gives_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let first = folder(dir.path());
    let second = dir.path().join("elsewhere");
    copy(&first, &second);
    fs::set_permissions(second.join("payload/big"), fs::Permissions::from_mode(0o600)).unwrap();
    let (a, b) = (dir.path().join("a.refit"), dir.path().join("b.refit"));
    let built = pack::build(&first).unwrap();
    let digest = pack_file::write(&built, &a, None).unwrap();
    assert_eq!(digest, pack_file::write(&pack::build(&second).unwrap(), &b, None).unwrap());
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    assert_eq!(refit_names::Digest::of(&fs::read(&a).unwrap()), digest);
    assert_eq!(built.file_name(), "ledger-1100.refit");
}

#[test]
fn record_says_what_the_folder_had_and_stores_twins_once() {
    let dir = tempfile::tempdir().unwrap();
    let built = pack::build(&folder(dir.path())).unwrap();
    let record = built.record();
    let paths: Vec<&str> = record.payload.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["big", "bin", "bin/ledger", "bin/twin", "start"]);
    assert!(matches!(record.payload[2].node, TreeNode::File { mode: 0o755, .. }));
    let chunks = |at: usize| match &record.payload[at].node {
        TreeNode::File { chunks, .. } => chunks.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(chunks(0), chunks(3));
    assert_eq!(record.bundle.chunks.len(), chunks(0).len() + 2);
    assert_eq!(record.readme, "# Read me\n");
    assert_eq!(record.runbook.name.as_str(), "plain-service");
}

#[test]
fn what_a_host_must_not_get_is_not_packed() {
    type Spoil = fn(&Path);
    let table: [(&str, Spoil); 7] = [
        ("leaves the tree", |folder| {
            std::os::unix::fs::symlink("../../secret", folder.join("payload/bin/out")).unwrap()
        }),
        ("leaves the tree", |folder| {
            std::os::unix::fs::symlink("/etc/passwd", folder.join("payload/out")).unwrap()
        }),
        ("upper and lower case", |folder| fs::write(folder.join("payload/BIG"), b"x").unwrap()),
        ("not UTF-8", |folder| {
            fs::write(folder.join("payload").join(std::ffi::OsStr::from_bytes(b"\xff")), b"x")
                .unwrap()
        }),
        ("character", |folder| fs::write(folder.join("payload/a\nb"), b"x").unwrap()),
        ("device, pipe or socket", |folder| {
            let fifo = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(
                rustix::fs::CWD,
                folder.join("payload/pipe"),
                fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        }),
        ("found a link", |folder| {
            fs::rename(folder.join("payload"), folder.join("other")).unwrap();
            std::os::unix::fs::symlink("other", folder.join("payload")).unwrap();
        }),
    ];
    for (expected, spoil) in table {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        spoil(&folder);
        let error = pack::build(&folder).unwrap_err();
        assert!(matches!(error, ForgeError::UnfitTree { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn wrong_manifest_names_file_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path());
    fs::write(folder.join("pack.yaml"), MANIFEST.replace("kind: service-pack", "kind: huge"))
        .unwrap();
    let error = pack::build(&folder).unwrap_err();
    let text = refit_names::chain(&error);
    assert!(text.contains("pack.yaml") && text.contains("kind"), "{text}");
}

#[test]
fn signature_proves_who_and_damage_is_found_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::create(&dir.path().join("key.der")).unwrap();
    let other = SigningKey::create(&dir.path().join("other.der")).unwrap().public();
    let built = pack::build(&folder(dir.path())).unwrap();
    let (signed, unsigned) = (dir.path().join("signed.refit"), dir.path().join("unsigned.refit"));
    let digest = pack_file::write(&built, &signed, Some(&key)).unwrap();
    pack_file::write(&built, &unsigned, None).unwrap();
    let verify = |path: &Path, key: Option<&PublicKey>| {
        PackFile::read(path).and_then(|file| file.verify(key))
    };

    let verified = verify(&signed, Some(&key.public())).unwrap();
    assert_eq!(
        (verified.file, verified.record, verified.signer),
        (digest, built.record_digest(), Some(key.public()))
    );
    assert_eq!(verify(&unsigned, None).unwrap().signer, None);
    assert!(matches!(verify(&unsigned, Some(&key.public())), Err(ForgeError::Unsigned { .. })));
    assert!(matches!(verify(&signed, Some(&other)), Err(ForgeError::WrongSigner { .. })));

    let whole = fs::read(&signed).unwrap();
    let bad = dir.path().join("bad.refit");
    let step = whole.len() / 150;
    for at in
        (0..whole.len()).step_by(step).chain([whole.len() - 1, whole.len() - 70, whole.len() - 100])
    {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&bad, &bytes).unwrap();
        let error = verify(&bad, Some(&key.public()))
            .expect_err(&format!("byte {at} was changed and nobody saw it"));
        assert!(error.is_verification(), "byte {at}: {error}");
    }
    for length in [0, 10, 30, 5_000, whole.len() - 300_000, whole.len() - 1] {
        fs::write(&bad, &whole[..length]).unwrap();
        assert!(verify(&bad, None).unwrap_err().is_verification(), "cut at {length}");
    }
    fs::write(&bad, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(matches!(verify(&bad, None), Err(ForgeError::Damaged { .. })));
}
