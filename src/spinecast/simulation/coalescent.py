"""Founder haplotypes of two populations: a genealogy that changes along the chromosome.

The sequentially Markov coalescent (McVean & Cardin, Phil Trans R Soc B 2005;360:1387): a tree
of all founders at the first variant; at each recombination a random branch is cut at a random
height and the part below joins another branch above it. Variants are mutations at random
points of the tree, so that frequencies follow the neutral spectrum, and neighbours are linked
because they share most of their tree. The two populations are one before their split.

Times are in units of 2 Ne generations.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from spinecast.simulation.genome_map import UNLINKED
from spinecast.simulation.hashed_dice import Words, next_uniform
from spinecast.simulation.population import Floats

Bytes = NDArray[np.uint8]
Tree = NDArray[np.int32]

FOUNDERS = (400, 200)
"""Haplotypes of the European and the East Asian pool."""

EFFECTIVE_SIZE = 10_000.0
"""Ne of both populations."""

SPLIT = 0.11
"""Age of the split; FST = SPLIT / (1 + SPLIT) = 0.10 as between Europeans and East Asians."""

COMMON, RARE_KEPT = 0.01, 0.05
"""Variants of a frequency below the first in Europeans are kept with the second chance."""

_PARENT, _LEFT, _RIGHT, _POPULATION = range(4)
_JOINED = 2
_TRIES = 200
_MANY = 24

GROUP = 32
"""Branches whose lengths are summed together, so that a random point is found in few steps."""


@numba.njit(cache=True, nogil=True)
def _coalesce(
    tree: Tree, times: Floats, lineages: Tree, span: tuple, dice: Words
) -> tuple[int, int]:
    """Join random pairs; ``span`` is (count, next node, start, end, population)."""
    count, new, now, end, population = span
    while count > 1:
        now -= math.log(next_uniform(dice)) / (0.5 * count * (count - 1))
        if now > end:
            break
        first = int(next_uniform(dice) * count)
        left = lineages[first]
        count -= 1
        lineages[first] = lineages[count]
        second = int(next_uniform(dice) * count)
        right = lineages[second]
        lineages[second] = new
        times[new] = now
        tree[_LEFT, new], tree[_RIGHT, new] = left, right
        tree[_PARENT, left] = tree[_PARENT, right] = new
        tree[_POPULATION, new] = population
        new += 1
    return count, new


@numba.njit(cache=True, nogil=True)
def _set_branch(lengths: tuple, node: int, length: float) -> None:
    """Set the length of the branch above ``node`` and its group's sum."""
    branch, sums = lengths
    branch[node] = length
    group = node // GROUP
    total = 0.0
    for other in range(group * GROUP, (group + 1) * GROUP):
        total += branch[other]
    sums[group] = total


@numba.njit(cache=True, nogil=True)
def _total(lengths: tuple) -> float:
    """Return the length of the whole tree."""
    sums = lengths[1]
    total = 0.0
    for group in range(sums.size):
        total += sums[group]
    return total


@numba.njit(cache=True, nogil=True)
def _grow(tree: Tree, times: Floats, order: Tree, rest: tuple, dice: Words) -> np.int64:
    """Grow a new tree and return its root; ``rest`` is (lengths, founders)."""
    lengths, founders = rest
    leaves = founders[0] + founders[1]
    lineages = np.empty(leaves, np.int32)
    kept, new, start = 0, leaves, 0
    for population in range(2):
        for place in range(founders[population]):
            node = start + place
            lineages[kept + place] = node
            times[node] = 0.0
            tree[_LEFT, node] = tree[_RIGHT, node] = -1
            tree[_POPULATION, node] = population
        span = (founders[population], new, 0.0, SPLIT, population)
        left, new = _coalesce(tree, times, lineages[kept:], span, dice)
        kept += left
        start += founders[population]
    _coalesce(tree, times, lineages, (kept, new, SPLIT, np.inf, _JOINED), dice)
    root = np.int64(2 * leaves - 2)
    tree[_PARENT, root] = -1
    order[:] = leaves + np.argsort(times[leaves:])
    for node in range(root):
        _set_branch(lengths, node, times[tree[_PARENT, node]] - times[node])
    _set_branch(lengths, root, 0.0)
    return root


@numba.njit(cache=True, nogil=True)
def _point(times: Floats, lengths: tuple, dice: Words) -> tuple[np.int64, float]:
    """Return the branch (by the node below) and height of a random point of the tree."""
    branch, sums = lengths
    target = next_uniform(dice) * _total(lengths)
    group = 0
    while group < sums.size - 1 and target >= sums[group]:
        target -= sums[group]
        group += 1
    found = np.int64(0)
    for node in range(group * GROUP, (group + 1) * GROUP):
        if branch[node] > 0.0:
            found = np.int64(node)
            if target < branch[node]:
                break
            target -= branch[node]
    return found, times[found] + min(max(target, 0.0), branch[found])


@numba.njit(cache=True, nogil=True)
def _replace_child(tree: Tree, parent: int, child: tuple) -> None:
    """Put child[1] into the place of child[0] under ``parent``."""
    side = _LEFT if tree[_LEFT, parent] == child[0] else _RIGHT
    tree[side, parent] = child[1]
    tree[_PARENT, child[1]] = parent


@numba.njit(cache=True, nogil=True)
def _before(times: Floats, order: Tree, limit: float, count: int) -> int:
    """Return how many of the first ``count`` nodes of ``order`` are younger than ``limit``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if times[order[middle]] < limit:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _rejoin_time(
    tree: Tree, times: Floats, order: Tree, floating: tuple, dice: Words
) -> tuple[float, int, int]:
    """Return when the floating part joins, among how many lineages, and its place in order.

    ``floating`` is (start, population, founders of that population, nodes in ``order``).
    """
    now, population, same, last = floating
    everyone = (times.size + 1) // 2 - 1
    same -= 1
    place = _before(times, order, now, last)
    everyone -= place
    if now < SPLIT:
        for earlier in range(place):
            same -= 1 if tree[_POPULATION, order[earlier]] == population else 0
    budget = -math.log(next_uniform(dice))
    while True:
        joined = now >= SPLIT
        lineages = everyone if joined else same
        node_next = times[order[place]] if place < last else np.inf
        until = node_next if joined else min(node_next, SPLIT)
        if lineages * (until - now) > budget:
            return now + budget / lineages, lineages, place
        budget -= lineages * (until - now)
        now = until
        if place < last and node_next == until:
            everyone -= 1
            same -= 1 if tree[_POPULATION, order[place]] == population else 0
            place += 1


@numba.njit(cache=True, nogil=True)
def _lineage_at(tree: Tree, times: Floats, wanted: tuple, stack: Tree, dice: Words) -> np.int64:
    """Return at random one of the branches that exist at a time.

    ``wanted`` is (time, how many there are, population, floating node, root). Where there are
    many, a node is guessed until one fits; where few, the tree is searched from its root.
    """
    now, lineages, population, floating, root = wanted
    nodes = times.size
    while lineages > _MANY:
        node = np.int64(next_uniform(dice) * nodes)
        above = tree[_PARENT, node]
        there = times[node] <= now and node != floating and (above < 0 or times[above] > now)
        if there and (now >= SPLIT or tree[_POPULATION, node] == population):
            return node
    number = np.int64(next_uniform(dice) * lineages)
    stack[0] = root
    depth = 1
    found = np.int64(root)
    while depth > 0 and number >= 0:
        depth -= 1
        node = np.int64(stack[depth])
        if times[node] > now:
            stack[depth], stack[depth + 1] = tree[_LEFT, node], tree[_RIGHT, node]
            depth += 2
        elif now >= SPLIT or tree[_POPULATION, node] == population:
            found = node
            number -= 1
    return found


@numba.njit(cache=True, nogil=True)
def _unhook(
    tree: Tree, times: Floats, lengths: tuple, node: int, root: np.int64
) -> tuple[np.int64, np.int64]:
    """Take the part under ``node`` off the tree; return its freed parent and the root."""
    freed = np.int64(tree[_PARENT, node])
    sibling = np.int64(tree[_LEFT, freed] + tree[_RIGHT, freed] - node)
    above = np.int64(tree[_PARENT, freed])
    if above < 0:
        tree[_PARENT, sibling] = -1
        _set_branch(lengths, sibling, 0.0)
        return freed, sibling
    _replace_child(tree, above, (freed, sibling))
    _set_branch(lengths, sibling, times[above] - times[sibling])
    return freed, root


@numba.njit(cache=True, nogil=True)
def _hook(tree: Tree, times: Floats, lengths: tuple, joint: tuple, root: int) -> int:
    """Join ``node`` to the branch above ``chosen`` at ``freed``; return the root.

    ``joint`` is (node, chosen, freed); the time of ``freed`` is set.
    """
    node, chosen, freed = joint
    above = np.int64(tree[_PARENT, chosen])
    if above < 0:
        root = freed
        tree[_PARENT, freed] = -1
        _set_branch(lengths, freed, 0.0)
    else:
        _replace_child(tree, above, (chosen, freed))
        _set_branch(lengths, freed, times[above] - times[freed])
    tree[_LEFT, freed], tree[_RIGHT, freed] = node, chosen
    for child in (node, chosen):
        tree[_PARENT, child] = freed
        _set_branch(lengths, child, times[freed] - times[child])
    return root


@numba.njit(cache=True, nogil=True)
def _recombine(tree: Tree, times: Floats, order: Tree, state: tuple, dice: Words) -> int:
    """Cut a random branch, let the part below join anew, and return the root.

    ``state`` is (root, lengths, founders, stack).
    """
    root, lengths, founders, stack = state
    node, cut = _point(times, lengths, dice)
    freed, root = _unhook(tree, times, lengths, node, root)
    last = order.size - 1
    gone = _before(times, order, times[freed], last + 1)
    for place in range(gone, last):
        order[place] = order[place + 1]
    times[freed] = np.inf
    population = np.int64(tree[_POPULATION, node])
    floating = (cut, population, founders[min(population, 1)], last)
    now, lineages, place = _rejoin_time(tree, times, order, floating, dice)
    wanted = (now, lineages, population, node, root)
    chosen = _lineage_at(tree, times, wanted, stack, dice)
    for turn in range(last, place, -1):
        order[turn] = order[turn - 1]
    order[place] = freed
    times[freed] = now
    tree[_POPULATION, freed] = population if now < SPLIT else _JOINED
    return _hook(tree, times, lengths, (node, chosen, freed), root)


@numba.njit(cache=True, nogil=True)
def _mutate(tree: Tree, times: Floats, lengths: tuple, place: tuple, dice: Words) -> int:
    """Fill place[1] with the founders below a random point; return how many they are.

    ``place`` is (founders, members (leaves,), stack (nodes,)).
    """
    founders, members, stack = place
    found = 0
    for _ in range(_TRIES):
        node, _ = _point(times, lengths, dice)
        stack[0] = node
        depth, found, europeans = 1, 0, 0
        while depth > 0:
            depth -= 1
            node = stack[depth]
            if tree[_LEFT, node] < 0:
                members[found] = node
                found += 1
                europeans += 1 if node < founders[0] else 0
            else:
                stack[depth], stack[depth + 1] = tree[_LEFT, node], tree[_RIGHT, node]
                depth += 2
        frequency = europeans / founders[0]
        if COMMON <= frequency <= 1.0 - COMMON or next_uniform(dice) < RARE_KEPT:
            break
    return found


@numba.njit(cache=True, nogil=True)
def founder_haplotypes(step: Floats, founders: tuple, key: np.uint64) -> Bytes:
    """Return the founders' effect alleles along one chromosome.

    Parameters
    ----------
    step
        cM to the variant before, (m,); infinite at the first.
    founders
        Haplotypes in either population.
    key
        Of the dice.

    Returns
    -------
    ndarray
        0 or 1, (founders, m); the first population first.
    """
    leaves = founders[0] + founders[1]
    nodes = 2 * leaves - 1
    tree = np.empty((4, nodes), np.int32)
    times = np.empty(nodes)
    order = np.empty(leaves - 1, np.int32)
    members, stack = np.empty(leaves, np.int32), np.empty(nodes + 1, np.int32)
    dice = np.full(1, key, np.uint64)
    haplotypes = np.zeros((leaves, step.size), np.uint8)
    groups = -(-nodes // GROUP)
    lengths = (np.zeros(groups * GROUP), np.zeros(groups))
    root = np.int64(0)
    for variant in range(step.size):
        if step[variant] > UNLINKED:
            root = _grow(tree, times, order, (lengths, founders), dice)
        else:
            left = step[variant] / 100.0 * 2.0 * EFFECTIVE_SIZE
            while True:
                left += math.log(next_uniform(dice)) / _total(lengths)
                if left < 0.0:
                    break
                root = _recombine(tree, times, order, (root, lengths, founders, stack), dice)
        found = _mutate(tree, times, lengths, (founders, members, stack), dice)
        for place in range(found):
            haplotypes[members[place], variant] = 1
    return haplotypes
