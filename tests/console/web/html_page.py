"""Parse a page into links, forms with their fields, and ids."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin

_CHOICE_KINDS = ("checkbox", "radio")
_REFERENCE_ATTRIBUTES = ("list", "form", "for", "aria-controls", "aria-describedby", "aria-labelledby")
"""Attributes whose value is the id of another element of the page."""


class Link(NamedTuple):
    """An address on a page. `is_page` is False if it leads to a style, a script, an image or a download."""

    address: str
    is_page: bool


@dataclass
class Field:
    """A form field that a browser submits, with its possible values. A text field has only its current value.

    `suggestions` are the values that a text field offers while the user types (its `datalist`).
    """

    name: str
    kind: str
    values: list[str]
    chosen: str = ""
    required: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    suggestions: list[str] = field(default_factory=list)


@dataclass
class FormOnPage:
    """A form of a page, with its number of `buttons`. `other_actions` are the addresses in `formaction` of its buttons.

    A form without buttons cannot be submitted.
    """

    action: str
    method: str
    fields: list[Field] = field(default_factory=list)
    buttons: int = 0
    other_actions: list[str] = field(default_factory=list)


class HtmlPage(HTMLParser):
    """The links, forms and ids of one page."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__()
        self.address, self.html = address, html
        self.links: list[Link] = []
        self.forms: list[FormOnPage] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self._by_id: dict[str, FormOnPage] = {}
        self._controls: list[tuple[str, str, dict[str, str]]] = []
        self._open_form: FormOnPage | None = None
        self._select: Field | None = None
        self._datalists: dict[str, list[str]] = {}
        self._datalist: list[str] | None = None
        self.feed(html)
        for owner, tag, attributes in self._controls:  # a field may stand before the form that it names
            if owner in self._by_id:
                self._add_control(self._by_id[owner], tag, attributes)
        for each in (each for form in self.forms for each in form.fields):
            each.suggestions = self._datalists.get(each.attributes.get("list", ""), [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.references += [attributes[name] for name in _REFERENCE_ATTRIBUTES if name in attributes]
        self._read_link(tag, attributes)
        if tag == "form":
            self._open_form = FormOnPage(attributes.get("action", self.address), attributes.get("method", "get"))
            self.forms.append(self._open_form)
            self._by_id[attributes.get("id", "")] = self._open_form
        elif tag in {"input", "button", "select", "textarea"} and "disabled" not in attributes:
            if "form" in attributes:
                self._controls.append((attributes["form"], tag, attributes))
            elif self._open_form is not None:
                self._add_control(self._open_form, tag, attributes)
        elif tag == "datalist":
            self._datalist = self._datalists.setdefault(attributes["id"], [])
        elif tag == "option" and self._datalist is not None:
            self._datalist.append(attributes["value"])
        elif tag == "option" and self._select is not None:
            self._select.values.append(attributes.get("value", "\0"))
            if "selected" in attributes:
                self._select.chosen = self._select.values[-1]

    def handle_data(self, data: str) -> None:
        # The value of an option without one is its text.
        if self._select is not None and self._select.values[-1:] == ["\0"]:
            self._select.values[-1] = data.strip()
            self._select.chosen = data.strip() if self._select.chosen == "\0" else self._select.chosen

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open_form = None
        elif tag == "select":
            self._select = None
        elif tag == "datalist":
            self._datalist = None

    def problems(self) -> list[str]:
        """Return the errors of the page: duplicate ids, and references to missing ids."""
        doubled = sorted({each for each in self.ids if self.ids.count(each) > 1})
        fragments = [
            urldefrag(each.address).fragment
            for each in self.links
            if urldefrag(urljoin(self.address, each.address)).url == urldefrag(self.address).url
        ]
        missing = sorted({each for each in [*self.references, *fragments] if each and each not in self.ids})
        return [f"id {each} occurs twice" for each in doubled] + [f"nothing has the id {each}" for each in missing]

    def _read_link(self, tag: str, attributes: dict[str, str]) -> None:
        address = attributes.get("href") if tag in {"a", "link", "area"} else attributes.get("src")
        if address is not None:
            self.links.append(Link(address, tag == "a" and "download" not in attributes))

    def _add_control(self, form: FormOnPage, tag: str, attributes: dict[str, str]) -> None:
        name, kind = attributes.get("name", ""), attributes.get("type", "text" if tag == "input" else tag)
        if tag == "button" or kind in {"submit", "image"}:
            form.buttons += attributes.get("type", "submit") in {"submit", "image"}
            form.other_actions += [attributes["formaction"]] if "formaction" in attributes else []
        if not name or (kind in {"checkbox", "radio"} and "value" not in attributes):
            return
        value = attributes.get("value", "")
        same = next((each for each in form.fields if each.name == name and each.kind == kind in _CHOICE_KINDS), None)
        if same:
            same.values.append(value)
            same.chosen = value if "checked" in attributes else same.chosen
            return
        read = Field(name, kind, [] if tag == "select" else [value], value, "required" in attributes, attributes)
        form.fields.append(read)
        if tag == "select":
            self._select = read
