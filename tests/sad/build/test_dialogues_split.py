import hashlib
from datetime import date

import numpy as np
import polars as pl
import pytest
from helpers import LONG, post, reply, write_lines

from sad.build import dialogues, folder, split
from sad.build.pipeline import build
from sad.build.settings import Split, preset
from sad.build.sources import Dumps

#        p
#      /   \
#     a     b
#    / \
#   c   d
PARENT = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t3_p", "t1_c": "t1_a", "t1_d": "t1_a"}


def _nodes(parents=PARENT, texts=None, leaves=None, threads=None):
    names = list(parents)
    return pl.DataFrame(
        {
            "node_id": names,
            "thread_id": [(threads or {}).get(n, "t3_p") for n in names],
            "topic": ["Topic"] * len(names),
            "text": [(texts or {}).get(n, f"text of {n}") for n in names],
            "parent": [names.index(p) if p else -1 for p in parents.values()],
            "is_leaf": [n in (leaves or names) for n in names],
            "posted_utc": [len(n) for n in names],
        },
        schema_overrides={"parent": pl.Int64},
    )


def _paths(nodes, **settings):
    return dialogues.paths(nodes, preset("none").model_copy(update=settings))


def _turns(nodes, found):
    names = nodes.rename({"node_id": "utterance_id"})
    return dialogues.utterance_ids(names, np.diff(found.offsets), found.turns).to_list()


def test_one_dialogue_per_leaf_oldest_turn_first():
    found = _paths(_nodes())
    assert sorted(_turns(_nodes(), found)) == [
        ["t3_p", "t1_a", "t1_c"], ["t3_p", "t1_a", "t1_d"], ["t3_p", "t1_b"],
    ]  # fmt: skip
    assert found.seen == 3
    assert not any(found.drops.values())


def test_dialogue_id_is_the_hash_of_thread_and_leaf():
    expected = {
        hashlib.sha1(f"t3_p{x}".encode()).hexdigest()[:16] for x in ("t1_b", "t1_c", "t1_d")
    }
    assert set(dialogues.ids(_nodes(), _paths(_nodes()).leaf)) == expected


def test_path_keys_tell_texts_and_their_order():
    chain = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t1_a"}
    keys = []
    for texts in (["x", "y", "z"], ["x", "z", "y"], ["x", "y", "z"], ["x", "y", "w"]):
        nodes = _nodes(chain).with_columns(depth=pl.Series([0, 1, 2]))
        keys.append(dialogues.path_keys(nodes, dialogues.text_keys(pl.Series(texts)))[2])
    assert keys[0] == keys[2]
    assert len({*keys}) == 3


def test_minimum_turns():
    found = _paths(_nodes(), min_turns=3)
    assert np.diff(found.offsets).tolist() == [3, 3]
    assert (found.seen, found.drops["min_turns"]) == (3, 1)


@pytest.mark.parametrize(
    ("caps", "lengths"),
    [
        ({"max_paths": 3}, [2, 3, 3]),
        ({"max_paths": 2}, [2, 3]),
        ({"max_path_turns": 8}, [2, 3, 3]),
        ({"max_path_turns": 7}, [2, 3]),
        ({"max_path_turns": 1}, [2]),  # one path is always kept
    ],
)
def test_caps_of_a_tree_take_the_shortest_paths_first(caps, lengths):
    in_order = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t3_p", "t1_c": "t1_a", "t1_d": "t1_a"}
    found = _paths(_nodes(in_order), max_path_turns=caps.pop("max_path_turns", None), **caps)
    assert np.diff(found.offsets).tolist() == lengths
    assert found.drops["path_cap"] == found.seen - len(lengths)


def test_caps_count_for_each_tree_alone():
    both = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t3_p", "t3_q": None, "t1_c": "t3_q"}
    threads = {"t3_q": "t3_q", "t1_c": "t3_q"}
    nodes = _nodes(both, threads=threads)
    found = _paths(nodes, max_paths=1)
    assert nodes["thread_id"].gather(found.leaf).to_list() == ["t3_p", "t3_q"]
    assert found.drops["path_cap"] == 1


def test_a_path_that_lost_its_end_is_dropped_or_stays():
    nodes = _nodes(leaves=["t1_b", "t1_c"])  # t1_d had an answer that fell
    assert len(_paths(nodes).leaf) == 3
    found = _paths(nodes, on_fail="drop_path")
    assert (len(found.leaf), found.seen, found.drops["broken_path"]) == (2, 3, 1)


def _build(tmp_path, posts, replies, name="paper"):
    """The dialogues of a dump, and how many each rule about repetition dropped."""
    dump = Dumps((write_lines(tmp_path / "RS", posts),), (write_lines(tmp_path / "RC", replies),))
    out = tmp_path / name
    counts = build(dump, out, preset(name), b"k" * 32)["paths"]["dropped"]
    drops = {rule: n for rule, n in counts.items() if "duplicate" in rule and n}
    return folder.read(out, "dialogues"), drops


def test_repeated_dialogue_is_kept_once(tmp_path):
    words = "the same words " + LONG
    replies = [reply("a", "p"), reply("b", "p"), reply("c", "a", body=words)]
    replies.append(reply("d", "a", body=words.upper() + "!"))
    kept, drops = _build(tmp_path, [post()], replies)
    assert drops == {"duplicate_dialogue": 1}
    assert kept.height == 2
    everything, drops = _build(tmp_path, [post()], replies, "none")
    assert everything.height == 3
    assert not drops


COPY = (
    "I think that the city should simply build more flats near the stations, because rents fall "
    "only where people find an empty flat, and every other plan has been tried and has failed"
)


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        (COPY, COPY.upper() + "!!", "duplicate_target"),
        (COPY, COPY.replace("city", "town") + " again", "near_duplicate_target"),
        (COPY, COPY[: len(COPY) // 2] + "or so my uncle says, who never owned one", None),
    ],
)
def test_targets_repeated_in_another_tree(tmp_path, first, second, rule):
    replies = [reply("a", "p", body=first), reply("c", "q", "q", body=second)]
    posts = [post(created_utc=1_500_000_000), post("q", created_utc=1_500_000_001)]
    kept, drops = _build(tmp_path, posts, replies)
    assert drops == ({rule: 1} if rule else {})
    # the earlier thread keeps its dialogue
    assert kept["thread_id"].unique().sort().to_list() == ["t3_p"] if rule else ["t3_p", "t3_q"]


def test_siblings_are_never_compared(tmp_path):
    bodies = {"b": COPY, "c": COPY + " again", "d": COPY + " and again"}
    kept, drops = _build(tmp_path, [post()], [reply(k, "p", body=v) for k, v in bodies.items()])
    assert kept.height == 3
    assert not drops


def test_posts_alone_are_paths_of_one_turn():
    nodes = _nodes({"t3_p": None})
    assert _turns(nodes, _paths(nodes)) == [["t3_p"]]
    assert len(_paths(nodes, min_turns=2).leaf) == 0


def _assigned(topics, settings=None, days=None):
    n = len(topics)
    times = days or [date(2018, 1, 1)] * n
    seconds = [int((d - date(1970, 1, 1)).total_seconds()) if d else None for d in times]
    threads = pl.DataFrame(
        {"thread_id": [f"t3_{i}" for i in range(n)], "topic": topics, "posted_utc": seconds},
        schema_overrides={"posted_utc": pl.Int64},
    )
    return split.assign(threads, settings or Split())[0]


def test_equal_topics_share_a_group_and_a_split():
    found = _assigned(["Cats are best", "cats are BEST!", "CMV: Cats are best", "Dogs are best"])
    assert found["topic_group"].n_unique() == 2
    assert found.group_by("topic_group").agg(pl.col("split").n_unique())["split"].to_list() == [
        1,
        1,
    ]


def test_empty_topics_are_groups_of_their_own():
    assert _assigned(["", "CMV", "!"])["topic_group"].n_unique() == 3


def test_a_split_depends_on_the_first_title_of_its_group_alone():
    many = _assigned([f"topic {i}" for i in range(300)])
    few = _assigned(["something else", "topic 7"])
    assert few["split"][1] == many["split"][7]


def test_shares_are_met():
    found = _assigned([f"topic {i}" for i in range(20_000)], Split(topic_similarity=None))
    shares = dict(found["split"].value_counts(normalize=True).iter_rows())
    # three standard errors of a share of 0.1 at n = 20,000 are 0.0064
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.0085)


def test_salt_changes_the_splits():
    topics = [f"topic {i}" for i in range(200)]
    assert not _assigned(topics)["split"].equals(_assigned(topics, Split(salt="other"))["split"])


def test_time_split_drops_the_early_side_of_a_crossing_group():
    before, after = date(2020, 3, 31), date(2020, 4, 1)
    found = _assigned(["ah", "bee", "sea", "sea", "dee"], days=[before, after, before, after, None])
    assert found["split_time"].to_list() == ["train", "test", None, "test", None]


def test_subsets_by_rank_are_stratified_and_spread_over_trees():
    turns = [2] * 60 + [3] * 30 + [7] * 10
    table = pl.DataFrame(
        {
            "dialogue": [(i * 7919) % 1009 for i in range(100)],
            "order": [i % 20 for i in range(100)],
            "n_turns": turns,
            "split": ["test"] * 100,
        }
    )
    found = split.ranked(table).sort("rank")
    assert found["rank"].to_list() == list(range(100))
    for n in (10, 20, 50, 100):
        first = found.head(n)
        shares = {t: first.filter(pl.col("n_turns") == t).height / n for t in (2, 3, 7)}
        assert shares == pytest.approx({2: 0.6, 3: 0.3, 7: 0.1}, abs=0.5 / n + 1e-9)
    assert found.filter(pl.col("n_turns") == 2).head(20)["order"].n_unique() == 20
    again = split.ranked(table.sample(fraction=1, shuffle=True, seed=1)).sort("rank")
    assert again.equals(found)
