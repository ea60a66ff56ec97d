"""Refuse to start when another distribution has put its files over one of our packages.

Our import names are generic; installed beside another program that ships ``api/`` or ``schemas/``, one of the two
is silently overwritten. Aftermerge is an application: it wants an environment or a container of its own.
"""

import importlib
from importlib import metadata
from pathlib import Path

from schemas.errors import StoreError

PACKAGES = ("schemas", "collector", "correlator", "api")
DISTRIBUTION = "aftermerge"


def refuse() -> None:
    """Raise when a package of ours is not the one that belongs to this program.

    Raises:
        StoreError: names the package, where it comes from and who else claims it.
    """
    home = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        found = importlib.import_module(name).__file__
        if found is None or Path(found).resolve().parent != home / name:
            raise StoreError(
                f"the package {name!r} comes from {found}, not from {home}",
                hint="install aftermerge in a virtual environment of its own",
                package=name,
            )
    claimed = metadata.packages_distributions()
    for name in PACKAGES:
        others = sorted(set(claimed.get(name, ())) - {DISTRIBUTION})
        if others:
            raise StoreError(
                f"{', '.join(others)} ships a package {name!r} too; one has overwritten the other",
                hint="install aftermerge in a virtual environment of its own",
                package=name,
                others=others,
            )
