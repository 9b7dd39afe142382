"""Reads a repository with python-tuf's own client: read.py ROOT METADATA_URL TARGETS_URL STATE OUT [NAME...].

Prints one line for each target, `SHA256 NAME`; a target that does not exist ends with code 3.
"""

import hashlib
import sys
from pathlib import Path

from tuf.ngclient import Updater

root, metadata_url, targets_url, state, out, *names = sys.argv[1:]
Path(state).mkdir(parents=True, exist_ok=True)
Path(out).mkdir(parents=True, exist_ok=True)
trusted = Path(root).read_bytes()
updater = Updater(
    metadata_dir=state,
    metadata_base_url=metadata_url,
    target_dir=out,
    target_base_url=targets_url,
    bootstrap=trusted,
)
updater.refresh()
for number, name in enumerate(names):
    info = updater.get_targetinfo(name)
    if info is None:
        sys.exit(3)
    path = updater.download_target(info, filepath=str(Path(out) / str(number)))
    print(hashlib.sha256(Path(path).read_bytes()).hexdigest(), name)
