"""What ConvoKit needs for the same job on a prefix: parse, make a corpus, walk its paths, write.

Run by scripts/perf/build.py in an environment of its own:
    ENV/bin/python scripts/perf/convokit_build.py RS.ndjson RC.ndjson OUT
Prints seconds, comments and paths as JSON.
"""

import json
import sys
import time
from pathlib import Path

from convokit.model import Corpus, Speaker, Utterance

posts, comments, out = sys.argv[1:]
start = time.perf_counter()
speakers = {}
utterances = []
for path, text, link, parent in (
    (posts, "selftext", "id", None),
    (comments, "body", "link_id", "parent_id"),
):
    for line in Path(path).read_text(encoding="utf-8").split("\n"):
        if not line:
            continue
        row = json.loads(line)
        speaker = speakers.setdefault(row["author"], Speaker(id=row["author"]))
        utterances.append(
            Utterance(
                id=row["id"],
                speaker=speaker,
                conversation_id=row[link].removeprefix("t3_"),
                reply_to=row[parent][3:] if parent else None,
                timestamp=int(float(row["created_utc"])),
                text=row[text] or "",
            )
        )
n = len(utterances)
corpus = Corpus(utterances=utterances)
paths = sum(len(c.get_root_to_leaf_paths()) for c in corpus.iter_conversations())
Path(out).mkdir()
corpus.dump("corpus", base_path=out)
print(json.dumps({"seconds": time.perf_counter() - start, "nodes": n, "paths": paths}))
