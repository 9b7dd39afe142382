//! Which targets a path pattern of a delegation covers: `*` and `?` as in a shell, within one component of the path.

use refit_names::TargetName;

/// How many folders deep `FOLDER/*` reaches when an operator writes it: `packs/PRODUCT/BUILD/PART` and one level to spare.
const DEPTH_MAX: usize = 3;

/// Whether `path` has as many components as `pattern` and each fits. Linear in memory, no recursion: patterns come from the wire.
#[must_use]
pub fn path_matches(pattern: &str, path: &str) -> bool {
    let (patterns, parts): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| part_matches(pattern, part))
}

/// What an operator means by `FOLDER/*`: everything below the folder. A wildcard of TUF stays within one component, so it becomes one
/// pattern for each depth. Other patterns stay as they are.
#[must_use]
pub fn everything_below(pattern: &str) -> Vec<String> {
    if !pattern.ends_with("/*") {
        return vec![pattern.to_owned()];
    }
    (0..DEPTH_MAX).map(|depth| format!("{pattern}{}", "/*".repeat(depth))).collect()
}

/// The product that a target belongs to: `packs/PRODUCT/…`.
#[must_use]
pub fn product_of(name: &TargetName) -> Option<&str> {
    name.as_str().strip_prefix("packs/")?.split_once('/').map(|(product, _)| product)
}

/// Whether `path` or a folder above it fits `pattern`.
#[must_use]
pub fn covers(pattern: &str, path: &str) -> bool {
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    above.chain([path]).any(|path| path_matches(pattern, path))
}

pub(crate) fn part_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_a_component() {
        for (pattern, path, expected) in [
            ("*.tgz", "foo.tgz", true),
            ("*.tgz", "a/foo.tgz", false),
            ("targets/*.tgz", "targets/foo.tgz", true),
            ("foo-?.tgz", "foo-2.tgz", true),
            ("foo-?.tgz", "foo-alpha.tgz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("README.md", "README.MD", false),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn star_behind_a_folder_means_everything_below_it() {
        let patterns = everything_below("packs/acme/*");
        let covered = |path: &str| patterns.iter().any(|pattern| path_matches(pattern, path));
        assert!(covered("packs/acme/1100") && covered("packs/acme/1100/record.json"));
        assert!(!covered("packs/other/1100/record.json") && !covered("packs/acme"));
        assert_eq!(everything_below("vendors/acme/catalog.json"), ["vendors/acme/catalog.json"]);
    }
}
