//! Foreign archives: what a host must not get is refused with every entry named, and nothing stays behind.

use refit_forge::{
    ForgeError,
    import::{Format, ImportOptions, import},
};
use refit_names::{ByteSize, Coded, chain};
use std::{
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};
use tar::EntryType;

/// One entry of a tar archive, with a name that no archiver would write.
struct Entry<'a> {
    name: &'a [u8],
    kind: EntryType,
    link: &'a [u8],
    content: &'a [u8],
    mode: u32,
}

fn file<'a>(name: &'a [u8], content: &'a [u8]) -> Entry<'a> {
    Entry { name, kind: EntryType::Regular, link: b"", content, mode: 0o644 }
}

fn other<'a>(name: &'a [u8], kind: EntryType, link: &'a [u8]) -> Entry<'a> {
    Entry { name, kind, link, content: b"", mode: 0o777 }
}

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        let old = header.as_old_mut();
        old.name[..entry.name.len()].copy_from_slice(entry.name);
        old.linkname[..entry.link.len()].copy_from_slice(entry.link);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        builder.append(&header, entry.content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn options() -> ImportOptions {
    ImportOptions { size_max: ByteSize(1 << 30), ..ImportOptions::default() }
}

fn refused(bytes: &[u8]) -> ForgeError {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("ledger-1.2.archive");
    fs::write(&archive, bytes).unwrap();
    let error = import(&archive, &dir.path().join("out"), &options()).unwrap_err();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["ledger-1.2.archive"], "{error}");
    error
}

#[test]
fn hostile_archives_are_refused_whole_with_every_entry_named() {
    let cases: &[(&[Entry<'_>], &str)] = &[
        (&[file(b"../escape", b"x")], "leaves the tree"),
        (&[file(b"a/../../escape", b"x")], "leaves the tree"),
        (&[file(b"/etc/passwd", b"x")], "absolute"),
        (&[file(b"a\\b", b"x")], "character"),
        (&[file(b"a\nb", b"x")], "character"),
        (&[file(b"a\xff", b"x")], "not UTF-8"),
        (&[other(b"l", EntryType::Symlink, b"../out")], "leaves the tree"),
        (&[other(b"l", EntryType::Symlink, b"/etc/passwd")], "leaves the tree"),
        (&[other(b"d", EntryType::Symlink, b"."), file(b"d/x", b"x")], "no folder"),
        (&[file(b"a", b"x"), other(b"b", EntryType::Link, b"/etc/passwd")], "no file before it"),
        (&[other(b"b", EntryType::Link, b"../a")], "no file before it"),
        (&[other(b"dev", EntryType::Char, b"")], "a device"),
        (&[other(b"dev", EntryType::Block, b"")], "a device"),
        (&[other(b"pipe", EntryType::Fifo, b"")], "a pipe"),
        (&[file(b"a", b"x"), file(b"a", b"y")], "twice"),
        (&[file(b"a", b"x"), file(b"./a", b"y")], "twice"),
        (&[file(b"README", b"x"), file(b"readme", b"y")], "upper and lower case"),
        (&[file(b"a", b"x"), file(b"a/b", b"y")], "no folder"),
        (&[other(b"./", EntryType::Directory, b"")], "nothing is in it"),
    ];
    for (entries, expected) in cases {
        let error = refused(&tar(entries));
        assert_eq!(error.code(), "pack.unfit-tree", "{error}");
        assert!(error.to_string().contains(expected), "expected {expected}: {error}");
    }
    let all: Vec<_> =
        [file(b"../a", b"x"), file(b"/b", b"x"), file(b"ok", b"x"), file(b"ok", b"x")].into();
    match refused(&tar(&all)) {
        ForgeError::Import { faults, .. } => assert_eq!(faults.len(), 3, "{faults:?}"),
        other => panic!("{other}"),
    }
}

#[test]
fn damaged_and_foreign_archives_say_so() {
    let good = tar(&[file(b"a", &[7; 5000])]);
    for bytes in [&good[..700], b"", b"hello", b"PK\x03\x04 and nothing", b"!<arch>\nnothing here"]
    {
        let error = refused(bytes);
        assert_eq!(error.code(), "pack.unreadable-archive", "{}", chain(&error));
    }
}

#[test]
fn bombs_are_stopped_before_they_fill_the_disk() {
    let zeros = vec![0; 80 << 20];
    let plain = tar(&[file(b"zeros", &zeros)]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&plain).unwrap();
    assert_eq!(refused(&packed.finish().unwrap()).code(), "pack.archive-bomb");

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("zeros", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&zeros).unwrap();
    assert_eq!(refused(zip.finish().unwrap().get_ref()).code(), "pack.archive-bomb");
}

/// A long name that the library would hold in memory.
#[test]
fn names_without_end_are_refused() {
    let name = vec![b'a'; 3 << 20];
    let long = Entry { kind: EntryType::GNULongName, ..file(b"././@LongLink", &name) };
    let error = refused(&tar(&[long, file(b"a", b"x")]));
    assert!(chain(&error).contains("longer than 1 MiB"), "{}", chain(&error));
}

#[test]
fn zip_with_one_name_twice_is_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["one", "two"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"x").unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    for at in 0..bytes.len() - 3 {
        if bytes[at..].starts_with(b"two") {
            bytes[at..at + 3].copy_from_slice(b"one");
        }
    }
    let error = refused(&bytes);
    assert!(error.to_string().contains("1 names for 2 entries"), "{error}");
}

#[test]
fn hostile_zips_are_refused_whole() {
    for (name, expected) in
        [("../x", "leaves the tree"), ("/x", "absolute"), ("a\\..\\x", "character")]
    {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"x").unwrap();
        let error = refused(zip.finish().unwrap().get_ref());
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.add_symlink("l", "../../etc", zip::write::SimpleFileOptions::default()).unwrap();
    let error = refused(zip.finish().unwrap().get_ref());
    assert!(error.to_string().contains("leaves the tree"), "{error}");
}

#[test]
fn hostile_folders_are_refused_by_the_same_rules() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("from");
    fs::create_dir_all(from.join("bin")).unwrap();
    fs::write(from.join("A"), "x").unwrap();
    fs::write(from.join("a"), "x").unwrap();
    fs::write(from.join(std::ffi::OsStr::from_bytes(b"\xfe")), "x").unwrap();
    std::os::unix::fs::symlink("/etc", from.join("bin/etc")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        from.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    match import(&from, &dir.path().join("out"), &options()).unwrap_err() {
        ForgeError::Import { faults, .. } => assert_eq!(faults.len(), 4, "{faults:?}"),
        other => panic!("{other}"),
    }
    assert!(!dir.path().join("out").exists());
}

fn tree() -> Vec<u8> {
    tar(&[
        other(b"./", EntryType::Directory, b""),
        Entry { mode: 0o755, ..file(b"./usr/bin/ledger", b"#!/bin/sh\n") },
        file(b"./usr/share/doc", b"words"),
        other(b"./usr/bin/twin", EntryType::Link, b"./usr/bin/ledger"),
        other(b"./usr/bin/start", EntryType::Symlink, b"ledger"),
    ])
}

fn imported(name: &str, bytes: &[u8], options: &ImportOptions) -> (tempfile::TempDir, Format) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(name), bytes).unwrap();
    let report = import(&dir.path().join(name), &dir.path().join("out"), options).unwrap();
    (dir, report.format)
}

fn check(out: &Path, bin: &str) {
    assert_eq!(fs::read(out.join(bin).join("ledger")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(fs::read(out.join(bin).join("twin")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(fs::read_link(out.join(bin).join("start")).unwrap(), Path::new("ledger"));
    let mode = fs::metadata(out.join(bin).join("ledger")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn every_wrapping_gives_the_same_folder() {
    let plain = tree();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).unwrap();
    let zst = zstd::encode_all(&plain[..], 3).unwrap();
    for (name, bytes) in
        [("x.tar", plain.clone()), ("x.tar.gz", gz.finish().unwrap()), ("x.tar.zst", zst)]
    {
        let (dir, format) = imported(name, &bytes, &options());
        assert_eq!(format, Format::Tar);
        check(&dir.path().join("out/payload"), "usr/bin");
    }
    let strip = ImportOptions { strip: 1, ..options() };
    let (dir, _) = imported("x.tar", &plain, &strip);
    check(&dir.path().join("out/payload"), "bin");
}

/// An `ar` archive as `dpkg-deb` writes it.
fn deb() -> Vec<u8> {
    let words = b"Package: ledger\nVersion: 1:2.0~rc1-3\nArchitecture: amd64\nDescription: keeps \"accounts\"\n more\n";
    let control = zstd::encode_all(&tar(&[file(b"./control", words)])[..], 3).unwrap();
    let data = zstd::encode_all(&tree()[..], 3).unwrap();
    let mut deb = b"!<arch>\n".to_vec();
    let members: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar.zst", &control), ("data.tar.zst", &data)];
    for (name, content) in members {
        let size = content.len();
        deb.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).bytes(),
        );
        deb.extend(content);
        deb.extend(if size % 2 == 1 { &b"\n"[..] } else { b"" });
    }
    deb
}

#[test]
fn debian_package_fills_the_manifest_in_and_only_from_is_left_to_say() {
    let (dir, format) = imported("ledger.deb", &deb(), &options());
    let out = dir.path().join("out");
    assert_eq!(format, Format::Deb);
    check(&out.join("payload"), "usr/bin");
    let text = fs::read_to_string(out.join("pack.yaml")).unwrap();
    let faults = refit_packs::manifest::parse(&text).unwrap_err();
    let fields: Vec<_> = faults.flaws().iter().map(|flaw| flaw.field.as_str()).collect();
    assert_eq!(fields, ["from"]);
    fs::write(out.join("pack.yaml"), text.replace("from: []", "from: [\"1\"]")).unwrap();
    let built = refit_forge::pack::build(&out).unwrap();
    let manifest = &built.record().manifest;
    assert_eq!((manifest.product.as_str(), manifest.to.as_str()), ("ledger", "1-2.0-rc1-3"));
    assert_eq!(manifest.title, "keeps \"accounts\"");
}

#[test]
fn existing_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.tar"), tree()).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let error = import(&dir.path().join("x.tar"), &dir.path().join("out"), &options()).unwrap_err();
    assert!(matches!(error, ForgeError::Exists { .. }));
}
