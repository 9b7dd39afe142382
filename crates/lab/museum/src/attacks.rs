//! The static exhibits: every hostile repository that is only a folder. Servers that misbehave are in [`crate::server`].

use crate::workshop::{
    Files, Key, Keys, assembled, edition, edition_of, honest, key, root, signed, snapshot, targets,
    timestamp,
};
use serde_json::{Value, json};

/// A version that no honest repository reaches.
pub const FAR_AHEAD: u64 = 1 << 53;

/// A target that every edition has.
pub const HELLO: &str = "packs/ledger/1100/hello.txt";
/// A vendor's own target.
pub const VENDORS: &str = "vendors/acme/word.txt";

/// What a visitor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Refreshes; the refusal comes here.
    Refresh,
    /// Refreshes with success and asks for this target; the refusal comes there.
    Get(&'static str),
}

/// A hostile repository.
pub struct Exhibit {
    /// The attack's folder.
    pub attack: &'static str,
    /// The folder in it.
    pub variant: &'static str,
    /// What the visitor does.
    pub visit: Visit,
    /// How it is refused.
    pub code: &'static str,
    /// What is lawfully newer in it and therefore kept, as the specification demands (5.4.5, 5.5.7).
    pub lawfully_kept: &'static [&'static str],
    /// Its files.
    pub files: Files,
}

/// What every visitor trusts before: version 2 of an honest repository, with one vendor.
#[must_use]
pub fn before() -> Files {
    with_vendor(2, &honest_targets(2), &["targets 1", "targets 2"])
}

/// The edition that honest visitors would see next.
#[must_use]
pub fn next() -> Files {
    with_vendor(3, &honest_targets(3), &["targets 1", "targets 2"])
}

fn content(version: u64) -> Vec<u8> {
    format!("hello of version {version}\n").into_bytes()
}

fn honest_targets(version: u64) -> Value {
    let hello = content(version);
    let mut targets = targets(version, &[(HELLO, &hello)]);
    let acme = key("acme 1");
    targets["delegations"] = json!({
        "keys": { acme.id(): acme.json() },
        "roles": [{
            "name": "acme", "keyids": [acme.id()], "threshold": 1, "terminating": false,
            "paths": ["vendors/acme/*"],
        }],
    });
    targets
}

fn acme(version: u64) -> Vec<u8> {
    signed(&targets(version, &[(VENDORS, b"a word\n")]), &[&key("acme 1")])
}

fn with_vendor(version: u64, top: &Value, signers: &[&str]) -> Files {
    let keys: Vec<Key> = signers.iter().map(|name| key(name)).collect();
    let top = signed(top, &keys.iter().collect::<Vec<_>>());
    let mut files = assembled(version, &[("targets", top, version), ("acme", acme(1), 1)]);
    files.target(HELLO, &content(version));
    files.target(VENDORS, b"a word\n");
    files
}

/// Every static exhibit.
#[must_use]
pub fn all() -> Vec<Exhibit> {
    let mut all = Vec::new();
    all.extend(arbitrary_installation());
    all.extend(extraneous_dependencies());
    all.extend(fast_forward());
    all.extend(malicious_mirror());
    all.extend(mix_and_match());
    all.extend(rollback());
    all.extend(key_compromise());
    all.extend(wrong_software());
    all.extend(withheld());
    all.extend(root_chain());
    all
}

fn exhibit(
    (attack, variant): (&'static str, &'static str),
    visit: Visit,
    code: &'static str,
    files: Files,
) -> Exhibit {
    Exhibit { attack, variant, visit, code, lawfully_kept: &[], files }
}

impl Exhibit {
    fn keeping(mut self, kept: &'static [&'static str]) -> Self {
        self.lawfully_kept = kept;
        self
    }
}

const ONLINE: &[&str] = &["timestamp.json", "snapshot.json"];

fn arbitrary_installation() -> Vec<Exhibit> {
    let evil = b"what the attacker wants\n";
    let forged = targets(3, &[(HELLO, evil)]);
    let mut own_repository = edition_of(3, &forged, &[(HELLO, evil)], &["thief"]);
    let snapshot_bytes = own_repository.0["metadata/3.snapshot.json"].clone();
    own_repository
        .metadata("timestamp.json", signed(&timestamp(3, &snapshot_bytes, 3), &[&key("thief")]));
    let mut swapped = before();
    let place = swapped.0.keys().find(|name| name.ends_with("hello.txt")).cloned();
    // Same length, one other letter.
    let other = content(2).iter().map(|byte| if *byte == b'h' { b'H' } else { *byte }).collect();
    swapped.0.extend(place.map(|place| (place, other)));
    let twice = {
        let (one, part) = (key("targets 1"), honest_targets(3));
        with_signed_targets(3, signed(&part, &[&one, &one]))
    };
    let mut own_root = before();
    let thieves = vec![
        Keys { role: "root", names: vec!["thief"], threshold: 1 },
        Keys { role: "targets", names: vec!["thief"], threshold: 1 },
        Keys { role: "snapshot", names: vec!["thief"], threshold: 1 },
        Keys { role: "timestamp", names: vec!["thief"], threshold: 1 },
    ];
    own_root.metadata("2.root.json", signed(&root(2, &thieves), &[&key("thief")]));
    let name = "arbitrary-installation";
    let bad = "repository.bad-signature";
    vec![
        exhibit((name, "own-repository"), Visit::Refresh, bad, own_repository),
        exhibit((name, "own-root"), Visit::Refresh, bad, own_root),
        exhibit((name, "forged-targets"), Visit::Refresh, bad, {
            edition_of_vendor(3, &forged, &["thief"])
        })
        .keeping(ONLINE),
        exhibit((name, "one-key-signs-twice"), Visit::Refresh, bad, twice).keeping(ONLINE),
        exhibit((name, "swapped-target"), Visit::Get(HELLO), "repository.hash-mismatch", swapped),
    ]
}

fn edition_of_vendor(version: u64, top: &Value, signers: &[&str]) -> Files {
    with_vendor(version, top, signers)
}

fn with_signed_targets(version: u64, top: Vec<u8>) -> Files {
    assembled(version, &[("targets", top, version), ("acme", acme(1), 1)])
}

fn extraneous_dependencies() -> Vec<Exhibit> {
    // The pack as it was signed needs nothing; the mirror's copy of it asks for the attacker's library too.
    let plain = br#"{"product":"ledger","to":"1100","requires":[]}"#;
    let needy = br#"{"product":"ledger","to":"1100","requires":["attackers-library"]}"#;
    let name = "packs/ledger/1100/record.json";
    let mut targets = honest_targets(3);
    let listed = crate::workshop::targets(3, &[(name, plain)]);
    targets["targets"][name] = listed["targets"][name].clone();
    let mut files = with_vendor(3, &targets, &["targets 1", "targets 2"]);
    let digest = listed["targets"][name]["hashes"]["sha256"].as_str().unwrap_or_default();
    files.target_as(name, digest, needy);
    vec![
        exhibit(
            ("extraneous-dependencies", "needy-record"),
            Visit::Get(name),
            "repository.too-large",
            files,
        )
        .keeping(&["timestamp.json", "snapshot.json", "targets.json"]),
    ]
}

/// The states that the test of recovery walks through, in their order; the last is the thief's again.
#[must_use]
pub fn fast_forward() -> Vec<Exhibit> {
    let top = ("targets", signed(&honest_targets(2), &[&key("targets 1"), &key("targets 2")]), 2);
    let mut thief = assembled(FAR_AHEAD, &[top.clone(), ("acme", acme(1), 1)]);
    thief.target(HELLO, &content(2));
    thief.target(VENDORS, b"a word\n");
    let mut roles = honest();
    roles.retain(|role| !matches!(role.role, "snapshot" | "timestamp"));
    for (role, name) in [("snapshot", "snapshot 2"), ("timestamp", "timestamp 2")] {
        roles.push(Keys { role, names: vec![name], threshold: 1 });
    }
    let root = signed(&root(2, &roles), &[&key("root 1"), &key("root 2")]);
    let mut recovered = next();
    let listed =
        [("targets", recovered.0["metadata/3.targets.json"].clone(), 3), ("acme", acme(1), 1)];
    let listed: Vec<(&str, &[u8], u64)> =
        listed.iter().map(|(role, bytes, version)| (*role, bytes.as_slice(), *version)).collect();
    let snapshot = signed(&snapshot(3, &listed), &[&key("snapshot 2")]);
    let timestamp = signed(&timestamp(3, &snapshot, 3), &[&key("timestamp 2")]);
    recovered.metadata("2.root.json", root.clone());
    recovered.metadata("3.snapshot.json", snapshot);
    recovered.metadata("timestamp.json", timestamp);
    let mut again = thief.clone();
    again.metadata("2.root.json", root);
    let name = "fast-forward";
    vec![
        exhibit((name, "thief"), Visit::Refresh, "repository.rollback", thief),
        exhibit((name, "recovered"), Visit::Refresh, "", recovered),
        exhibit((name, "thief-again"), Visit::Refresh, "repository.bad-signature", again)
            .keeping(&["root.json"]),
    ]
}

fn malicious_mirror() -> Vec<Exhibit> {
    let junk = |file: &str, text: &str| {
        let mut files = before();
        files.metadata(file, text.as_bytes().to_vec());
        files
    };
    let name = "malicious-mirror";
    let malformed = "repository.malformed";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        exhibit((name, "login-page"), Visit::Refresh, malformed, {
            junk("timestamp.json", "<!doctype html><title>log in</title>")
        }),
        exhibit((name, "deep-nesting"), Visit::Refresh, malformed, junk("timestamp.json", &deep)),
        exhibit((name, "other-role"), Visit::Refresh, malformed, {
            let snapshot = next().0["metadata/3.snapshot.json"].clone();
            junk("timestamp.json", &String::from_utf8_lossy(&snapshot))
        }),
    ]
}

fn mix_and_match() -> Vec<Exhibit> {
    let old = before();
    let mut old_snapshot = next();
    old_snapshot.metadata("3.snapshot.json", old.0["metadata/2.snapshot.json"].clone());
    let mut old_targets = next();
    old_targets.metadata("3.targets.json", old.0["metadata/2.targets.json"].clone());
    // Lengths and digests are optional; versions then have to hold.
    let mut bare = next();
    let acme = acme(1);
    let mut listed = snapshot(3, &[("targets", b"", 3), ("acme", &acme, 1)]);
    listed["meta"]["targets.json"] = json!({ "version": 3 });
    let listed = signed(&listed, &[&key("snapshot 1")]);
    bare.metadata("timestamp.json", signed(&timestamp(3, &listed, 3), &[&key("timestamp 1")]));
    bare.metadata("3.snapshot.json", listed);
    bare.metadata("3.targets.json", old.0["metadata/2.targets.json"].clone());
    let name = "mix-and-match";
    let mut mixed_target = next();
    let place = mixed_target.0.keys().find(|name| name.ends_with("hello.txt")).cloned();
    mixed_target.0.extend(place.map(|place| (place, content(2))));
    vec![
        exhibit((name, "old-snapshot"), Visit::Refresh, "repository.hash-mismatch", old_snapshot)
            .keeping(&["timestamp.json"]),
        exhibit((name, "old-targets"), Visit::Refresh, "repository.hash-mismatch", old_targets)
            .keeping(ONLINE),
        exhibit((name, "versions-only"), Visit::Refresh, "repository.version-mismatch", bare)
            .keeping(ONLINE),
        exhibit((name, "old-target"), Visit::Get(HELLO), "repository.hash-mismatch", mixed_target)
            .keeping(&["timestamp.json", "snapshot.json", "targets.json"]),
    ]
}

fn rollback() -> Vec<Exhibit> {
    let older = edition(1, &[(HELLO, b"hello of version 1\n")]);
    let old = older.0["metadata/1.snapshot.json"].clone();
    let mut older_snapshot = before();
    older_snapshot.metadata("1.snapshot.json", old.clone());
    older_snapshot
        .metadata("timestamp.json", signed(&timestamp(3, &old, 1), &[&key("timestamp 1")]));
    let first = older.0["metadata/1.targets.json"].clone();
    let older_targets = assembled(3, &[("targets", first, 1), ("acme", acme(1), 1)]);
    let top = signed(&honest_targets(3), &[&key("targets 1"), &key("targets 2")]);
    let gone = assembled(3, &[("targets", top, 3)]);
    let name = "rollback";
    let code = "repository.rollback";
    vec![
        exhibit((name, "older-everything"), Visit::Refresh, code, older),
        exhibit((name, "older-snapshot"), Visit::Refresh, code, older_snapshot),
        exhibit((name, "older-targets"), Visit::Refresh, code, older_targets)
            .keeping(&["timestamp.json"]),
        exhibit((name, "role-gone"), Visit::Refresh, "repository.role-gone", gone)
            .keeping(&["timestamp.json"]),
    ]
}

fn key_compromise() -> Vec<Exhibit> {
    let stolen = with_vendor(3, &honest_targets(3), &["targets 1", "thief"]);
    let mut one_root = before();
    let mut roles = honest();
    roles.iter_mut().for_each(|role| role.names[0] = "thief");
    one_root.metadata("2.root.json", signed(&root(2, &roles), &[&key("root 1"), &key("thief")]));
    let name = "key-compromise";
    let code = "repository.bad-signature";
    vec![
        exhibit((name, "one-targets-key-of-two"), Visit::Refresh, code, stolen).keeping(ONLINE),
        exhibit((name, "one-root-key-of-two"), Visit::Refresh, code, one_root),
    ]
}

fn wrong_software() -> Vec<Exhibit> {
    // The vendor signs a pack of somebody else's product.
    let foreign = "packs/ledger/9999/bundle";
    let top = signed(&honest_targets(3), &[&key("targets 1"), &key("targets 2")]);
    let part = targets(2, &[(VENDORS, b"a word\n"), (foreign, b"not acme's to publish\n")]);
    let vendor = signed(&part, &[&key("acme 1")]);
    let mut files = assembled(3, &[("targets", top, 3), ("acme", vendor, 2)]);
    files.target(HELLO, &content(3));
    files.target(foreign, b"not acme's to publish\n");
    let mut exchanged = before();
    let place = exchanged.0.keys().find(|name| name.ends_with("hello.txt")).cloned();
    exchanged.0.extend(place.map(|place| (place, b"a word\n".to_vec())));
    let name = "wrong-software";
    vec![
        exhibit(
            (name, "vendor-leaves-his-paths"),
            Visit::Get(foreign),
            "repository.no-such-target",
            files,
        )
        .keeping(&["timestamp.json", "snapshot.json", "targets.json"]),
        exhibit(
            (name, "another-target"),
            Visit::Get(HELLO),
            "repository.length-mismatch",
            exchanged,
        ),
    ]
}

fn withheld() -> Vec<Exhibit> {
    let without = |what: &str| {
        let mut files = next();
        let names: Vec<_> = files.0.keys().filter(|name| name.contains(what)).cloned().collect();
        names.iter().for_each(|name| files.remove(name));
        files
    };
    let code = "repository.missing-file";
    let name = "drop-request";
    vec![
        exhibit((name, "timestamp"), Visit::Refresh, code, without("timestamp")),
        exhibit((name, "snapshot"), Visit::Refresh, code, without("snapshot"))
            .keeping(&["timestamp.json"]),
        exhibit((name, "targets"), Visit::Refresh, code, without("targets.json")).keeping(ONLINE),
        exhibit(
            ("partial-bundle", "one-target-withheld"),
            Visit::Get(HELLO),
            code,
            without("hello"),
        )
        .keeping(&["timestamp.json", "snapshot.json", "targets.json"]),
        exhibit(("partial-bundle", "vendor-withheld"), Visit::Get(VENDORS), code, {
            let top = signed(&honest_targets(3), &[&key("targets 1"), &key("targets 2")]);
            let mut files = assembled(3, &[("targets", top, 3), ("acme", acme(2), 2)]);
            files.remove("metadata/2.acme.json");
            files
        })
        .keeping(&["timestamp.json", "snapshot.json", "targets.json"]),
    ]
}

fn root_chain() -> Vec<Exhibit> {
    let two = [&key("root 1"), &key("root 2")];
    let mut skipped = before();
    skipped.metadata("2.root.json", signed(&root(3, &honest()), &two));
    let mut own = before();
    let mut roles = honest();
    roles[0].names = vec!["root 4", "root 5", "root 6"];
    own.metadata("2.root.json", signed(&root(2, &roles), &two));
    let name = "root-chain";
    vec![
        exhibit((name, "version-skipped"), Visit::Refresh, "repository.version-mismatch", skipped),
        exhibit((name, "not-its-own-keys"), Visit::Refresh, "repository.bad-signature", own),
    ]
}
