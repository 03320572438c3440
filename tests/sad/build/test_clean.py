import polars as pl
import pytest

from sad.build import clean


def _clean(step, text):
    return pl.select(clean.STEPS[step](pl.lit(text, pl.String))).item()


def _all(text):
    for step in clean.STEPS:
        text = _clean(step, text)
    return text


FOOT = "*Hello, users of CMV! This is a footnote from your moderators. Rules. Happy CMVing!*"


@pytest.mark.parametrize(
    ("step", "raw", "cleaned"),
    [
        ("entities", "a &amp; b &lt;c&gt; &quot;d&quot;", 'a & b <c> "d"'),
        ("entities", "&amp;#8710; and &amp;gt;", "∆ and >"),
        ("entities", "AT&T; fish & chips", "AT&T; fish & chips"),
        ("invisible", "a\u200bb\ufeffc\u2028d\r\ne\x00f", "abc\nd\nef"),
        ("footnotes", f"view\n\n_____\n\n> {FOOT}\n", "view\n"),
        ("footnotes", f"view\n\n> {FOOT}", "view\n"),
        ("footnotes", "Hello, users of this site", "Hello, users of this site"),
        ("quotes", "> said before\n\nanswer", "\n\nanswer"),
        ("quotes", "  >> twice\nanswer\n>", "\nanswer\n"),
        ("quotes", ">!spoiler!< stays", ">!spoiler!< stays"),
        ("quotes", "5 > 3 stays", "5 > 3 stays"),
        ("quotes", "        > deep\n\u00a0> odd\nanswer", "\n\nanswer"),
        ("quotes", ">! not closed\n>! open !\nanswer", "\n\nanswer"),
        ("links", "see [it](), [them](\n) and [these](()", "see it, them and these"),
        ("links", "two\nlines] of it]() end", "two\nlines] of it] end"),
        ("deltas", "Fine. Have it: delta awarded for this. Bye.", "Fine. Bye."),
        ("deltas", "A delta has been given to you\nand more", "\nand more"),
        ("deltas", "He was given a river delta", None),
        ("deltas", "In the river delta given its size farms do well. Next.", None),
        ("users", "the user/admin distinction and user/computer interfaces", None),
        ("links", "see https://en.org/wiki/Foo_(bar) now", "see  now"),
        ("links", "see (https://a.org/x) and (Source: http://b.org)", "see  and "),
        ("links", "[mail me](mailto:joe@example.com) or ftp://x.org/y", "mail me or "),
        ("links", "[text] (http://x.com) z", "[text]  z"),
        ("links", "f() and call( ) stay", None),
        ("edits", "text\nEdit (My view has been changed): x", "text"),
        ("edits", "text\nEdit 1) Since I got this", "text"),
        ("edits", "text\nEdit I think we are done", "text"),
        ("edits", "text\n*Edit to say thanks", "text"),
        ("edits", "text\nedit, because of x", "text"),
        ("edits", "text\nedit wars are bad", None),
        ("edits", "EDIT: one\n\nEdit 2: two\nstill two\n\nthe view", "the view"),
        ("edits", "text\n(edit: x)", "text"),
        ("edits", "text\n[EDIT: x]", "text"),
        ("edits", "text\n<EDIT 3:58 PM> x", "text"),
        ("edits", "text\nEdits for clarity", "text"),
        ("edits", "text\nEdits are useful", None),
        ("links", "see [the study](https://a.org/x_(y)?z=1) now", "see the study now"),
        ("links", 'see [it](http://a.org "title") now', "see it now"),
        ("links", "at https://a.org/x?y=1, www.b.org and <http://c.org>.", "at   and ."),
        ("links", "array[0](x) and [this](an aside, no link) stay", None),
        (
            "links",
            "[link](http://a.org and then\n\npara (an aside) stays",
            "link and then\n\npara (an aside) stays",
        ),
        ("links", "[[1]](http://x.org/a_(b)) and [home](/r/x)", "[1] and home"),
        ("links", "https://a.com—and then", "—and then"),
        ("entities", "rock&not roll &amp; more", "rock&not roll & more"),
        ("invisible", "a\u202eb\u2066c\u009bd", "abcd"),
        ("footnotes", "Hello, users of CMV! I argue that this stays.", None),
        ("deltas", "Delta awarded. The rest stays.", " The rest stays."),
        ("edits", "EDIT: first\n\nthe view", "the view"),
        ("edits", "text\nEDIT #2: x", "text"),
        ("edits", "text\nEdit (1): x", "text"),
        ("edits", "text\n[EDIT] x", "text"),
        ("edits", "text\n##Edit: x", "text"),
        ("edits", "text\nEDIT I was wrong", "text"),
        ("edits", "text\nEdit to add that", "text"),
        ("edits", "text\nEDIT; x", "text"),
        ("edits", "text\nEdit-wars are real and\nUpdate-driven markets too", None),
        ("edits", "text\nEditing is hard", None),
        ("markup", "2*3*4, 10^6, x^(n) and C:\\path\\new", None),
        ("markup", "^^tiny words and word^(said aside)", "tiny words and word(said aside)"),
        ("markup", "**a** *b* ***c***, (*d*)", "a b c, (d)"),
        (
            "users",
            "thanks:/u/name123 and /user/name123 reddit.com/u/name123",
            "thanks:@user and @user @user",
        ),
        (
            "repeats",
            "gave her her book, with it it's, you can can't be, and and",
            "gave her her book, with it it's, you can can't be, and",
        ),
        ("repeats", "they they're here", None),
        ("spaces", "the .50 cal, .NET, like .5, please :)", None),
        ("deltas", "you win !delta", "you win "),
        ("deltas", "!Delta ∆ Δ &#8710;", "   "),
        ("deltas", "ΔThanks, goodΔ", "Thanks, good"),
        ("deltas", "the ΔT of water stays", "the ΔT of water stays"),
        ("deltas", "yes\nDelta awarded for the point\nend", "yes\n\nend"),
        ("edits", "text\n\nEDIT: later", "text\n"),
        ("edits", "text\n**Edit 2:** later\nmore", "text"),
        ("edits", "text\nUPDATE - later", "text"),
        ("edits", "I edit: books and\nedit them well", "I edit: books and\nedit them well"),
        (
            "markup",
            "# head\n* item\n**bold** _it_ ~~no~~ `x` 2^nd",
            "head\nitem\nbold it no x 2^nd",
        ),
        ("markup", r"\*not\* \_this\_", "*not* _this_"),
        ("markup", "2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("users", "ask /u/Some_One or u/other-1", "ask @user or @user"),
        ("users", "you/us and e.g. u/s", "you/us and e.g. u/s"),
        ("repeats", "the the the end and and so", "the end and so"),
        ("repeats", "I had had enough that that day, very very much", None),
        ("repeats", "the there then thethe", None),
        ("spaces", "  a \t b \n\n\n\n c  . ", "a b\n\nc."),
    ],
)
def test_step(step, raw, cleaned):
    assert _clean(step, raw) == (raw if cleaned is None else cleaned)


@pytest.mark.parametrize("step", list(clean.STEPS))
@pytest.mark.parametrize("text", ["", "Plain words stay as they are, don't they?", None])
def test_step_leaves_plain_text_alone(step, text):
    assert _clean(step, text) == text


def test_cleaning_again_changes_nothing():
    raw = f"&gt; quote\n\n**I** think [so](http://a.org) the the end\n\nEDIT: x\n\n____\n\n> {FOOT}"
    assert _all(_all(raw)) == _all(raw) == "I think so the end"


@pytest.mark.parametrize(
    ("title", "topic"),
    [
        ("CMV: Cats are best", "Cats are best"),
        ("cmv - cats are best.", "cats are best."),
        ("CMV: [CMV] Cats are best", "Cats are best"),
        ("[CMV] Cats are best", "Cats are best"),
        ("(cmv) Cats", "Cats"),
        ("CMV.Cats are best", "Cats are best"),
        ("I believe cats are best. CMV", "I believe cats are best"),
        ("I believe cats are best, CMV!", "I believe cats are best"),
        ("Cats are best (CMV)", "Cats are best"),
        ("CMV: R&amp;D is best", "R&D is best"),
        ("CMVs are a genre", "CMVs are a genre"),
        ("The CMV format is good", "The CMV format is good"),
        ("CMV", ""),
    ],
)
def test_topic(title, topic):
    assert pl.select(clean.topic(pl.lit(title))).item() == topic
