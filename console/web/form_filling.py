"""Fill in a form of a rendered page. The result looks as if a user had filled in the form in a browser."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

_CONTROLS = frozenset({"input", "select", "textarea", "button"})
_FOLDED_TAGS = frozenset({"details", "dialog"})
_POPOVER = "popover"
_VOID_TAGS = frozenset("area base br col embed hr img input link meta source track wbr".split())
"""Elements that have no end tag."""
_BUTTONS = frozenset({"submit", "button", "image", "reset", "file", "password"})
_CSRF = "csrf"
Attributes = dict[str, str | None]


def fill_form(page: str, path: str, fields: Sequence[tuple[str, str]]) -> str | None:
    """Return the page with the values of `fields` in the form that posts to `path`, or None if it has no such form.

    If there are several such forms, fill in the one that shares the most hidden values with `fields`. Hidden fields
    also get their values from `fields`, such as the version that the user saw. Only the CSRF token is not replaced.
    Folded elements around the form are opened.
    """
    reader = _FormReader()
    reader.feed(page)
    sent = set(fields)
    forms = [each for each in reader.forms if each.posts_to(path)]
    if not forms:
        return None
    chosen = max(forms, key=lambda each: len(sent.intersection(each.hidden)))
    writer = _FormWriter(chosen, fields)
    writer.feed(page)
    writer.close()
    return "".join(writer.parts)


@dataclass
class _FoundForm:
    """A form of a page. `place` is its number among the forms of the page.

    `folded` are the places of the folded elements around it.
    """

    place: int
    attributes: Attributes
    folded: frozenset[int]
    hidden: list[tuple[str, str]] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    def posts_to(self, path: str) -> bool:
        is_post = (self.attributes.get("method") or "").casefold() == "post"
        return is_post and urlsplit(self.attributes.get("action") or "").path == path


class _FormWalker(HTMLParser):
    """Parses a page, and keeps track of the form and the folded elements that contain the current tag.

    Popovers, dialogs and elements with a summary are folded. The place of a folded element is its number on the page.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.form_place, self.folded_place = -1, -1
        self.open_form: Attributes | None = None
        self._open: list[tuple[str, int | None]] = []

    @property
    def open_folded(self) -> frozenset[int]:
        """The places of the folded elements that contain the current tag."""
        return frozenset(place for _, place in self._open if place is not None)

    def enter(self, tag: str, attributes: Attributes) -> bool:
        """Record the beginning of an element. Return whether the element is folded."""
        is_folded = tag in _FOLDED_TAGS or _POPOVER in attributes
        if tag == "form":
            self.form_place, self.open_form = self.form_place + 1, attributes
        if is_folded:
            self.folded_place += 1
        if tag not in _VOID_TAGS:
            self._open.append((tag, self.folded_place if is_folded else None))
        return is_folded

    def leave(self, tag: str) -> None:
        """Record the end of an element. Elements inside it that have no end tag end too."""
        if tag == "form":
            self.open_form = None
        names = [name for name, _ in self._open]
        if tag in names:
            del self._open[len(names) - 1 - names[::-1].index(tag) :]


class _FormReader(_FormWalker):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_FoundForm] = []

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.enter(tag, attributes)
        if tag == "form":
            self.forms.append(_FoundForm(self.form_place, attributes, self.open_folded))
        elif tag in _CONTROLS and (form := self._owning_form(attributes)):
            name = attributes.get("name") or ""
            if attributes.get("type") == "hidden":
                form.hidden.append((name, attributes.get("value") or ""))
            else:
                form.shown.add(name)

    def handle_endtag(self, tag: str) -> None:
        self.leave(tag)

    def _owning_form(self, attributes: Attributes) -> _FoundForm | None:
        if "form" in attributes:
            return next((each for each in self.forms if each.attributes.get("id") == attributes["form"]), None)
        return self.forms[-1] if self.open_form is not None else None


class _FormWriter(_FormWalker):
    """Copies a page, and fills in the fields of one form."""

    def __init__(self, form: _FoundForm, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._form = form
        self._values: dict[str, list[str]] = defaultdict(list)
        for name, value in fields:
            self._values[name].append(value)
        self._select: str | None = None
        self._option: int | None = None
        self._skipping = False

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        is_folded = self.enter(tag, attributes)
        if tag == "form" and self.form_place == self._form.place:
            self.parts += [self._start_tag_text(), *self._hidden_inputs()]
        elif is_folded and self.folded_place in self._form.folded:
            self._write_opened(tag, attributes)
        elif tag == "option" and self._select is not None:
            self._start_option(attributes)
        elif tag in _CONTROLS and self._is_own(attributes):
            self._write_control(tag, attributes)
        else:
            self.parts.append(self._start_tag_text())

    def handle_startendtag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID_TAGS:
            self.leave(tag)

    def handle_endtag(self, tag: str) -> None:
        self.leave(tag)
        if tag == "textarea":
            self._skipping = False
        elif tag == "select":
            self._select = None
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._option is not None and self._select is not None:
            # If an option has no attribute `value`, its text is the value.
            chosen = data.strip() in self._values[self._select]
            self.parts[self._option] = "<option selected>" if chosen else "<option>"
            self._option = None
        self._write(data)

    def handle_entityref(self, name: str) -> None:
        self._write(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._write(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self._write(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._write(f"<!{decl}>")

    def _write(self, text: str) -> None:
        if not self._skipping:
            self.parts.append(text)

    def _start_tag_text(self) -> str:
        return self.get_starttag_text() or ""

    def _is_own(self, attributes: Attributes) -> bool:
        if "form" in attributes:
            return attributes["form"] == self._form.attributes.get("id")
        return self.open_form is not None and self.form_place == self._form.place

    def _hidden_inputs(self) -> Iterable[str]:
        """Return hidden inputs for the sent values that have no visible field in the form."""
        for name, values in self._values.items():
            if name not in self._form.shown and name != _CSRF:
                yield from (_tag("input", {"type": "hidden", "name": name, "value": each}) for each in values)

    def _write_control(self, tag: str, attributes: Attributes) -> None:
        name, kind = attributes.get("name") or "", attributes.get("type") or "text"
        if tag == "textarea":
            self.parts += [self._start_tag_text(), escape(self._next_value(name))]
            self._skipping = True
        elif tag == "select":
            self._select = name
            self.parts.append(self._start_tag_text())
        elif tag == "button" or kind in _BUTTONS or (kind == "hidden" and name == _CSRF):
            self.parts.append(self._start_tag_text())
        elif kind in {"checkbox", "radio"}:
            is_checked = (attributes.get("value") or "on") in self._values[name]
            rest = {key: value for key, value in attributes.items() if key != "checked"}
            self.parts.append(_tag(tag, rest | ({"checked": None} if is_checked else {})))
        elif kind != "hidden":
            self.parts.append(_tag(tag, attributes | {"value": self._next_value(name)}))

    def _write_opened(self, tag: str, attributes: Attributes) -> None:
        rest = {key: value for key, value in attributes.items() if key != _POPOVER}
        self.parts.append(_tag(tag, rest | ({"open": None} if tag in _FOLDED_TAGS else {})))

    def _start_option(self, attributes: Attributes) -> None:
        rest = {key: value for key, value in attributes.items() if key != "selected"}
        if "value" not in attributes:
            self._option = len(self.parts)
            self.parts.append(_tag("option", rest))
            return
        is_chosen = (attributes["value"] or "") in self._values[self._select or ""]
        self.parts.append(_tag("option", rest | ({"selected": None} if is_chosen else {})))

    def _next_value(self, name: str) -> str:
        values = self._values[name]
        return values.pop(0) if values else ""


def _tag(name: str, attributes: Attributes) -> str:
    written = (key if value is None else f'{key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{' '.join([name, *written])}>"
