"""Each variable of the roles is one thing: what a task registers would stand before it when the role runs again."""

import re

import project

ROLES = project.ROOT / "roles"


def test_no_task_registers_a_variable_of_its_role():
    mine = {
        name
        for file in ROLES.glob("*/vars/**/*.yml")
        for name in re.findall(r"^(__\w+):", file.read_text(), re.MULTILINE)
    }
    told = {
        (name, str(file.relative_to(project.ROOT)))
        for place in ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/**/*.yml")
        for file in project.ROOT.glob(place)
        for name in re.findall(r"(?:register: |^ +)(__\w+)(?::|$)", file.read_text(), re.MULTILINE)
        if name in mine
    }
    assert len(mine) > 100
    assert told == set()
