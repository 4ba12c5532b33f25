"""A strict subset of YAML, for source.yml and parameter files."""

import re
from typing import Any

import yaml

__all__ = [
    "parse_yaml",
]


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys and aliases.

    Everything except plain numbers, true, false, null and dates is text: `21:00` is not 1260, `NO` is not False, `017`
    is not 15.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML declares it

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "an alias (*name) is not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "a key must be a plain name", key_node.start_mark)
            if key in seen:
                problem = f"the key {key!r} appears twice (first on line {seen[key]})"
                raise yaml.MarkedYAMLError(None, None, problem, key_node.start_mark)
            seen[key] = line
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("timestamp", r"\d{4}-\d\d-\d\d", "0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))


def parse_yaml(text: str) -> tuple[Any, dict[tuple[str, ...], int]]:
    r"""Return the content of a YAML document, and the line of each key on the first two levels.

    An empty document is an empty mapping.

    >>> parse_yaml("at: 21:00\nbeta:\n  margin: 0.3\n")
    ({'at': '21:00', 'beta': {'margin': 0.3}}, {('at',): 1, ('beta',): 2, ('beta', 'margin'): 3})

    Raises:
        yaml.YAMLError: the document is invalid, or has a duplicate key or an alias; a MarkedYAMLError has the position.
        ValueError, RecursionError: a value is invalid (such as 2024-13-01), or the nesting is too deep.
    """
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return {}, {}
    content = loader.construct_document(node)
    lines: dict[tuple[str, ...], int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        lines[(key.value,)] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            lines |= {(key.value, inner.value): inner.start_mark.line + 1 for inner, _ in value.value}
    return content, lines
