"""The secret key, and the pseudonyms made under it.

A pseudonym is HMAC-SHA-256 of an id (UTF-8, as reading compares it) under the key, its first 32 hexadecimal digits. A
plain hash would not do: all Chinese mobile numbers are hashed in 1.4 core-hours. 128 bits are enough: among a billion
customers the chance that any two share a pseudonym is 10¹⁸ / 2¹²⁹, about 1 in 10²¹. Nothing else goes into it, so that
whoever has the key and the id (the gateway that sends) can work out the same pseudonym in any language.
"""

import hashlib
import hmac
import os
from pathlib import Path

from smsroi_helpers.errors import UsageError
from smsroi_helpers.source import settings

__all__ = [
    "KEY_FILE_VARIABLE",
    "KEY_VARIABLE",
    "find_key",
    "key_id",
    "pseudonym",
    "read_key",
]

KEY_VARIABLE = "SMSROI_KEY"
KEY_FILE_VARIABLE = "SMSROI_KEY_FILE"
_MIN_KEY_BYTES = 32
_MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_hex(32))" makes one'


def find_key(data: str | Path) -> bytes | None:
    """The secret key that the environment holds or names the file of; None where it does neither.

    Args:
        data: the source's folder.

    Raises:
        UsageError: there is one and it cannot be used.
    """
    configured = os.environ.get(KEY_VARIABLE) or os.environ.get(KEY_FILE_VARIABLE)
    return read_key(None, data) if configured else None


def read_key(key_file: str | Path | None, data: str | Path) -> bytes:
    """The secret key: of the file if one is named, else of the environment's SMSROI_KEY, else of the file that
    SMSROI_KEY_FILE names; without a line's end.

    Args:
        key_file: a file outside the project and outside the source, or None.
        data: the source's folder.

    Raises:
        UsageError: no key, one of less than 32 bytes, or a file that lies beside what it is to protect.
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
            f"a secret key is needed, of {_MIN_KEY_BYTES} bytes at least: set {KEY_VARIABLE}, or name a file outside"
            f" the project with --key-file or {KEY_FILE_VARIABLE}; {_MAKE_A_KEY}"
        )
    key = key.rstrip(b"\r\n")
    if len(key) < _MIN_KEY_BYTES:
        raise UsageError(f"{origin} holds {len(key)} bytes; a key has {_MIN_KEY_BYTES} at least: {_MAKE_A_KEY}")
    return key


def _key_of_file(named: Path, data: str | Path) -> bytes:
    file = named.expanduser().resolve()
    for folder, name in ((settings.project_root(), "project"), (settings.resolve_path(data), "source")):
        if file.is_relative_to(folder.resolve()):
            raise UsageError(f"the key file lies inside the {name}, beside what it is to protect; keep it elsewhere")
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"the key file {file.name} cannot be read: {error.strerror}") from None


def key_id(key: bytes | None) -> str:
    """What tells one key from another without giving it away: 8 hexadecimal digits; empty for no key."""
    return "" if key is None else hashlib.sha256(b"smsroi key id:" + key).hexdigest()[:8]


def pseudonym(plain_id: str, key: bytes) -> str:
    """The pseudonym of an id that has been made plain.

    >>> pseudonym("what do ya want for nothing?", b"Jefe")  # RFC 4231, test case 2
    '5bdcc146bf60754e6a042426089575c7'
    """
    return hmac.digest(key, plain_id.encode(), "sha256").hex()[:32]
