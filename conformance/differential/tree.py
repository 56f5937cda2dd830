"""SQL as a tree of text, so that a failing query can be cut down.

A `Node` is a typed piece of SQL: strings and further nodes. What a shrinker may do with it follows from the type alone:
a node may become one of its own descendants of the same type, a value may become NULL, an `Optional_` may vanish, an
item of a `Listing` may be left out. Whether the rest is still SQL is for the engines to say.
"""

from typing import Callable, Dict, Iterator, List, Optional, Union

Part = Union[str, "Node"]

VALUE_TYPES = ("int", "double", "text", "bool", "date", "decimal")

# Words in the text that each dialect spells its own way.
WORDS: Dict[str, Dict[str, str]] = {
    "velaria": {
        "@int@": "INT",
        "@bigint@": "BIGINT",
        "@double@": "DOUBLE",
        "@text@": "TEXT",
        "@bool@": "BOOLEAN",
        "@wide@": "",
    },
    "duckdb": {
        "@int@": "BIGINT",
        "@bigint@": "BIGINT",
        "@double@": "DOUBLE",
        "@text@": "TEXT",
        "@bool@": "BOOLEAN",
        "@wide@": "::BIGINT",
    },
    "sqlite": {
        "@int@": "INTEGER",
        "@bigint@": "INTEGER",
        "@double@": "DOUBLE",
        "@text@": "TEXT",
        "@bool@": "INTEGER",
        "@wide@": "",
    },
}


class Node:
    """A piece of SQL of one type: a value type, "query", "source" or "" for glue."""

    __slots__ = ("type", "parts")

    def __init__(self, type: str, *parts: Part):
        self.type = type
        self.parts: List[Part] = list(parts)

    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text() for part in self.parts)

    def sql(self, dialect: str) -> str:
        text = self.text()
        for word, spelled in WORDS[dialect].items():
            text = text.replace(word, spelled)
        return text

    def rebuilt(self, parts: List[Part]) -> "Node":
        return Node(self.type, *parts)

    def local_cuts(self) -> Iterator["Node"]:
        """Smaller nodes that may stand in the place of this one."""
        seen = set()
        for inner in self.descendants():
            if inner.type == self.type and self.type and inner.text() not in seen:
                seen.add(inner.text())
                yield inner
        # A column or literal stays what it is: a case without any value in it says less.
        if self.type in VALUE_TYPES and self.type != "bool" and any(isinstance(part, Node) for part in self.parts):
            yield Node(self.type, "NULL")

    def descendants(self) -> Iterator["Node"]:
        for part in self.parts:
            if isinstance(part, Node):
                yield part
                yield from part.descendants()

    def cuts(self) -> Iterator["Node"]:
        """Every tree that differs from this one by one cut, the largest cuts first."""
        yield from self.local_cuts()
        for at, part in enumerate(self.parts):
            if isinstance(part, Node):
                for smaller in part.cuts():
                    yield self.rebuilt(self.parts[:at] + [smaller] + self.parts[at + 1 :])


class Optional_(Node):
    """A clause that may be left out."""

    __slots__ = ()

    def rebuilt(self, parts: List[Part]) -> Node:
        return Optional_(self.type, *parts)

    def local_cuts(self) -> Iterator[Node]:
        yield Node("", "")


class Listing(Node):
    """Items with a separator, of which at least one has to stay."""

    __slots__ = ("separator",)

    def __init__(self, separator: str, items: List[Node]):
        super().__init__("", *items)
        self.separator = separator

    def text(self) -> str:
        return self.separator.join(part if isinstance(part, str) else part.text() for part in self.parts)

    def rebuilt(self, parts: List[Part]) -> Node:
        return Listing(self.separator, [part for part in parts if isinstance(part, Node)])

    def local_cuts(self) -> Iterator[Node]:
        if len(self.parts) > 1:
            for at in range(len(self.parts)):
                yield self.rebuilt(self.parts[:at] + self.parts[at + 1 :])


def shrink(tree: Node, still_fails: Callable[[Node], bool], tries: int = 400) -> Node:
    """The smallest tree found that still fails, by taking the first cut that does, again and again."""
    found: Optional[Node] = tree
    while found is not None:
        tree, found = found, None
        for smaller in tree.cuts():
            if tries <= 0:
                return tree
            if len(smaller.text()) >= len(tree.text()):
                continue
            tries -= 1
            if still_fails(smaller):
                found = smaller
                break
    return tree
