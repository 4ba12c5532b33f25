"""Data sources: settings, reading, validation, pseudonyms, and the `Shop` that the stages query."""

from smsroi_helpers.source.examples import EXAMPLES, write_example
from smsroi_helpers.source.exports import KINDS as EXPORT_KINDS
from smsroi_helpers.source.exports import Imported, describe_import, files_with_kinds, import_exports
from smsroi_helpers.source.files import fingerprint_inputs
from smsroi_helpers.source.identities import PEOPLE_MESSAGES
from smsroi_helpers.source.loaded import Loaded, resolve_as_of
from smsroi_helpers.source.pseudonym_key import find_key, key_id, read_key
from smsroi_helpers.source.pseudonymise import pseudonymise
from smsroi_helpers.source.read import load
from smsroi_helpers.source.settings import project_root, resolve_path
from smsroi_helpers.source.shop import Shop, once, open_shop, share_engine
from smsroi_helpers.source.time_zones import canonical_zone, country_of_zone
from smsroi_helpers.source.yaml_text import parse_yaml

__all__ = [
    "EXAMPLES",
    "EXPORT_KINDS",
    "PEOPLE_MESSAGES",
    "Imported",
    "Loaded",
    "Shop",
    "canonical_zone",
    "country_of_zone",
    "describe_import",
    "files_with_kinds",
    "find_key",
    "fingerprint_inputs",
    "import_exports",
    "key_id",
    "load",
    "once",
    "open_shop",
    "parse_yaml",
    "project_root",
    "pseudonymise",
    "read_key",
    "resolve_as_of",
    "resolve_path",
    "share_engine",
    "write_example",
]
