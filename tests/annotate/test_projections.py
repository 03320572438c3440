"""Each projection on a corpus in small, on damaged input, and on the real one."""

import csv
import json
import zipfile
from collections import Counter
from xml.sax.saxutils import escape

import pytest

from annotate import gold, projections
from annotate.projections import causal_news, naslab, persuasion
from sad import plugins
from sad.errors import DataError
from sad.types import STRATEGY_LABELS

ALL = (causal_news, naslab, persuasion)


def _write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _sheet(folder, rows):
    """An Excel file of inline strings."""
    path = folder / persuasion.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = (
        "".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in row)
        for row in rows
    )
    body = "".join(f"<row>{each}</row>" for each in cells)
    name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    with zipfile.ZipFile(path, "w") as archive:
        sheet = f'<worksheet xmlns="{name}"><sheetData>{body}</sheetData></worksheet>'
        archive.writestr("xl/worksheets/sheet1.xml", sheet)


def test_every_projection_is_found_by_its_name():
    names = plugins.names(projections.__name__)
    assert set(names) == {"causal_news", "naslab", "persuasion"}
    for name in names:
        assert callable(plugins.load(projections.__name__, name).read)


def test_causal_news_in_small(tmp_path):
    head = "\ufeffindex,text,label\n"
    _write(
        tmp_path,
        causal_news.FILES[0],
        head + 'a_1_0,"He did n\'t ( ever ) pay $ 5 , they said .",1\n',
    )
    _write(tmp_path, causal_news.FILES[1], head + 'a_1_1,"Who \'s there ?",0\n')
    assert list(causal_news.read(tmp_path)) == [
        {"id": "cnc-a_1_0", "text": "He didn't (ever) pay $5, they said.", "group": "a_1",
         "strategies": ["Causality"], "labels_annotated": ["Causality"]},
        {"id": "cnc-a_1_1", "text": "Who's there?", "group": "a_1",
         "strategies": [], "labels_annotated": ["Causality"]},
    ]  # fmt: skip


def _node(name, text, tags, *children):
    labels = {"labels": {"consolidated": tags}} if tags is not None else {}
    return {"node": {"id": name, "text": text, **labels}, "children": list(children)}


def test_naslab_in_small(tmp_path):
    tree = _node("p", "the post", None,
                 _node("a", "<quote>old</quote> Why so?", ["OCQ", "IRR"],
                       _node("b", "Because.", ["ANS"], _node("c", "Really?", ["OCQ"]))),
                 _node("d", "[removed]", ["NA"]), _node("e", "<quote>all</quote>", ["REP"]),
                 _node("f", "untagged", []), _node("g", "No.", ["DNO"]))  # fmt: skip
    tree["node"]["extra_data"] = {"title": "CMV: trees"}
    _write(tmp_path, naslab.FILE, json.dumps(tree))
    found = {line["id"]: line for line in naslab.read(tmp_path)}
    told = {name: (x["text"], x["strategies"], x["group"]) for name, x in found.items()}
    assert told == {
        "naslab-a": ("Why so?", ["Question"], "a"), "naslab-b": ("Because.", [], "a"),
        "naslab-c": ("Really?", ["Question"], "a"), "naslab-g": ("No.", [], "g"),
    }  # fmt: skip
    assert {(x["topic"], *x["labels_annotated"]) for x in found.values()} == {
        ("CMV: trees", "Question")
    }


def test_naslab_of_a_deep_tree(tmp_path):
    tree = _node("p", "the post", None)
    tree["node"]["extra_data"] = {"title": "t"}
    here = tree
    for n in range(400):  # deeper than people talk, within what json reads
        here["children"] = [_node(str(n), "No.", ["DNO"])]
        here = here["children"][0]
    _write(tmp_path, naslab.FILE, json.dumps(tree))
    lines = list(naslab.read(tmp_path))
    assert len(lines) == 400 and {line["group"] for line in lines} == {"0"}


HEAD = ["B2", "B4", "Turn", "Unit", "er_label_1", "ee_label_1", "er_label_2"]


def test_persuasion_in_small(tmp_path):
    _sheet(tmp_path, [
        HEAD,
        ["d1", "0", "0", " Do you give? ", "task-related-inquiry", "", ""],
        ["d1", "1", "0", "Do you?", "", "task-related-inquiry", ""],
        ["d1", "0", "1", "My sister did, and you?", "personal-story", "", "personal-related-inquiry"],
        ["d2", "0", "0", "Children starve.", "emotion-appeal", "", ""],
        ["d2", "0", "1", "Unlabelled.", "", "", ""],
        ["d2", "0.0", "2", "I will give one myself.", "self-modeling"],
        ["d2", "0", "3", "", "greeting", "", ""],
    ])  # fmt: skip
    assert [
        (x["id"], x["text"], x["strategies"], x["group"]) for x in persuasion.read(tmp_path)
    ] == [
        ("p4g-2", "Do you give?", ["Question"], "d1"),
        ("p4g-4", "My sister did, and you?", ["Question", "Example"], "d1"),
        ("p4g-5", "Children starve.", [], "d2"),
        ("p4g-7", "I will give one myself.", ["Example"], "d2"),
    ]


@pytest.mark.parametrize("module", ALL)
def test_missing_files_are_told(tmp_path, module):
    with pytest.raises(DataError) as told:
        list(module.read(tmp_path))
    assert str(tmp_path) in told.value.path


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        (causal_news, causal_news.FILES[0], "index,label\na,1\n"),
        (causal_news, causal_news.FILES[0], "index,text,label\na_1,x,maybe\n"),
        (causal_news, causal_news.FILES[0], "index,text,label\na_1,x\n"),
        (causal_news, causal_news.FILES[0], "index,text,label\na_1\n"),
        (causal_news, causal_news.FILES[0], "index,text,label\na_1," + "x" * 200_000 + ",1\n"),
        (naslab, naslab.FILE, "{"),
        (naslab, naslab.FILE, "[]"),
        (naslab, naslab.FILE, '{"node": {}}'),
        (naslab, naslab.FILE, '{"node": {"id": 1, "text": "x", "extra_data": {"title": "t"}}}'),
        (naslab, naslab.FILE, '{"node": {"extra_data": {"title": "t"}, "id": 1, "text": 3}, "children": []}'),
        (persuasion, persuasion.FILE, "no zip"),
    ],
)  # fmt: skip
def test_damaged_files_are_told(tmp_path, module, name, text):
    _write(tmp_path, name, text)
    with pytest.raises(DataError) as told:
        list(module.read(tmp_path))
    assert told.value.path == str(tmp_path / name)


def test_missing_column_of_persuasion_is_told(tmp_path):
    _sheet(tmp_path, [HEAD[:-1], ["d1", "0", "0", "x", "greeting", ""]])
    with pytest.raises(DataError, match="er_label_2"):
        list(persuasion.read(tmp_path))
    _sheet(tmp_path, [])
    with pytest.raises(DataError, match="B2"):
        list(persuasion.read(tmp_path))


def _read(module, folder, tmp_path):
    """The lines of a real corpus, which must be a gold file."""
    lines = list(module.read(folder))
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = gold.load(str(path))
    assert len({item.id for item in found.items}) == len(lines)
    assert all(item.text.strip() for item in found.items)
    return found


def _positives(found, label):
    return int(found.strategies[:, STRATEGY_LABELS.index(label)].sum())


def test_causal_news_as_its_readme_counts(real_data, tmp_path):
    found = _read(causal_news, real_data / "causal-news-corpus", tmp_path)
    assert len(found.items) == 3075 + 340
    assert _positives(found, "Causality") == 1624 + 185
    with (real_data / "causal-news-corpus" / causal_news.FILES[0]).open(
        encoding="utf-8-sig"
    ) as file:
        raw = next(csv.DictReader(file))["text"]
    assert found.items[0].text.replace(" ", "") == raw.replace(" ", "")


def test_naslab_as_its_readme_counts(real_data, tmp_path):
    folder = real_data / "cmv-trees-naslab"
    found = _read(naslab, folder, tmp_path)
    tags, ahead = Counter(), [json.loads((folder / naslab.FILE).read_text("utf-8"))]
    n = labelled = 0
    while ahead:
        place = ahead.pop()
        ahead += place["children"]
        own = place["node"].get("labels", {}).get("consolidated", [])
        n, labelled = n + 1, labelled + bool(own)
        tags.update(own)
    assert (n, labelled) == (130, 122)  # of the README
    assert len(found.items) == labelled - tags["NA"]
    assert _positives(found, "Question") == tags["OCQ"]
    assert not any("<quote>" in item.text for item in found.items)


def test_persuasion_as_its_readme_counts(real_data, tmp_path):
    """The README counts first labels; four sentences bear one of ours as their second."""
    found = _read(persuasion, real_data / "persuasion-for-good", tmp_path)
    assert len({*found.groups}) == 300
    assert _positives(found, "Question") == 191 + 180 + 168 + 3
    assert _positives(found, "Example") == 163 + 153 + 2
