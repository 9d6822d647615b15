"""What is taken of what Galaxy's importer says."""

import subprocess

import importer
import project
import pytest

FINE = "Importing with galaxy-importer\nImporter processing completed successfully\n"


@pytest.fixture
def says(monkeypatch):
    """Let the importer say one thing after the other."""

    def say(*answers):
        left = list(answers)

        def run(*_, **__):
            code, said = left.pop(0)
            return subprocess.CompletedProcess([], code, said, "")

        monkeypatch.setattr(project, "run", run)
        return left

    return say


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        (0, f"WARNING: No changelog found.\n{FINE}", "WARNING: No changelog found."),
        (1, "ERROR: The import failed for the following reason: No role readme found.\n", "No role readme found"),
        (1, "Traceback\nValueError: no\n", "ValueError: no"),
    ],
)
def test_refuses_what_it_complains_of(says, tmp_path, code, said, shown):
    says((code, said))
    with pytest.raises(project.ToolError, match=shown):
        importer.refuse_complaints(tmp_path)


def test_takes_what_is_fine_and_asks_a_busy_machine_once_more(says, tmp_path):
    says((0, FINE))
    importer.refuse_complaints(tmp_path)
    left = says((0, f"{importer.SLOW}\n{FINE}"), (0, FINE))
    importer.refuse_complaints(tmp_path)
    assert left == []
    says((0, f"{importer.SLOW}\n{FINE}"), (0, f"{importer.SLOW}\n{FINE}"))
    with pytest.raises(project.ToolError, match="Timeout on call to ansible-lint"):
        importer.refuse_complaints(tmp_path)
