import bz2
import gzip
import io
import json
import lzma
from collections import Counter

import polars as pl
import pytest
import zstandard
from helpers import read_dump, reply

from sad.build import readers
from sad.build.pipeline import build
from sad.build.readers import Reading
from sad.build.settings import preset
from sad.build.sources import Dumps
from sad.build.zst import is_whole
from sad.errors import DataError

LINES = b"".join(json.dumps(reply(f"c{i}", "p")).encode() + b"\n" for i in range(50))


def _window_31(data):
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=31, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(data) + compressor.flush()


def _two_frames(data):
    half = data.index(b"\n", len(data) // 2) - 7  # the cut is inside a line
    one = zstandard.ZstdCompressor()
    return one.compress(data[:half]) + one.compress(data[half:])


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("RC.ndjson", bytes),
        ("RC.gz", gzip.compress),
        ("RC.bz2", bz2.compress),
        ("RC.xz", lzma.compress),
        ("RC.zst", zstandard.ZstdCompressor().compress),
        ("RC_window.zst", _window_31),
        ("RC_frames.zst", _two_frames),
        ("RC_no_last_newline.ndjson", bytes.rstrip),
    ],
)
def test_every_compression_gives_the_same_rows(tmp_path, name, pack, monkeypatch):
    monkeypatch.setattr(readers, "BATCH_BYTES", 1000)  # batches cut lines
    path = tmp_path / name
    path.write_bytes(pack(LINES))
    counts = Counter()
    frame = read_dump(path, readers.COMMENT, Reading("changemyview"), counts)
    assert frame["id"].to_list() == [f"c{i}" for i in range(50)]
    assert counts["seen"] == counts["kept"] == 50


def test_the_window_needs_more_than_the_default(tmp_path):
    with pytest.raises(zstandard.ZstdError, match="memory"):
        zstandard.ZstdDecompressor().stream_reader(_window_31(LINES)).read()


def _read(tmp_path, raw, **how):
    path = tmp_path / "RC.ndjson"
    path.write_bytes(raw)
    counts = Counter()
    return read_dump(path, readers.COMMENT, Reading("changemyview", **how), counts), counts


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1491210000", 1491210000), ('"1491210000"', 1491210000), ("1491210000.0", 1491210000),
     ('"1491210000.5"', 1491210000), ("null", None), ('"soon"', None), ("[]", None)],
)  # fmt: skip
def test_times_of_every_form(tmp_path, value, seconds):
    line = f'{{"id": "a", "link_id": "t3_p", "created_utc": {value}}}\n'
    frame, _ = _read(tmp_path, line.encode())
    assert frame["created_utc"].to_list() == [seconds]


@pytest.mark.parametrize("edited", ["false", "true", "1491210000", "1491210000.0", "null"])
def test_edited_may_be_anything(tmp_path, edited):
    frame, counts = _read(
        tmp_path, f'{{"id": "a", "link_id": "t3_p", "edited": {edited}}}\n'.encode()
    )
    assert frame["id"].to_list() == ["a"]
    assert counts["kept"] == 1


def test_later_name_of_the_retrieval_time(tmp_path):
    frame, _ = _read(
        tmp_path, b'{"id":"a","link_id":"t3_p","retrieved_utc":"7"}\n{"id":"b","retrieved_on":8}\n'
    )
    assert frame["retrieved_on"].to_list() == [7, 8]


GOOD = b'{"id":"good","body":"x","link_id":"t3_p"}'


@pytest.mark.parametrize(
    ("bad", "count"),
    [
        (b"", "blank"),
        (b"   ", "blank"),
        (b'{"id": "cut', "bad_json"),
        (b"[1, 2]", "bad_json"),
        (b'"text"', "bad_json"),
        (b"null", "bad_json"),
        (b"\x00\x00", "bad_json"),
        (b'{"body": "no id"}', "no_id"),
        (b'{"id": ""}', "no_id"),
        (b'{"id":"x","subreddit":"AskScience"}', "other_subreddit"),
    ],
)
def test_bad_line_is_counted_and_costs_no_good_line(tmp_path, bad, count):
    frame, counts = _read(tmp_path, b"\n".join([GOOD, bad, GOOD, GOOD]) + b"\n")
    assert frame.height == 3
    assert counts[count] == 1
    assert counts["seen"] == 4 == counts["kept"] + 1


def test_many_bad_lines_among_many_good_ones(tmp_path):
    lines = [
        b'{"broken' if i % 97 == 0 else b'{"id":"c%d","link_id":"t3_p"}' % i for i in range(5000)
    ]
    frame, counts = _read(tmp_path, b"\n".join(lines))
    assert counts["bad_json"] == len(range(0, 5000, 97))
    assert frame.height == 5000 - counts["bad_json"]
    assert frame["id"].to_list() == [f"c{i}" for i in range(5000) if i % 97]


def test_invalid_utf8_is_replaced_and_counted(tmp_path):
    frame, counts = _read(tmp_path, b'{"id":"a","body":"bad \xff byte"}\n' + GOOD)
    assert frame["body"].to_list() == ["bad � byte", "x"]
    assert counts["undecodable"] == 1


@pytest.mark.parametrize(
    "body", ["a\u2028b", "a\u0085b", "a\x0cb", "a\x00b", "\U0001f600", "\ud800"]
)
def test_odd_characters_stay_in_one_line(tmp_path, body):
    frame, counts = _read(tmp_path, json.dumps({"id": "a", "body": body}).encode() + b"\n" + GOOD)
    assert counts["kept"] == 2
    if body != "\ud800":  # a lone surrogate is no character
        assert frame["body"][0] == body


def test_raw_nul_inside_a_line(tmp_path):
    frame, _ = _read(tmp_path, b'{"id":"a","link_id":"t3_p","body":"x\x00y"}\n')
    assert frame["body"].to_list() == ["x\x00y"]


def test_second_retrieval_of_arctic_shift_counts(tmp_path):
    line = b'{"id":"a","link_id":"t3_p","retrieved_on":7,"_meta":{"x":[1],"retrieved_2nd_on":9}}\n'
    assert _read(tmp_path, line + GOOD)[0]["retrieved_on"].to_list() == [9, None]


def test_lines_with_nul_are_counted(tmp_path):
    _, counts = _read(tmp_path, b'{"id":"a","link_id":"t3_p","body":"x\x00y\x00"}\n' + GOOD)
    assert counts["nul"] == 1


@pytest.mark.parametrize("batch", [50, 1000, 1 << 20])
@pytest.mark.parametrize("place", [0, 3, 9])
def test_a_line_over_the_limit_is_counted_and_costs_no_good_line(
    tmp_path, monkeypatch, batch, place
):
    monkeypatch.setattr(readers, "BATCH_BYTES", batch)
    monkeypatch.setattr(readers, "_PIECE_BYTES", 64)
    lines = [b'{"id":"c%d","link_id":"t3_p"}' % i for i in range(9)]
    border = b'{"id":"border","link_id":"t3_p","body":"' + b"x" * 59 + b'"}'
    assert len(border) == 100 + 1
    lines.insert(place, border)
    lines.insert(place, b"{" * 5000)
    frame, counts = _read(tmp_path, b"\n".join(lines) + b"\n", max_line_bytes=101)
    assert sorted(frame["id"]) == sorted(["border", *(f"c{i}" for i in range(9))])
    assert (counts["seen"], counts["kept"], counts["too_long"]) == (11, 10, 1)
    frame, counts = _read(tmp_path, b"\n".join(lines), max_line_bytes=100)
    assert (counts["seen"], counts["kept"], counts["too_long"]) == (11, 9, 2)


def test_an_endless_line_does_not_fill_the_memory(tmp_path):
    import tracemalloc

    packed = zstandard.ZstdCompressor().compress(b'{"id":"a' + b"x" * 300_000_000)
    path = tmp_path / "RC.zst"
    path.write_bytes(packed + zstandard.ZstdCompressor().compress(b"\n" + GOOD + b"\n"))
    counts = Counter()
    tracemalloc.start()
    frame = read_dump(path, readers.COMMENT, Reading(max_line_bytes=1 << 20), counts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frame.height == counts["too_long"] == 1
    assert peak < 150_000_000


@pytest.mark.parametrize("subreddit", ["ChangeMyView", "CHANGEMYVIEW", "changemyview"])
def test_subreddit_in_any_case(tmp_path, subreddit):
    frame, _ = _read(
        tmp_path, f'{{"id": "a", "link_id": "t3_p", "subreddit" : "{subreddit}"}}\n'.encode()
    )
    assert frame.height == 1


def _flipped(data):
    middle = len(data) // 2
    return (
        data[:middle] + bytes(255 - byte for byte in data[middle : middle + 4]) + data[middle + 4 :]
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("RC.zst", zstandard.ZstdCompressor().compress(LINES * 20)[:-20]),
        ("RC.gz", gzip.compress(LINES)[:-20]),
        ("RC.bz2", bz2.compress(LINES)[:-20]),
        ("RC.xz", lzma.compress(LINES)[:-20]),
        ("RC_plain.zst", LINES),
        ("RC_flipped.gz", _flipped(gzip.compress(LINES))),
        ("RC_flipped.bz2", _flipped(bz2.compress(LINES))),
        ("RC_flipped.xz", _flipped(lzma.compress(LINES))),
        ("RC_flipped.zst", _flipped(zstandard.ZstdCompressor(write_checksum=True).compress(LINES))),
    ],
)
def test_damaged_file_is_refused_with_a_byte(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"byte \d"):
        read_dump(path, readers.COMMENT, Reading(), Counter())


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("RC.gz", gzip.compress),
        ("RC.bz2", bz2.compress),
        ("RC.xz", lzma.compress),
        ("RC.zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_allow_truncated_keeps_the_lines_before_the_damage(tmp_path, name, pack):
    raw = b"".join(
        json.dumps(reply(f"c{i}", "p", body=f"{i * i * 7919 % 10007} " * 20)).encode() + b"\n"
        for i in range(20_000)
    )
    whole = pack(raw)
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) * 2 // 3])
    counts = Counter()
    frame = read_dump(path, readers.COMMENT, Reading(allow_truncated=True), counts)
    assert frame["id"].to_list() == [f"c{i}" for i in range(frame.height)]
    assert frame.height > 5_000  # a block of bz2 holds 900 kB, one of zst 128 kB
    assert counts["damaged_files"] == 1
    assert counts["seen"] == counts["kept"] + counts["bad_json"]
    assert counts["bad_json"] <= 1  # the line that was cut


ODD = rb'{"id":"a","body":"x\ud83d y","link_id":1e5,"id":"b","score":1.5}'


def test_a_line_reads_the_same_whatever_its_neighbours(tmp_path):
    alone, _ = _read(tmp_path, ODD)
    for neighbour in (GOOD, b'{"broken', b"\xff", b"[]"):
        for lines in ([ODD, neighbour], [neighbour, ODD], [neighbour] * 9 + [ODD]):
            frame, _ = _read(tmp_path, b"\n".join(lines))
            assert frame.filter(frame["id"] == alone["id"][0]).equals(alone)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_dump_of_the_other_kind_is_refused(tmp_path, swapped):
    (tmp_path / "RS").write_bytes(b'{"id":"p","title":"t"}\n')
    (tmp_path / "RC").write_bytes(GOOD if swapped else b'{"id":"a","title":"t"}\n')
    files = [(tmp_path / "RS",), (tmp_path / "RC",)][:: -1 if swapped else 1]
    with pytest.raises(DataError, match="really a dump of"):
        build(Dumps(*files), tmp_path / "out", preset("none"), b"k" * 32)


def test_file_without_a_json_line_is_refused(tmp_path):
    with pytest.raises(DataError, match="no line is a JSON object"):
        _read(tmp_path, b"id,body\n1,x\n")


def test_empty_file_has_no_rows(tmp_path):
    assert _read(tmp_path, b"")[0].height == 0


def test_every_cut_of_a_zst_file_is_noticed():
    skippable = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello"
    frames = [zstandard.ZstdCompressor().compress(LINES), skippable,
              zstandard.ZstdCompressor(write_checksum=True).compress(b"x" * 300_000 + LINES),
              _window_31(LINES)]  # fmt: skip
    whole = b"".join(frames)
    ends = {sum(map(len, frames[:n])) for n in range(5)}
    for size in range(len(whole) + 1):
        assert is_whole(io.BytesIO(whole[:size])) == (size in ends), size


@pytest.mark.parametrize(
    ("batch", "ids"),
    [
        (b'{"id": nul}\n{"id": "a"}\nbroken', ["a"]),
        (b'{"id": nul}\n{"id": "a"}\n', ["a"]),
        (b'{"id": "a"}\nx\n{"id": f}\n{"id": "b"}\n[1]\n\n', ["a", "b"]),
        (b"x\ny\n", []),
        (b"", []),
    ],
)
def test_lines_at_fault_cost_their_neighbours_nothing(batch, ids):
    """Also where the last line looks like no object and another one does but is none."""
    found = readers._objects(batch, {"id": pl.String})
    assert sorted(found["id"].to_list()) == ids
