"""Exports of shops and SMS platforms: their layouts, and the mappings made of them (`smsroi import`).

`layouts` describes and recognises files, `templates` fills in the `.sql` files of `<kind>/`, `assumptions` finds time
zone, country and currency, `imports` puts all together, `written` writes the source, and `command` says what was done.
A new platform is a folder with `layout.yml` and templates, and its name in `layouts.KINDS`.
"""

from smsroi_helpers.source.exports.command import describe_import, files_with_kinds
from smsroi_helpers.source.exports.imported import Imported, ImportedFile
from smsroi_helpers.source.exports.imports import import_exports
from smsroi_helpers.source.exports.layouts import KINDS

__all__ = ["KINDS", "Imported", "ImportedFile", "describe_import", "files_with_kinds", "import_exports"]
