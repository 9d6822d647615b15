"""The page on faults has each message that an operator can meet, and none that nothing says."""

from __future__ import annotations

import messages
import project
import pytest
import website

LISTED = website.listed((project.ROOT / "docs" / "troubleshooting.md").read_text())


def test_each_message_is_on_the_page():
    missing = {
        f"{where}: {text}"
        for where, text in messages.collected()
        if not any(messages.covers(message, text) for message in LISTED)
    }
    assert not missing, "\n".join(["explain in docs/troubleshooting.md:", *sorted(missing)])


def test_each_message_of_the_page_is_said():
    unsaid = list(website.unsaid(LISTED, messages.files(".py", ".yml", ".j2")))
    assert not unsaid, "\n".join(unsaid)


def test_nothing_is_listed_that_fits_all():
    assert [message for message in LISTED if len(message.replace("…", "").strip()) < 5] == []


@pytest.mark.parametrize("where", messages.NOBODY_READS)
def test_what_is_passed_over_is_there(where):
    assert (project.ROOT / where).exists()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise Late(f'{name} was ' 'still not done')", ["… was still not done"]),
        ("raise OSError(1, 'it is gone for ever')", ["it is gone for ever"]),
        ("why = TransportError('no answer came' + end)", ["no answer came…"]),
        ("module.fail_json(msg='port: is not free', failure={})", ["port: is not free"]),
        ("def problems():\n    yield f'port: {port} is not free'", ["port: … is not free"]),
        ("sys.exit('the end of it')", ["the end of it"]),
        ("finding(name, f'{unit} has failed', 'see the journal')", ["… has failed"]),
        ("raise AssertionError('nobody comes here')", []),
        ("return 'not shown as it is'", []),
    ],
)
def test_what_is_collected_of_python(source, found):
    assert sorted({text for text in messages.of_python(source) if text.strip("…")}) == found


def test_what_is_collected_of_yaml():
    source = """
    - ansible.builtin.assert:
        that: "{{ port }}"
        fail_msg: "port: {{ port }} is not free"
    - block:
        - ansible.builtin.fail:
            msg: it is not there
        - ansible.builtin.debug:
            msg: all is well
      vars:
        some_problem: has \\1 already
    """
    assert list(messages.of_yaml(source)) == ["port: … is not free", "it is not there", "has … already"]


@pytest.mark.parametrize(
    ("listed", "message", "covered"),
    [
        ("; use ", "port: … is low; use one above 1023", True),
        ("is in use at …; choose another", "port: … is in use at …; choose another, or stop it", True),
        ("is in use at …; choose another", "port: choose another; … is in use at …", False),
    ],
)
def test_what_covers_a_message(listed, message, covered):
    assert messages.covers(listed, message) is covered
