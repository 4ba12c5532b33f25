"""The secret key, and the pseudonyms computed with it.

A pseudonym is the first 32 hexadecimal digits of HMAC-SHA-256(key, id), with the id normalised and in UTF-8. A plain
hash is not safe: hashing all Chinese mobile numbers takes 1.4 core-hours. 128 bits are enough: among a billion
customers, the probability of any collision is 10¹⁸ / 2¹²⁹, about 1 in 10²¹. The pseudonym depends only on key and id,
so the SMS gateway, which has both, can compute it in any language.
"""

import hashlib
import hmac
import os
import re
from pathlib import Path

from smsroi_helpers.contract import DAMAGED_ID
from smsroi_helpers.errors import UsageError
from smsroi_helpers.source import settings

__all__ = [
    "KEY_FILE_VARIABLE",
    "KEY_VARIABLE",
    "MAKE_A_KEY",
    "USE_THE_KEY",
    "find_key",
    "key_for_source",
    "key_id",
    "pseudonym",
    "read_key",
]

KEY_VARIABLE = "SMSROI_KEY"
KEY_FILE_VARIABLE = "SMSROI_KEY_FILE"
_MIN_KEY_BYTES = 32
MAKE_A_KEY = '(umask 077; set -C; .venv/bin/python -c "import secrets; print(secrets.token_hex(32))" > ~/smsroi.key)'
"""A command that makes a key, and keeps the file that is there: under another key every pseudonym would change."""
USE_THE_KEY = f"export {KEY_FILE_VARIABLE}=~/smsroi.key"
_MAKE_A_KEY = f"if you have made one: {USE_THE_KEY}; to make one, once: {MAKE_A_KEY}"


def find_key(data: str | Path) -> bytes | None:
    """Return the secret key from SMSROI_KEY or the file in SMSROI_KEY_FILE; None if neither is set.

    Args:
        data: folder of the source.

    Raises:
        UsageError: the key cannot be used.
    """
    configured = os.environ.get(KEY_VARIABLE) or os.environ.get(KEY_FILE_VARIABLE)
    return read_key(None, data) if configured else None


def key_for_source(data: str | Path, *, needed: bool) -> bytes | None:
    """Return the secret key as `find_key` does.

    Args:
        data: folder of the source.
        needed: `pseudonymise: true` in source.yml.

    Raises:
        UsageError: the key cannot be used, or it is needed and not set.
    """
    key = find_key(data)
    if key is None and needed:
        raise UsageError(
            f"source.yml says `pseudonymise: true`, so a secret key of at least {_MIN_KEY_BYTES} bytes is needed: set"
            f" {KEY_VARIABLE}, or {KEY_FILE_VARIABLE} to a file outside the project; {_MAKE_A_KEY}"
        )
    return key


def read_key(key_file: str | Path | None, data: str | Path) -> bytes:
    """Return the secret key: from `key_file`, else SMSROI_KEY, else the file in SMSROI_KEY_FILE.

    Line breaks at its end are removed.

    Args:
        key_file: a file outside the project and outside the source, or None.
        data: folder of the source.

    Raises:
        UsageError: there is no key, it is shorter than 32 bytes, or its file is inside the project or the source.
    """
    configured = os.environ.get(KEY_VARIABLE)
    if key_file is None and not configured:
        key_file = os.environ.get(KEY_FILE_VARIABLE) or None
    if key_file is not None:
        key, origin = _key_of_file(Path(key_file), data), "the key file"
    elif configured:
        key, origin = os.fsencode(configured), KEY_VARIABLE
    else:
        raise UsageError(
            f"a secret key of at least {_MIN_KEY_BYTES} bytes is needed: set {KEY_VARIABLE}, or name a file outside"
            f" the project with --key-file or {KEY_FILE_VARIABLE}; {_MAKE_A_KEY}"
        )
    key = key.rstrip(b"\r\n")
    if len(key) < _MIN_KEY_BYTES:
        raise UsageError(f"{origin} has {len(key)} bytes; a key needs at least {_MIN_KEY_BYTES}: {_MAKE_A_KEY}")
    return key


def _key_of_file(named: Path, data: str | Path) -> bytes:
    file = named.expanduser().resolve()
    for folder, name in ((settings.project_root(), "project"), (settings.resolve_path(data), "source")):
        if file.is_relative_to(folder.resolve()):
            raise UsageError(f"the key file is inside the {name} that it protects; move it elsewhere")
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"the key file {file.name} cannot be read: {error.strerror}") from None


def key_id(key: bytes | None) -> str:
    """Return 8 hexadecimal digits that identify a key without revealing it; empty without a key."""
    return "" if key is None else hashlib.sha256(b"smsroi key id:" + key).hexdigest()[:8]


def pseudonym(plain_id: str, key: bytes) -> str:
    """Return the pseudonym of a normalised id; an id that a spreadsheet has rounded stays, so that it is refused.

    >>> pseudonym("what do ya want for nothing?", b"Jefe")  # RFC 4231, test case 2
    '5bdcc146bf60754e6a042426089575c7'
    >>> pseudonym("4.47911E+11", b"Jefe")
    '4.47911E+11'
    """
    if re.fullmatch(DAMAGED_ID, plain_id):
        return plain_id
    return hmac.digest(key, plain_id.encode(), "sha256").hex()[:32]
