"""The form of a page is filled in with the values that a user has sent. The rest of the page does not change."""

import pytest

from console.web.form_filling import fill_form
from tests.console.web.html_page import HtmlPage

PAGE = """<!doctype html>
<html><body><p>1 &lt; 2 &#8211; &nbsp;</p><!-- a comment --><script>if (1 < 2) { "&amp;" }</script>
<details><summary>Acknowledge</summary>
<form method="post" action="/exceptions/7/acknowledge" class="stack"><input type="hidden" name="csrf" value="fresh">
<input type="hidden" name="version" value="3"><label>Reason <input name="reason" required></label>
<textarea name="note">old &amp; gone</textarea>
<select name="kind"><option value="">None</option><option value="a" selected>A</option>
<option value="b">B</option></select>
<select name="like"><option>north</option><option selected>south</option></select>
<input type="checkbox" name="type" value="Copay" checked><input type="checkbox" name="type" value="Other">
<input type="radio" name="role" value="admin" checked><input type="radio" name="role" value="billing">
<input type="password" name="password"><button name="next" value="1">Send</button></form></details>
<details><form method="post" action="/users/disable"><input type="hidden" name="name" value="ann"></form></details>
<div id="ask" class="card" popover><p>Disable?<img src="x"></p><div popover>a</div>
<form method="post" action="/users/disable" id="bo"><input type="hidden" name="name" value="bo"></form></div>
<input name="why" form="bo"><form action="/exceptions/7/acknowledge"><input name="reason" value="a search"></form>
</body></html>"""
SENT_FIELDS = [
    ("csrf", "old"),
    ("version", "2"),
    ("reason", 'as "agreed" <b> & so on'),
    ("note", "two\nlines </textarea>"),
    ("kind", "b"),
    ("like", "north"),
    ("type", "Other"),
    ("role", "billing"),
    ("seen", "1"),
    ("seen", "2"),
]


def fields_of_form(page: str, number: int) -> dict[str, list[str]]:
    form = HtmlPage("/", page).forms[number]
    values: dict[str, list[str]] = {}
    for each in form.fields:
        if each.kind not in {"checkbox", "radio"} or "checked" in each.attributes:
            values.setdefault(each.name, []).append(each.chosen)
    return values


def test_form_is_filled_in_with_the_sent_values() -> None:
    filled = fill_form(PAGE, "/exceptions/7/acknowledge", SENT_FIELDS)
    assert filled

    values = fields_of_form(filled, 0)
    assert (values["csrf"], values["version"], values["seen"]) == (["fresh"], ["2"], ["1", "2"])
    assert (values["reason"], values["kind"], values["like"]) == (['as "agreed" <b> & so on'], ["b"], ["north"])
    assert '<textarea name="note">two\nlines &lt;/textarea&gt;</textarea>' in filled
    assert '<input type="checkbox" name="type" value="Copay">' in filled
    assert '<input type="checkbox" name="type" value="Other" checked>' in filled
    assert '<input type="radio" name="role" value="billing" checked>' in filled
    assert '<input type="password" name="password">' in filled
    assert filled.count("<details open>") == 1
    assert filled.index("<details open>") < filled.index("/exceptions/7/acknowledge")


def test_rest_of_the_page_is_unchanged() -> None:
    filled = fill_form(PAGE, "/exceptions/7/acknowledge", SENT_FIELDS)
    assert filled

    end = PAGE.index("</form></details>")
    assert filled.endswith(PAGE[end:])
    assert filled.startswith(PAGE[: PAGE.index("<details>")])


def test_form_with_the_same_hidden_fields_is_chosen_among_several() -> None:
    filled = fill_form(PAGE, "/users/disable", [("name", "bo"), ("why", "has left")])
    assert filled

    assert '<input name="why" form="bo" value="has left">' in filled
    assert '<div id="ask" class="card">' in filled
    assert filled.count(" popover>") == 1
    assert '<input type="hidden" name="name" value="ann">' in filled


@pytest.mark.parametrize("path", ["/users", "/exceptions/8/acknowledge", ""])
def test_page_without_the_form_cannot_be_filled_in(path: str) -> None:
    assert fill_form(PAGE, path, SENT_FIELDS) is None
