"""Roles: which rights each has, of operators and of accounts' users."""

from pathlib import Path

from pipeline.rules.identity.roles import OPERATORS_ONLY, RIGHTS, rights_of
from schema.vocabulary import Right, Role


def test_every_role_has_rights_and_those_of_a_viewer_among_them() -> None:
    assert set(RIGHTS) == set(Role)
    assert all(RIGHTS[Role.VIEWER] <= rights for rights in RIGHTS.values())


def test_every_right_is_had_by_the_administrator() -> None:
    assert RIGHTS[Role.ADMIN] == set(Right)


def test_a_viewer_changes_nothing_and_sees_no_number_in_full() -> None:
    assert rights_of([Role.VIEWER], is_operator=True) == {Right.VIEW, Right.VIEW_OPERATIONS}


def test_who_makes_campaigns_does_not_approve_them_unless_he_has_both_roles() -> None:
    manager = rights_of([Role.CAMPAIGN_MANAGER], is_operator=False)
    approver = rights_of([Role.APPROVER], is_operator=False)

    assert Right.APPROVE_CAMPAIGNS not in manager
    assert approver.isdisjoint({Right.EDIT_CAMPAIGNS, Right.CONTROL_CAMPAIGNS})
    assert rights_of([Role.CAMPAIGN_MANAGER, Role.APPROVER], is_operator=False) == manager | approver


def test_no_role_lets_an_account_s_user_change_the_installation_or_his_account_s_money() -> None:
    everything = rights_of(list(Role), is_operator=False)

    assert everything == set(Right) - OPERATORS_ONLY
    assert Right.MANAGE_USERS in everything
    assert everything.isdisjoint({Right.CHANGE_MONEY, Right.OPERATE_CARRIERS, Right.EDIT_SENDERS})


def test_without_a_role_there_is_no_right() -> None:
    assert rights_of([], is_operator=True) == set()


def test_the_table_of_roles_and_rights_in_the_manual_is_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "console.md").read_text("utf-8")
    table = text.partition("| right |")[2].partition("\n\n")[0]
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    roles = [Role(name) for name in head[:-1] if name]

    documented = {
        Right(right): {role for role, cell in zip(roles, cells, strict=False) if cell == "x"} for right, *cells in lines
    }

    assert roles == list(Role)
    assert documented == {right: {role for role in Role if right in RIGHTS[role]} for right in Right}
    assert {Right(line[0]) for line in lines if line[-1].endswith("operators only")} == OPERATORS_ONLY
