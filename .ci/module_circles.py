"""Finds circles of modules in the graph that `cargo modules dependencies` prints.

Its own --acyclic counts the edges between a type and its methods, before any filter, so that each crate has a circle.
Here only the "uses" edges between modules count.

>>> edge = '"{}" -> "{}" [label="uses", color="#7f7f7f"] [constraint=false]; // "uses" edge'
>>> circles([edge.format("a", "b"), edge.format("b", "c")])
[]
>>> circles([edge.format("a", "b"), edge.format("b", "c"), edge.format("c", "a"), edge.format("c", "d")])
[['a', 'b', 'c']]
"""

import re
import sys

USES = re.compile(r'\s*"([^"]+)" -> "([^"]+)" \[label="uses"')


def reachable(edges, start):
    seen, waiting = set(), [start]
    while waiting:
        for module in edges.get(waiting.pop(), ()):
            if module not in seen:
                seen.add(module)
                waiting.append(module)
    return seen


def circles(lines):
    edges = {}
    for user, used in (match.groups() for match in map(USES.match, lines) if match):
        edges.setdefault(user, set()).add(used)
    reach = {module: reachable(edges, module) for module in edges}
    found = {tuple(sorted(m for m in reach[module] if module in reach.get(m, ()))) for module in reach if module in reach[module]}
    return sorted(map(list, found))


if __name__ == "__main__":
    lines = sys.stdin.readlines()
    count = sum(1 for line in lines if USES.match(line))
    found = circles(lines)
    for circle in found:
        print("a circle of modules:", ", ".join(circle))
    print(f"{count} uses between modules, {len(found)} circles")
    sys.exit(bool(found) or count == 0)
