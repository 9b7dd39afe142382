"""Makes a repository with python-tuf's own metadata API: make.py DIR KIND.

Kinds: consistent, plain (no consistent snapshots), delegated, bins (succinct, TAP 15), rotated (root twice, all online keys), sha512
(targets without SHA-256). Every kind has the target `hello.txt`; delegated and bins have `packs/acme/1/word.txt` too.
"""

import hashlib
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

directory, kind = Path(sys.argv[1]), sys.argv[2]
metadata_dir, targets_dir = directory / "metadata", directory / "targets"
metadata_dir.mkdir(parents=True)
targets_dir.mkdir()
expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=2)
consistent = kind != "plain"
signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "timestamp", "snapshot", "targets")}
signers["root"] = CryptoSigner.generate_ecdsa()


def put(name, content, algorithms):
    target = TargetFile.from_data(name, content, algorithms)
    folder, _, file = name.rpartition("/")
    (targets_dir / folder).mkdir(parents=True, exist_ok=True)
    prefix = f"{next(iter(target.hashes.values()))}." if consistent else ""
    (targets_dir / folder / f"{prefix}{file}").write_bytes(content)
    return target


def save(role, metadata, signer):
    metadata.sign(signer)
    version = f"{metadata.signed.version}." if consistent and role != "timestamp" or role == "root" else ""
    metadata.to_file(str(metadata_dir / f"{version}{role}.json"))


algorithms = ["sha512"] if kind == "sha512" else ["sha256"]
word = b"a word of acme\n"
targets = Targets(expires=expires)
targets.targets["hello.txt"] = put("hello.txt", b"hello of python\n", algorithms)
snapshot = Snapshot(expires=expires)

if kind == "delegated":
    acme = CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256")
    # The delegation says more than today's clients know; it is signed all the same.
    role = DelegatedRole("acme", [acme.public_key.keyid], 1, True, paths=["packs/acme/*/*"], unrecognized_fields={"note": "kept"})
    targets.delegations = Delegations({acme.public_key.keyid: acme.public_key}, {"acme": role})
    vendor = Targets(expires=expires)
    vendor.targets["packs/acme/1/word.txt"] = put("packs/acme/1/word.txt", word, algorithms)
    # Not acme's to publish: nobody may believe it.
    vendor.targets["packs/other/1/word.txt"] = put("packs/other/1/word.txt", word, algorithms)
    save("acme", Metadata(vendor), acme)
    snapshot.meta["acme.json"] = MetaFile(1)
elif kind == "bins":
    binner = CryptoSigner.generate_ed25519()
    bins = SuccinctRoles([binner.public_key.keyid], 1, 5, "bin")
    targets.delegations = Delegations({binner.public_key.keyid: binner.public_key}, succinct_roles=bins)
    name = "packs/acme/1/word.txt"
    for role in bins.get_roles():
        part = Targets(expires=expires)
        if role == bins.get_role_for_target(name):
            part.targets[name] = put(name, word, algorithms)
        save(role, Metadata(part), binner)
        snapshot.meta[f"{role}.json"] = MetaFile(1)

root = Root(expires=expires, consistent_snapshot=consistent)
for role, signer in signers.items():
    root.add_key(signer.public_key, role)
first = Metadata(root)
save("root", first, signers["root"])
if kind == "rotated":
    for version in (2, 3):
        old = signers["root"]
        for role in ("root", "timestamp", "snapshot", "targets"):
            fresh = CryptoSigner.generate_ed25519()
            root.revoke_key(signers[role].public_key.keyid, role)
            root.add_key(fresh.public_key, role)
            signers[role] = fresh
        root.version = version
        metadata = Metadata(root)
        metadata.sign(old)
        metadata.sign(signers["root"], append=True)
        metadata.to_file(str(metadata_dir / f"{version}.root.json"))

save("targets", Metadata(targets), signers["targets"])
save("snapshot", Metadata(snapshot), signers["snapshot"])
save("timestamp", Metadata(Timestamp(expires=expires)), signers["timestamp"])
print(hashlib.sha256(word).hexdigest())
