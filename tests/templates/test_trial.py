"""Templates that others wrote: what is refused at load, and with which line."""

import threading
from pathlib import Path

import pytest

import templates
from templates import InputError
from templates.trial import complaint_about, try_out

CHAT = "{% for m in messages %}{{ m.content }}</s>{% endfor %}\n"


def test_a_sound_template_passes() -> None:
    assert try_out(CHAT) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ messages", "line 1: unexpected end of template"),
        ("\n\n{% for m in messages %}{{ m.content }}", "line 3: Unexpected end of template"),
        ("\n\n{{ nowhere.x }}", "line 3: 'nowhere' is undefined"),
        (CHAT + "{{ messages.__class__.__mro__ }}", "line 2: a template may not reach for hidden attributes"),
        (CHAT + "{% if false %}{{ messages['__class__'] }}{% endif %}", "line 2: a template may not reach"),
        (CHAT + "{{ messages | attr('__class__') }}", "line 2: a template may not reach for hidden attributes"),
        (CHAT + "{{ messages[('__cl' ~ 'ass__')].x }}", "line 2: access to attribute '__class__'"),
        (CHAT + "{{ messages.append(1) }}", "line 2: access to attribute 'append'"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "line 1: maximum recursion depth"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", "line 1: Range too big"),
        ("{{ raise_exception('only Latin') }}", "line 1: only Latin"),
    ],
)
def test_what_breaks_or_reaches_out_is_refused_with_its_line(text: str, complaint: str) -> None:
    found = complaint_about(text)
    assert found is not None
    assert complaint in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "{% for a in range(99999) %}\n{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "line 2: it takes longer than 3 seconds for a short conversation; a loop in it never ends",
        ),
        ("{{ 'x' * 10 ** 10 }}", "line 1: it asks for more than 1 GiB of memory"),
    ],
)
def test_what_does_not_end_is_ended(text: str, complaint: str) -> None:
    assert complaint in str(try_out(text))


def test_a_template_may_refuse_roles_that_it_does_not_know() -> None:
    strict = "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}"
    assert complaint_about(strict + "{% endfor %}") is None


def test_a_template_is_tried_from_any_thread() -> None:
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(try_out("\n{{ thread.x }}")))
    thread.start()
    thread.join()
    assert found == ["line 2: 'thread' is undefined"]


def test_a_file_is_refused_with_its_name_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("\n{{ messages", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.jinja, line 2: unexpected end of template"):
        templates.load(str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"mine\.jinja: not a readable template"):
        templates.load(str(path))
    with pytest.raises(InputError, match=r"none\.jinja: not a readable template"):
        templates.load(str(tmp_path / "none.jinja"))


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text(CHAT, encoding="utf-8")
    template = templates.load(str(path))
    assert (template.name, template.text) == (str(path), CHAT)
    assert templates.load(template.name) == template
