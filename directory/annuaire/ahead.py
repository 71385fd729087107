"""Makes the next things while the ones before are used: on the second processor, as SQLite gives way to Python."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")
_SECONDS = 0.1
"""Between two looks at whether anybody still wants what was made."""


@contextmanager
def ahead(items: Generator[T, None, None], at_most: int = 2) -> Iterator[Iterator[T]]:
    """The same items, made by a thread of their own, at most `at_most` of them before they are wanted.

    What making one raises is raised where it is wanted. The thread has ended, and closed `items`, when this ends.
    """
    made: queue.Queue[T | _End] = queue.Queue(at_most)
    is_over = threading.Event()

    def give(item: T | _End) -> None:
        while not is_over.is_set():
            try:
                made.put(item, timeout=_SECONDS)
            except queue.Full:
                continue
            return

    def make() -> None:
        end = _End()
        try:
            for item in items:
                give(item)
                if is_over.is_set():
                    break
        except BaseException as error:
            end = _End(error)
        finally:
            items.close()
        give(end)

    def taken() -> Iterator[T]:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    maker = threading.Thread(target=make, name="ahead")
    maker.start()
    try:
        yield taken()
    finally:
        is_over.set()
        maker.join()


class _End:
    """Behind the last item; `error` is why there are no more."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
