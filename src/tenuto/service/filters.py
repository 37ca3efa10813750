"""The filters of lists, as far as they go here: conjunctions of comparisons with literals.

The words of complaints are those clients know for queries that cannot be understood. This room must never know what a name
means.
"""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from tenuto.service.errors import invalid

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>`[^`]+`|[A-Za-z_][\w.]*)
    | (?P<mark><=|>=|<>|!=|[=<>(),])
    )""",
    re.VERBOSE,
)
_OFFSET = 28
"""Positions in complaints count from the beginning of the statement that clients imagine around the query."""
_CLAUSES = {"order": "'ORDER BY' clause", "group": "'GROUP BY' clause", "limit": "'LIMIT' clause"}
CHOICES = 100
_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Comparison:
    """``operator``: one of = != < <= > >= in starts_with; only ``in`` has other than one value."""

    name: str
    operator: str
    values: tuple[str, ...]
    quoted: bool
    """The value was written as text."""


class _Token(NamedTuple):
    kind: str
    value: str
    end: int


def malformed(problem: str) -> NoReturn:
    invalid(f"invalid query: malformed SQL query: {problem}")


def unsupported(what: str) -> NoReturn:
    invalid(f"invalid query: operation is not supported: {what}")


def conjunction(text: str) -> list[Comparison]:
    """The comparisons of a query that must all hold; none for an empty one. Raises INVALID_ARGUMENT."""
    (found,) = _Reader(text).read()
    return found


def alternatives(text: str) -> list[list[Comparison]]:
    """The comparisons of a query, in groups of which one must hold as a whole; one empty group for an empty query. Raises
    INVALID_ARGUMENT."""
    return _Reader(text, choices=True).read()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, size = 0, len(text.rstrip())
    while at < size:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            malformed(f"syntax error at position {_OFFSET + size - len(rest) + 1} near '{rest[:1]}'")
        kind = match.lastgroup
        assert kind is not None
        found.append(_Token(kind, match[kind], match.end()))
        at = match.end()
    return found


class _Reader:
    def __init__(self, text: str, choices: bool = False) -> None:
        self._choices = choices
        self._tokens = _tokens(text)
        self._size = len(text.rstrip())
        self._at = 0

    def read(self) -> list[list[Comparison]]:
        if not self._tokens:
            return [[]]
        if (clause := self._clause()) is not None:
            unsupported(clause)
        found = self._any()
        if self._at < len(self._tokens):
            self._stuck()
        return found

    def _any(self) -> list[list[Comparison]]:
        found = self._all()
        while self._word() == "or":
            if not self._choices:
                unsupported("'OR' expression")
            self._at += 1
            found += self._all()
        return found

    def _all(self) -> list[list[Comparison]]:
        found = self._one()
        while self._word() == "and":
            self._at += 1
            more = self._one()
            if len(found) * len(more) > CHOICES:
                unsupported(f"more than {CHOICES} alternatives")
            found = [first + second for first in found for second in more]
        return found

    def _one(self) -> list[list[Comparison]]:
        if self._peek() == "(":
            self._at += 1
            inner = self._any()
            self._expect(")")
            return inner
        if self._word() == "not":
            unsupported("'NOT' expression")
        return [[self._comparison()]]

    def _comparison(self) -> Comparison:
        name = self._take("word").strip("`")
        operator = self._peek()
        if operator in _COMPARISONS:
            self._at += 1
            value, quoted = self._value()
            return Comparison(name, "!=" if operator == "<>" else operator, (value,), quoted)
        word = self._word()
        if word == "starts_with":
            self._at += 1
            value, quoted = self._value()
            return Comparison(name, word, (value,), quoted)
        if word == "in":
            self._at += 1
            return self._list(name)
        if word in ("between", "is", "not", "like"):
            unsupported(f"operator '{word.upper()}'")
        if self._at >= len(self._tokens) or word == "and":
            malformed("incomplete expression")
        return self._stuck()

    def _list(self, name: str) -> Comparison:
        self._expect("(")
        value, quoted = self._value()
        values = [value]
        while self._peek() == ",":
            self._at += 1
            value, also = self._value()
            values.append(value)
            quoted = quoted and also
        self._expect(")")
        return Comparison(name, "in", tuple(values), quoted)

    def _value(self) -> tuple[str, bool]:
        if self._at >= len(self._tokens):
            self._stuck()
        token = self._tokens[self._at]
        if token.kind == "text":
            self._at += 1
            quote = token.value[0]
            plain = token.value[1:-1].replace(quote * 2, quote)
            return re.sub(r"\\(.)", r"\1", plain), True
        if token.kind == "number" or token.value.lower() in ("true", "false"):
            self._at += 1
            return token.value, False
        if token.kind == "word":
            invalid(
                "invalid query: invalid expression: column name on the right side of comparison expression "
                f'(did you forget to quote "{token.value}"?)'
            )
        return self._stuck()

    def _peek(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at].kind == "mark":
            return self._tokens[self._at].value
        return ""

    def _word(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at].kind == "word":
            return self._tokens[self._at].value.lower()
        return ""

    def _take(self, kind: str) -> str:
        if self._at >= len(self._tokens) or self._tokens[self._at].kind != kind:
            self._stuck()
        self._at += 1
        return self._tokens[self._at - 1].value

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            self._stuck()
        self._at += 1

    def _clause(self) -> str | None:
        return _CLAUSES.get(self._word())

    def _stuck(self) -> NoReturn:
        """Raises what is wrong at the next token."""
        if self._at >= len(self._tokens):
            malformed(f"syntax error at position {_OFFSET + self._size}")
        if (clause := self._clause()) is not None:
            unsupported(clause)
        token = self._tokens[self._at]
        malformed(f"syntax error at position {_OFFSET + token.end} near '{token.value}'")


def holds(term: Comparison, value: Any) -> bool:
    """Whether an attribute's value is as the term wants it; one that is not there only differs."""
    if isinstance(value, list):
        if term.operator == "!=":
            return term.values[0] not in value
        return any(holds(term, one) for one in value)
    if value is None:
        return term.operator == "!="
    wanted = [_like(value, text) for text in term.values]
    first = wanted[0]
    match term.operator:
        case "=" | "in":
            return bool(value in wanted)
        case "!=":
            return bool(value != first)
        case "starts_with":
            return str(value).startswith(str(first))
    try:
        order = (value > first) - (value < first)
    except TypeError:
        return False
    return bool({"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[term.operator])


def _like(value: Any, text: str) -> Any:
    """A query's literal as the kind of value it is compared with."""
    if isinstance(value, bool):
        return text.lower() == "true"
    if isinstance(value, (int, float)):
        try:
            return float(text)
        except ValueError:
            return text
    return text
