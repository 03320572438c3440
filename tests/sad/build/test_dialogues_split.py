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


def _select(nodes, settings):
    return dialogues.select(_paths(nodes)[0], nodes, settings)


def test_one_dialogue_per_leaf_oldest_turn_first():
    found, seen, drops = _paths(_nodes())
    assert sorted(found["utterance_ids"].to_list()) == [
        ["t3_p", "t1_a", "t1_c"], ["t3_p", "t1_a", "t1_d"], ["t3_p", "t1_b"],
    ]  # fmt: skip
    assert sorted(found["n_turns"]) == [2, 3, 3]
    assert seen == 3
    assert not any(drops.values())


def test_dialogue_id_is_the_hash_of_thread_and_leaf():
    found, _, _ = _paths(_nodes())
    expected = {
        hashlib.sha1(f"t3_p{x}".encode()).hexdigest()[:16] for x in ("t1_b", "t1_c", "t1_d")
    }
    assert set(found["dialogue_id"]) == expected


def test_minimum_turns():
    found, seen, drops = _paths(_nodes(), min_turns=3)
    assert found["n_turns"].to_list() == [3, 3]
    assert (seen, drops["min_turns"]) == (3, 1)


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
    found, seen, drops = _paths(
        _nodes(in_order), max_path_turns=caps.pop("max_path_turns", None), **caps
    )
    assert found["n_turns"].to_list() == lengths
    assert drops["path_cap"] == seen - len(lengths)


def test_caps_count_for_each_tree_alone():
    both = {"t3_p": None, "t1_a": "t3_p", "t1_b": "t3_p", "t3_q": None, "t1_c": "t3_q"}
    threads = {"t3_q": "t3_q", "t1_c": "t3_q"}
    found, _, drops = _paths(_nodes(both, threads=threads), max_paths=1)
    assert found["thread_id"].to_list() == ["t3_p", "t3_q"]
    assert drops["path_cap"] == 1


def test_a_path_that_lost_its_end_is_dropped_or_stays():
    nodes = _nodes(leaves=["t1_b", "t1_c"])  # t1_d had an answer that fell
    assert _paths(nodes)[0].height == 3
    found, seen, drops = _paths(nodes, on_fail="drop_path")
    assert (found.height, seen, drops["broken_path"]) == (2, 3, 1)


def test_repeated_dialogue_is_kept_once():
    nodes = _nodes(texts={"t1_c": "the same words", "t1_d": "The SAME words!"})
    kept, drops = _select(nodes, BuildSettings())
    assert drops["duplicate_dialogue"] == 1
    assert kept.height == 2
    everything, drops = _select(nodes, preset("none"))
    assert everything.height == 3
    assert not any(drops.values())


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
def test_targets_repeated_in_another_tree(first, second, rule):
    both = {"t3_p": None, "t1_a": "t3_p", "t3_qq": None, "t1_cc": "t3_qq"}
    threads = {"t3_qq": "t3_qq", "t1_cc": "t3_qq"}
    nodes = _nodes(both, {"t1_a": first, "t1_cc": second}, threads=threads)
    kept, drops = _select(nodes, BuildSettings())
    assert [name for name, n in drops.items() if n] == ([rule] if rule else [])
    # the earlier thread keeps its dialogue
    assert kept["thread_id"].unique().sort().to_list() == ["t3_p"] if rule else ["t3_p", "t3_qq"]


def test_siblings_are_never_compared():
    nodes = _nodes(texts={"t1_b": COPY, "t1_c": COPY + " again", "t1_d": COPY + " and again"})
    kept, drops = _select(nodes, BuildSettings())
    assert kept.height == 3
    assert not any(drops.values())


def test_posts_alone_are_paths_of_one_turn():
    nodes = _nodes({"t3_p": None})
    assert _paths(nodes)[0]["utterance_ids"].to_list() == [["t3_p"]]
    assert _paths(nodes, min_turns=2)[0].height == 0


def _assigned(topics, settings=None, days=None):
    n = len(topics)
    threads = [f"t3_{i}" for i in range(n)]
    names = [f"d{i}" for i in range(n)]
    table = pl.DataFrame(
        {"dialogue_id": names, "thread_id": threads, "topic": topics, "n_turns": [2] * n}
    )
    times = days or [date(2018, 1, 1)] * n
    seconds = [int((d - date(1970, 1, 1)).total_seconds()) if d else None for d in times]
    posted = pl.DataFrame(
        {"thread_id": threads, "posted_utc": seconds}, schema_overrides={"posted_utc": pl.Int64}
    )
    return split.assign(table, posted, settings or Split())[0]


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
            "dialogue_id": [f"d{i}" for i in range(100)],
            "thread_id": [f"t3_{i % 20}" for i in range(100)],
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
    assert found.filter(pl.col("n_turns") == 2).head(20)["thread_id"].n_unique() == 20
    again = split.ranked(table.sample(fraction=1, shuffle=True, seed=1)).sort("rank")
    assert again.equals(found)
