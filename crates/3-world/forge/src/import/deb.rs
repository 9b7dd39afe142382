//! Debian packages: an `ar` archive with the package's words and its tree.

use super::{archive, place::Place, sheet::Told};
use crate::ForgeError;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
};

const HEADER_BYTES: usize = 60;
/// The words of a package are a page; its scripts are not read.
const CONTROL_BYTES_MAX: u64 = 1 << 20;

pub(super) fn fill(file: File, place: &mut Place) -> Result<Told, ForgeError> {
    place.tell_case();
    let mut from = BufReader::new(file);
    let broken = |place: &Place, why: &str| place.unreadable(io::Error::other(why.to_owned()));
    from.read_exact(&mut [0; 8]).map_err(|error| place.unreadable(error))?;
    let (mut told, mut has_tree) = (Told::default(), false);
    loop {
        if from.fill_buf().map_err(|error| place.unreadable(error))?.is_empty() {
            break;
        }
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header).map_err(|error| place.unreadable(error))?;
        let (name, size) =
            member(&header).ok_or_else(|| broken(place, "member without a header"))?;
        let mut content = BufReader::new((&mut from).take(size));
        if name.starts_with("control.tar") {
            told = control(&mut content).map_err(|error| place.unreadable(error))?;
        } else if name.starts_with("data.tar") {
            let head = content.fill_buf().map_err(|error| place.unreadable(error))?.to_vec();
            let tree = archive::unpacked(&mut content, &head).map_err(|e| place.unreadable(e))?;
            archive::tar(tree, place)?;
            has_tree = true;
        }
        io::copy(&mut content, &mut io::sink()).map_err(|error| place.unreadable(error))?;
        drop(content);
        // Members begin at even places.
        if size % 2 == 1 {
            from.read_exact(&mut [0; 1]).map_err(|error| place.unreadable(error))?;
        }
    }
    if has_tree {
        Ok(told)
    } else {
        Err(broken(place, "expected a Debian package with `data.tar`"))
    }
}

/// Name and size of a member.
fn member(header: &[u8; HEADER_BYTES]) -> Option<(String, u64)> {
    if header[58..] != *b"`\n" {
        return None;
    }
    let text = |part: &[u8]| std::str::from_utf8(part).ok().map(|text| text.trim().to_owned());
    let name = text(&header[..16])?;
    Some((name.trim_end_matches('/').to_owned(), text(&header[48..58])?.parse().ok()?))
}

/// The fields that a manifest can use.
fn control(from: &mut impl BufRead) -> io::Result<Told> {
    let head = from.fill_buf()?.to_vec();
    let mut archive = tar::Archive::new(archive::unpacked(from, &head)?);
    let mut told = Told::default();
    for entry in archive.entries()? {
        let entry = entry?;
        if !matches!(&entry.path_bytes()[..], b"./control" | b"control") {
            continue;
        }
        let mut text = String::new();
        entry.take(CONTROL_BYTES_MAX).read_to_string(&mut text)?;
        for line in text.lines() {
            match line.split_once(": ") {
                Some(("Package", value)) => told.product = Some(value.to_owned()),
                Some(("Version", value)) => told.build = Some(value.to_owned()),
                Some(("Description", value)) => told.title = Some(value.to_owned()),
                Some(("Architecture", value)) => told.arch = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    Ok(told)
}
