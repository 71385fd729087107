"""Processor time and memory of a tree of processes, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        pending.extend(children.get(pid, []))
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5)): state, ppid, …; empty when it has gone."""
    try:
        # The second field is the program's name in parentheses and may hold anything.
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(root: int) -> float:
    """User and system time of the whole tree, with that of children already waited for.

    A child that ends moves its time into `cutime` and `cstime` of its parent, so the sum never falls.
    """
    ticks = 0
    for pid in tree(root):
        fields = _stat(pid)
        if fields:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / _TICKS


def reset_peak(root: int) -> None:
    """Begins a new measure of peak memory (proc(5), clear_refs)."""
    for pid in tree(root):
        try:
            (_PROC / str(pid) / "clear_refs").write_text("5")
        except OSError:
            continue


def peak_megabytes(root: int) -> float:
    """The highest resident memory of each living process since `reset_peak`, summed over the tree.

    Pages that processes share are counted once for each: the figure is an upper bound.
    """
    kilobytes = 0
    for pid in tree(root):
        try:
            lines = (_PROC / str(pid) / "status").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kilobytes / 1024


def memory_kilobytes(root: int) -> int:
    """Resident memory of the tree, a page that several processes share counted once in all (proc(5), Pss)."""
    kilobytes = 0
    for pid in tree(root):
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes
