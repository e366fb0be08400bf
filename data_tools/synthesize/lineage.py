"""Where each evolved instruction comes from: its parent and the operation; with what was eliminated on the way."""

from collections.abc import Sequence
from typing import Any

from data_tools.synthesize.records import Kept, Outcome, Result


def lineage(outcome: Outcome) -> list[dict[str, Any]]:
    """A node a result that names its parent, in the order of the tasks; nothing for methods without parents.

    A node is ``{"id", "parent", "operation", "round", "rule", "instruction"}``; `rule` is empty where it was kept. The
    parents of the first nodes are seeds.
    """
    results: list[Result] = [*outcome.kept, *outcome.rejected]
    nodes = [_node(result) for result in results if "parent" in result.origin.details]
    return sorted(nodes, key=lambda node: str(node["id"]))


def trees(nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes as trees, a root a seed; each has its `children`.

    >>> trees([{"id": "evol-0-1", "parent": "s", "rule": ""}, {"id": "evol-0-2", "parent": "evol-0-1", "rule": ""}])
    [{'id': 's', 'children': [{'id': 'evol-0-1', 'parent': 's', 'rule': '', 'children': [{'id': 'evol-0-2', 'parent':
    'evol-0-1', 'rule': '', 'children': []}]}]}]
    """
    built: dict[str, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    for node in nodes:
        parent = built.get(node["parent"])
        if parent is None:
            parent = built[node["parent"]] = {"id": node["parent"], "children": []}
            roots.append(parent)
        built[node["id"]] = {**node, "children": []}
        parent["children"].append(built[node["id"]])
    return roots


def _node(result: Result) -> dict[str, Any]:
    details = result.origin.details
    return {
        "id": result.origin.task,
        "parent": details["parent"],
        "operation": details["operation"],
        "round": details["round"],
        "rule": "" if isinstance(result, Kept) else result.rule,
        "instruction": result.instruction if isinstance(result, Kept) else result.text,
    }
