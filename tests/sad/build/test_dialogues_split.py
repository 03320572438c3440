import hashlib
from datetime import date

import polars as pl
import pytest

from sad.build import dialogues, split
from sad.build.settings import BuildSettings, Split, preset

#        p
#      /   \
#     a     b
#    / \
#   c   d
PARENT = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t3_p", "t1_c": "t1_a", "t1_d": "t1_a"}


def _nodes(parents=PARENT, texts=None):
    names = list(parents)
    return pl.DataFrame(
        {
            "node_id": names,
            "thread_id": ["t3_p"] * len(names),
            "topic": ["Topic"] * len(names),
            "text": [(texts or {}).get(n, f"text of {n}") for n in names],
            "parent": [names.index(p) if p else -1 for p in parents.values()],
        }
    )


def test_one_dialogue_per_leaf_oldest_turn_first():
    found = dialogues.paths(_nodes())
    assert sorted(found["utterance_ids"].to_list()) == [
        ["t3_p", "t1_a", "t1_c"], ["t3_p", "t1_a", "t1_d"], ["t3_p", "t1_b"],
    ]  # fmt: skip
    assert sorted(found["n_turns"]) == [2, 3, 3]


def test_dialogue_id_is_the_hash_of_thread_and_leaf():
    found = dialogues.paths(_nodes())
    expected = {
        hashlib.sha1(f"t3_p{x}".encode()).hexdigest()[:16] for x in ("t1_b", "t1_c", "t1_d")
    }
    assert set(found["dialogue_id"]) == expected


def test_minimum_turns():
    kept, drops = dialogues.select(dialogues.paths(_nodes()), BuildSettings(min_turns=3))
    assert kept["n_turns"].to_list() == [3, 3]
    assert drops["min_turns"] == 1


def test_repeated_dialogue_is_kept_once():
    nodes = _nodes(texts={"t1_c": "the same words", "t1_d": "The SAME words!"})
    kept, drops = dialogues.select(dialogues.paths(nodes), BuildSettings())
    assert drops["duplicate_dialogue"] == 1
    assert kept.height == 2
    everything, drops = dialogues.select(dialogues.paths(nodes), preset("none"))
    assert everything.height == 3
    assert not any(drops.values())


def test_posts_alone_are_paths_of_one_turn():
    found = dialogues.paths(_nodes({"t3_p": None}))
    assert found["utterance_ids"].to_list() == [["t3_p"]]
    assert dialogues.select(found, preset("none"))[0].height == 1
    assert dialogues.select(found, preset("paper"))[0].height == 0


def _assigned(topics, settings=None, days=None):
    n = len(topics)
    threads = [f"t3_{i}" for i in range(n)]
    table = pl.DataFrame({"thread_id": threads, "topic": topics})
    times = days or [date(2018, 1, 1)] * n
    seconds = [int((d - date(1970, 1, 1)).total_seconds()) if d else None for d in times]
    posted = pl.DataFrame(
        {"thread_id": threads, "posted_utc": seconds}, schema_overrides={"posted_utc": pl.Int64}
    )
    return split.assign(table, posted, settings or Split())


def test_equal_topics_share_a_group_and_a_split():
    found = _assigned(["Cats are best", "cats are BEST!", "CMV: Cats are best", "Dogs are best"])
    assert found["topic_group"].n_unique() == 2
    assert found.group_by("topic_group").agg(pl.col("split").n_unique())["split"].to_list() == [
        1,
        1,
    ]


def test_empty_topics_are_groups_of_their_own():
    assert _assigned(["", "CMV", "!"])["topic_group"].n_unique() == 3


def test_a_split_depends_on_its_topic_alone():
    many = _assigned([f"topic {i}" for i in range(300)])
    few = _assigned(["something else", "topic 7"])
    assert few["split"][1] == many["split"][7]


def test_shares_are_met():
    found = _assigned([f"topic {i}" for i in range(20_000)])
    shares = dict(found["split"].value_counts(normalize=True).iter_rows())
    # three standard errors of a share of 0.1 at n = 20,000 are 0.0064
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.0085)


def test_salt_changes_the_splits():
    topics = [f"topic {i}" for i in range(200)]
    assert not _assigned(topics)["split"].equals(_assigned(topics, Split(salt="other"))["split"])


def test_time_split_drops_the_early_side_of_a_crossing_group():
    before, after = date(2020, 3, 31), date(2020, 4, 1)
    found = _assigned(["a", "b", "c", "c", "d"], days=[before, after, before, after, None])
    assert found["split_time"].to_list() == ["train", "test", None, "test", None]
