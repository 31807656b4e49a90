"""Which values of an environment are hidden."""

from __future__ import annotations

import pytest

from guardrails.preflight.known_secrets import secret_values


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("DB_PASSWORD", "hunter2secret", {"hunter2secret"}),
        ("DB_PWD", "hunter2secret", {"hunter2secret"}),
        ("DATABASE_URL", "postgres://app:hunter2secret@db/x", {"postgres://app:hunter2secret@db/x", "hunter2secret"}),
        ("API_KEY", "short", set()),
        ("HOME", "/home/somebody", set()),
        ("PWD", "/srv/backend", set()),
        ("OLDPWD", "/srv/backend", set()),
    ],
)
def test_what_a_name_calls_a_secret_is_hidden_and_the_folder_of_a_shell_is_not(
    name: str, value: str, hidden: set[str]
) -> None:
    assert secret_values([(name, value)]) == hidden
