"""Made-up dumps of any size, with the counts that a build of them must find.

The threads have the shape of real ones, the lines the fields of real ones, the texts are recombined
from our own sample. ``generate`` also writes down what it planted, so that a build can be checked
against it at any size. Everything is drawn in blocks of about 100,000 nodes: memory is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import polars as pl
import zstandard

from sad.errors import SettingsError
from sad.files import atomic, write_json
from sad.sample import _shape
from sad.sample._maker import Maker
from sad.sample._plants import UNDECODABLE
from sad.sample._rows import Rows
from sad.sample._text import Pieces, Pool

DEFAULT_NOISE = 0.2
NODES_PER_TREE = 61.0
"""Tan et al. 2016: 1,114,533 nodes of 18,363 trees."""
_LINES_AT_ONCE = 20_000
_WINDOW_LOG, _STATED_WINDOW_LOG = 24, 31
_WINDOW_BYTE = 5  # where a frame of unknown length states its window


def generate(
    out: Path,
    nodes: int,
    seed: int,
    noise: float = DEFAULT_NOISE,
    nodes_per_tree: float = NODES_PER_TREE,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Any]:
    """The counts expected of a build per rule set, as written to ``out``/expected.json.

    ``out`` also gains ``RS.zst`` and ``RC.zst``, whose bytes depend on the arguments alone. They
    hold exactly ``nodes`` posts and comments that are in trees; lines of noise come on top.

    Args:
        out: the folder; files of these names are replaced.
        nodes: number of nodes, at least 1.
        seed: at least 0.
        noise: 0 plants nothing that a build changes or drops; 0.2 resembles real dumps.
        nodes_per_tree: mean size of a tree, at least 2.
        on_progress: told how many nodes of how many are written.

    Raises:
        SettingsError: an argument is out of its range.
        DataError: the files cannot be written.
    """
    if nodes < 1:
        raise SettingsError(f"--nodes {nodes}: give 1 or more")
    if seed < 0:
        raise SettingsError(f"--seed {seed}: give 0 or more")
    if not 0 <= noise <= 1:
        raise SettingsError(f"--noise {noise}: give a number from 0 to 1")
    if not 2 <= nodes_per_tree <= _shape.LARGEST_TREE:
        most = _shape.LARGEST_TREE
        raise SettingsError(f"--nodes-per-tree {nodes_per_tree}: give a number from 2 to {most}")
    (out / "expected.json").unlink(missing_ok=True)
    maker = Maker(nodes, seed, noise, nodes_per_tree)
    with (
        atomic(out / "RS.zst") as posts,
        atomic(out / "RC.zst") as comments,
        _dump(posts, maker.pool) as write_posts,
        _dump(comments, maker.pool) as write_comments,
    ):
        while maker.done < nodes:
            of_posts, of_comments = maker.block()
            write_posts(of_posts)
            write_comments(of_comments)
            on_progress(maker.done, nodes)
    expected = maker.expected()
    write_json(out / "expected.json", expected)
    return expected


@contextmanager
def _dump(path: Path, pool: Pool) -> Iterator[Callable[[Rows], None]]:
    """A function that appends lines to the dump at ``path``; one frame, as the public dumps.

    The frame says that it needs a window of 2 GiB, as theirs do, so that a reader is tried as by
    them. It was made with a smaller one, which is allowed (RFC 8878) and spares 2 GiB a file.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=_WINDOW_LOG)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with (
        path.open("wb") as file,
        compressor.stream_writer(file, closefd=False) as stream,
        ThreadPoolExecutor(1) as pen,
    ):
        waiting: deque[Future[None]] = deque()

        def write(rows: Rows) -> None:
            for start in range(0, len(rows.time), _LINES_AT_ONCE):
                stop = min(start + _LINES_AT_ONCE, len(rows.time))
                data = _bytes(pool, rows.part(start, stop).flat)
                waiting.append(pen.submit(_append, stream, data))
                while len(waiting) > 4:  # compression may lag by so much
                    waiting.popleft().result()

        yield write
        for one in waiting:
            one.result()
    with path.open("r+b") as header:
        header.seek(_WINDOW_BYTE)
        header.write(bytes([(_STATED_WINDOW_LOG - 10) << 3]))


def _append(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)


def _bytes(pool: Pool, run: Pieces) -> bytes:
    data: bytes = pool.series().gather(pl.Series(run)).str.join("").item().encode()
    return data.replace(UNDECODABLE.encode(), b"\xff\xfe")
