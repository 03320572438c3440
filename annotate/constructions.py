r"""Constructions of English that carry a question, a cause, a case or a parallel, as patterns.

They are written from the guideline and grouped by what they express. ``opening`` patterns begin the
sentence (after words like "and" or "well"), ``inside`` patterns begin at any word; both read the
lower-cased sentence with straight apostrophes. ``named`` patterns need capitals and read the
sentence as it stands. Where a pattern of ``never`` matches, none of the others counts.
``\b`` before an ``inside`` or ``never`` pattern is added where the patterns are joined.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constructions:
    """The patterns of one label."""

    opening: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


_PAST = (
    "(?:was|were|had|did|went|got|took|made|told|saw|came|lost|paid|bought|spent|left|found|kept|"
    "gave|stood|ran|taught|met|sold|won|sat|brought|began|grew|rang|built|broke|drove|fell|held|"
    "rose|slept|sent|stuck|swore|wore|wrote|ate|drank|threw|flew|heard|shot|swam|sank|fought|"
    "caught|fed|fled|hung|dug|woke|chose|spoke|stole|drew|blew|shook|struck|slid|dealt|lent|"
    "became|rode|bit|hid|[a-z]+(?<!e)ed)(?![\\w'])"
)
_AUX = (
    "(?:is|are|was|were|am|do|does|did|can|could|will|would|should|shall|may|might|must|has|have|"
    "had)(?:n't)?"
)
_SUBJECT = (
    "(?:you|we|i|he|she|it|they|this|that|there|the|a|an|my|your|our|his|her|their|these|those|"
    r"one|any\w*|some\w*|no\w*|every\w*|people)"
)
_FEW = r"(?:[\w'-]+ ){1,5}?"  # the words of a noun phrase
_REST = "[^?]*$"  # of a sentence that does not ask
_OBJECT = r"(?:the|a|an|it|them|him|her|us|these|those|people|every\w*|your|their|off|away|up)\b"
_EFFECT = (
    r"(?:the|a|an|you|you'll|your|it|it'll|they|they'll|their|people|nobody|no one|every\w*|half|"
    r"we|we'll|\w+ will)\b"
)
_CHANGED = (
    "(?:went|goes?|c[ao]mes?|clos(?:es?|ed)|stop(?:s|ped)?|fell|falls?|rose|rises?|drop(?:s|ped)?|"
    r"left|leaves?|stay(?:s|ed)?|shuts?|gets?|got|vanish\w*|disappear\w*|start\w*|dies?|died|lose)"
)
_CHANGES = (
    "(?:(?:reduc|increas|destroy|spar|invit|rescu|convert|eras|releas|erod|depriv|displac|silenc|"
    "ignit|lower|shorten|attract|kill|sav|weaken|strengthen|widen|narrow|tempt|halv|lengthen|"
    "deepen|undermin|threaten|protect|distort|starv|chok|sharpen|harden|soften|sustain|restor|"
    "remov|hasten|divert|frighten|interrupt|deliver|bring)e?s|(?:empti|deni|multipli|teach)es)"
)
_MAY_CHANGE = (  # plural nouns as well
    "(?:rais|damag|shak|boost|drain|fill|reward|train|cool|doubl|crowd|shield|rot|feed|foster|"
    "blunt|calm|delay|slow|steer|lift|shift|mov|shut|open|clos|scar|rob|forc|turn)e?s"
)
_TIME = r"(?:years?|months?|weeks?|days?|hours?|decades?|generations?|winters?|summers?)\b"
_ADVERB = "(?:(?:once|just|also|only|still|actually|even|both|all|then|never) )?"
_FIGURE = (
    r"(?:\d+|(?:twen|thir|for|fif|six|seven|eigh|nine)ty[- ]\w+|eleven|\w+teen|\w+ hundred|"
    r"\w+ thousand)\b"
)
_KIN = (
    "(?:uncle|aunt|auntie|mother|mum|mom|mam|dad|father|sister|brother|son|daughter|cousin|"
    "neighbou?r|friend|mate|wife|husband|partner|ex|boss|teacher|nan|gran|grand(?:mother|father|ma|"
    "pa)|granda?d|nephew|niece|roommate|flatmate|landlord|co-?worker|kid|lad|girl|boy|client|"
    "patient|student|pupil)s?\\b"
)
_HOME = (
    "(?:street|town|village|city|school|office|class(?:room)?|building|road|estate|ward|hospital|"
    "district|family|house|place|job|clinic|shop|block|parish|team|firm)\\b"
)
_PERSON = (
    "(?:man|woman|girl|boy|lad|fell?a|fellow|guy|chap|lady|bloke|family|kid|couple|nurse|teacher|"
    "student|worker|mother|father|farmer|driver|tenant|cleaner)\\b"
)
_MENTAL = (
    "(?:know|think|want|need|have|see|like|get|mean|believe|understand|agree|care|trust|say|hear|"
    "feel|hope|expect|claim|dispute|deny|denie|doubt|object|really|even|remember)"
)
_DATE = (
    "(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|English|Parliament|Congress|Minister|Senator|God|"
    "Act|Annex|Article|Section)"
)

QUESTION = Constructions(  # without a question mark; with one, the mark decides
    opening=(
        # asks by its order of words
        rf"why(?: on earth)? (?:{_AUX}|not)\b|why's\b",
        r"who(?:'s|'d|'ll)? (?!am\b)\w",
        rf"whose \w+ {_AUX} |whom {_AUX} |whence ",
        r"what (?:do|does|did|would|will|should|could) |what (?:about|good|becomes of|stops) ",
        r"what happens (?:to|if|when|once) ",
        rf"(?:when|where) (?:did|does|do|will|would) {_SUBJECT}\b|where(?:'s| does)\b",
        r"how(?: else| exactly| on earth)? "
        r"(?:do|does|did|is|are|can|could|will|would|should|come) ",
        r"how(?:'s| many| much| long| often) ",
        r"(?:does|would|should|isn't|aren't|don't|didn't|doesn't|wouldn't|shouldn't|can't) "
        r"(?:you|we|i|he|she|it|they|this|there|the|any\w*)\b",
        r"do (?:you|we|they|i)\b",
        r"ever (?:wonder|seen|tried|been|heard|met|had|noticed)\b",
    ),
    inside=(
        # asks in its second half
        rf"(?:so|then) (?:why|who|how|where|what)(?:'s|'re| (?:exactly |else |on earth )?{_AUX}) ",
        rf"(?:if|when) [^,]+, (?:why|who|how|where|what)(?:'s|'re| {_AUX}) ",
    ),
    never=(
        # a courtesy, a tag, a remark on the order of speakers
        r"(?:right|okay|ok|huh|eh|you know|yeah)\W*\?\W*$",
        r"(?:hear me|come in|come back on|give way|yield|point of (?:order|information))\b",
        r"(?:sorry|mods|sir), (?:could|can|will|would|was|is)\b",
        r"(?:can|could|may|might) (?:i|we) (?:just |have |get |ask|check|come|finish|say)",
        # a request to say, show or explain
        r"(?:can|could|would|will) (?:you|someone|somebody|anyone|the \w+|we)\b[^?]*"
        r"\b(?:repeat|explain|say|link|post|repost|share|clarify|mind|like to)\b",
        r"(?:anyone|anybody)(?: \w+){0,3} (?:know|got|have|remember)\b",
        r"(?:links?|sources?|citations?)\b[^?]*\?\W*$",
        r"(?:just curious|out of curiosity|(?:serious|sincere|genuine|honest) question|"
        r"if you don't mind|asking (?:for|seriously|because|as))\b",
        r"(?:again|btw|anyone|by the way)\W*$",
        # what is meant
        r"(?:do you mean|mean by|are we (?:talking|assuming)|stand for)\b",
        r"(?:which|what) [^?,]* (?:are (?:we|you)|is this)\b",
        r"what (?:does|do|did) [^?]*\bmean\b|what happens is\b",
    ),
)

CAUSALITY = Constructions(
    opening=(
        # conditions that bring about, and what goes with them
        r"(?:once|as soon as|unless|whenever|wherever) ",
        rf"without [^,]+, {_REST}",
        r"every \w+ (?:that|we|you|who) ",
        r"(?:no|fewer|less|more) [^,]{2,40}, (?:no|fewer|less)\b",
        r"the (?:more|less|fewer|\w+er)\b.*, (?:and )?the (?:more|less|fewer|\w+er)\b",
        rf"if (?!i\b|i'm|my\b)[^?]*\b(?:will|won't|would|wouldn't)\b{_REST}",
        rf"if (?!i\b|i'm|my\b)[^?]*'ll\b{_REST}",
        rf"when [^?,]*, (?:the|they|it|people|nobody|he|she|his|her|their|its|half) {_REST}",
        rf"(?:after [^?,]*,|by \w+ (?:he|she|they|we|it|i)\b) {_REST}",
        # do this and that follows
        rf"(?!{_SUBJECT}\b|{_AUX}\b|(?:who|what|how|why|if|when|since|let's|as|in|on|at|for|with|"
        rf"by|from|so|look|saw|like|take (?:it|your))\b)"
        rf"[a-z]+(?<!ed)(?<!ing)(?<!ly) {_OBJECT}[^?.;:]*?(?:, and| and|, or) {_EFFECT}{_REST}",
        rf"you (?:\w+ )?(?!'|{_AUX}\b|know|want|say|said|think|mean|see)\w+ "
        rf"(?:\w+ )*?{_OBJECT} [^?]*?,? and {_EFFECT}",
    ),
    inside=(
        # connectives
        r"(?:because of|thanks to|due to|owing to|for (?:want|lack|fear) of) ",
        r"as a (?:result|consequence)\b",
        rf"because (?!i\b|of\b){_REST}",
        r"(?:which is|that's|that is) (?:exactly |precisely |partly )?why "
        r"(?!i\b|we\b|i'm|it's|you\b)",
        r"the (?:\w+ )?reason [^,.]* (?:is|was)\b",
        rf"(?<=, )so (?:the|they|people|nobody|no one|he|she|half|now|no|every\w*) "
        r"(?![^,]* (?:is|are) (?:false|true|wrong|right|valid|invalid|unfounded|premature)\b)"
        rf"\w{_REST}",
        rf"which (?:means|meant) (?:that )?{_FEW}(?:will|would|can|cannot|can't|gets?|goes|has)\b",
        r"which (?:made|makes|keeps|kept|leaves|gives|lets|forces|drives) ",
        # verbs that produce, prevent or enable
        r"(?:leads?|led|leading) to (?!believe|think|expect)|result(?:s|ed|ing) in ",
        r"(?<!the )(?<!of )(?<!good )(?<!root )(?<!our )(?<!these )caus(?:es|ed|ing) "
        r"(?!of\b|for\b|and\b|is\b|are\b|by\b)\w",
        r"(?<=s )(?<!\bits )(?<!\bthis )(?<!\bhis )(?<!whose )cause "
        r"(?!of\b|for\b|and\b|is\b|by\b)\w",
        r"(?:prevent(?:s|ed)?|discourages?|deters?|provokes?|triggers?|enables?|produces|creates|"
        r"generates?|breeds?|fuels|encourages) (?!by\b|in\b)\w",
        rf"{_CHANGES} (?!to\b|by\b|in\b|is\b|of\b)\w",
        rf"{_MAY_CHANGE} {_OBJECT}",
        rf"(?:lets?|allows?|forces?|obliges?|pushes|drives|helps|tempts|leaves) {_FEW}to \w",
        rf"keeps (?!up|on\b)\w|(?:kept|stops?|stopped) {_FEW}(?:from|out|away|alive|\w+ing)\b",
        rf"(?:turns|pushes|forces|drives|drags|lures|pulls|draws|sends|turned|pushed|forced|drove|"
        rf"dragged|pulled|drew|sent) {_FEW}(?:into|out of|off|away|back|onto)\b",
        rf"(?:push|drive|force|drag|pull|draw|price|squeeze|scare|crowd|lure) "
        rf"{_FEW}(?:into|out of|out|off|away|back|onto|under|down)\b",
        # makes it so
        r"(?:makes|made|making) (?:him|her|them|people|us|it) "
        r"(?!a\b|an\b|one|the\b|up|in|to|of|on|so|out)\w",
        rf"(?:makes|making|made|(?<!n't )(?<!not )make) {_FEW}"
        r"(?:more|less|harder|easier|worse|better|im?possible|\w{3,}er)\b(?! than\b)",
        # foretells
        r"(?<!the )(?<!\bi )(?<!\bwe )(?<!good )(?<!house )will "
        r"(?!you\b|i\b|we\b|the\b|it\b|have to|ask|sit|say|take\b|permit)\w",
        r"(?:they|it|he|she|that|there|people|somebody|someone|nobody)'ll\b",
        r"you'll (?!forgive|tell|say|have to|hear|notice|see me|be back)\w",
        r"(?:would have|would've|wouldn't have) ",
        r"would (?:simply |merely |only |just |soon )?(?:move|leave|go|fall|rise|close|shut|stop|"
        r"vanish|drop|cost|save|bring|free|hand|push|force|give|turn|lose|put|mean|need|cut|raise|"
        r"kill) ",
        r"once (?:the|you|they|it|a|an|he|she|people) ",
        # follows in time and from it
        rf"(?<=, )and (?:the|it|they|people|nobody|half|every|no) {_FEW}{_CHANGED}\b{_REST}",
        rf"until (?:the|they|it|he|she|nobody|no one|somebody) {_REST}",
        rf"(?:(?<=, )and by \w|within (?:a|an|two|three|five|ten|the) (?:\w+ )?{_TIME})",
        r"(?:collapsed|vanished|disappeared|shrank|stopped|emptied|doubled|halved)\b",
        r"(?:goes|went) (?:down|bust|under|quiet)\b|(?:end(?:s|ed)?|winds?|wound) up\b",
        # points at what did it
        r"(?:it's|it is|it was) (?:the|a|an|\w+) [\w' ]{2,40} (?:that|who) \w",
        r"(?:is|was|are|were|that's|it's) what (?!i\b|you\b|we\b|they\b|it\b|he\b|she\b|the\b|a\b|"
        r"happens|my\b|is\b)\w",
        r"what (?:keeps|kept|stops|stopped|made|put|ended|brought|drives|fills|killed|saved|got|"
        r"changed)\b",
        rf"what (?:(?:does|do|did|will|would) {_FEW}do to|happens (?:to|when|if|once)|"
        r"bec[ao]mes? of) ",
    ),
    never=(
        # a reason to believe or say, and what merely happens together
        r"(?:i|i'm|i've|i'd|we|we're|you|let|do|does|should|shall|ask|asking) [^,;]*,? "
        r"because (?!of\b)",
        r"(?:coincid\w+|in the same (?:years?|decades?|period)|together, )",
    ),
)

EXAMPLE = Constructions(
    opening=(
        # the speaker's own, with the subject left out
        r"(?:worked|got|had|went|sold|lived|tried|bought|quit|lost|moved|broke) (?!to\b)\w",
        r"our (?!opponents?|side|case|model|point|motion|question|first|second)\w+ \w",
        rf"they {_PAST}",
    ),
    inside=(
        # said to be one
        r"for (?:example|instance)\b(?! is)|e\.g\.|, such as\b|a case in point\b",
        # imagined
        r"(?:take|consider|picture|imagine|suppose) (?:someone|somebody|my)\b "
        r"(?!time|surprise|word)",
        rf"(?:take|consider|picture|imagine|suppose|think of|look at|ask|what about) "
        rf"(?:a|an|the|this|that|some) (?:[\w-]+ ){{0,2}}?{_PERSON}",
        # lived through
        rf"(?:i|we) {_ADVERB}(?!asked|wanted|argued|mentioned|proposed|laughed|earned|used)"
        rf"(?:{_PAST})(?! a question)",
        rf"(?:he|she) {_ADVERB}(?!asked|wanted|argued|claimed|mentioned|agreed){_PAST}",
        r"i (?:work|live|run|manage|teach|rent|farm|coach) (?:in|at|on|for|a|an|the|next|with)\b",
        # of somebody whom the speaker knows
        rf"my (?:[\w-]+ ){{0,2}}?{_KIN}(?!-)",
        rf"(?:in|at|on|round|of) (?:my|our) (?:own |old )?{_HOME}",
        rf"there(?:'s| is| was) (?:a|an|this|one) (?:\w+ )?{_PERSON}",
        # dated, and counted
        r"(?:^|, )in (?:1[5-9]|20)\d\d\b|in nineteen \w|in '\d\d\b",
        r"last (?:year|month|week|summer|winter|spring|autumn|night|\w+day)\b(?!'s)",
        rf"{_TIME} (?:ago|straight|running)\b",
        rf"(?:i|we|my|our|he|she|his|her)\b.{{0,120}}\b{_FIGURE}",
        r"here in \w",
    ),
    named=(
        # at a place, of a place, a name that acts
        r"(?:^|, )(?:In|At|Over in|Down in|Out in|Up in|Back in|When|After|Once|Take|Since|Ask|"
        r"Look at|Like) (?:[a-z]+ )?[A-Z][a-z]+",
        rf"[a-z,;] (?:in|at|near|outside|from|like|of) (?!{_DATE})[A-Z][a-z]{{2,}}[^?]*{_PAST}",
        rf"[a-z,;] (?:in|at|near|outside|like) (?!{_DATE})[A-Z][a-z]{{2,}}",
        rf"[a-z,;] (?!{_DATE})[A-Z][a-z]{{2,}} (?:has|{_PAST})",
        rf"[a-z,;] (?!{_DATE})[A-Z][a-z]{{2,}}'s ",
        r"^(?!It|That|He|She|What|There|Who|Where|Let|How|Here|Nobody|Every|Some|Any|Today|"
        r"Yesterday|One|Why|When|Time)[A-Z][a-z]+'s "
        r"(?!a\b|the\b|not\b|an\b|no\b|got\b|been\b)[a-z]+",
        r"^(?!(?:It|That|He|She|This|They|I|We|You|What|There|Who|Nobody|Every\w+|Which|Nothing|"
        r"Neither|Some\w*|Most|Many|Both|When|Once|People|Had|Did|And|But|The|"
        r"\w+ hundred)\b)"
        r"[A-Z][a-z]+(?<!s)(?<!tion)(?<!ing)(?<!ment)(?<!ness)(?<!ity)(?<!ism)(?<!nce)(?<!cy)"
        rf"(?: [A-Z][a-z]+)* (?:has|{_PAST})",
        r"\b(?:Mr|Mrs|Ms|Miss|Dr|Uncle|Auntie|Aunt|Judge|Sergeant)\.? "
        r"(?!Chair|President|Secretary|Speaker|Minister|Mayor)[A-Z]",
    ),
    never=(
        # the speaker's part in this debate
        r"(?:viewers?|good (?:evening|afternoon|morning)|welcome|thank you|thanks (?!to))\b",
        r"(?:honourable|my (?:learned |worthy )?(?:opponent|colleague)) (?:said|has said|asked)\b",
    ),
)

ANALOGY = Constructions(
    opening=(
        # asks or supposes what holds elsewhere
        rf"(?:do|did|have|has) (?:we|you|any\w*) (?!{_MENTAL}|ever|not)\w+",
        r"(?:shall|should) we (?!not|be)\w+ ",
        r"(?:if|when) (?:a|an) \w+ ",
        r"(?:we|they|you|if|when) [^?]*, (?:so|then) (?:why|what's|how|should|where)\b",
        r"(?:we|they) (?:already )?(?:ban|tax|charge|ask|limit|ration|allow|licen[cs]e|test|"
        r"inspect|regulate|insure|require|let) (?!you\b|it\b)\w",
        # says of one thing what is to hold of the other
        r"(?:a|an) \w+ (?:does not|doesn't|isn't|is not|has no|hasn't|cannot|can't|won't) ",
        r"[a-z]{3,}ing .*\b(?:is|isn't|does not|doesn't|won't) (?:[a-z]{3,}ing|not|like) ",
        r"to \w+ .* is to \w+",
        r"(?:people|they) (?:said (?:it|that|the same)|used to) ",
        r"just as \w.*, so ",
        r"(?:a|an) \w+ (?:that|which|who|whose|with|of) .*"
        r"\b(?:would|isn't|doesn't|does not|is not) ",
        r"you (?:\w+ )?(?:put|take|give|pay|sell|let|buy|keep|leave) (?:a|an|someone|somebody) ",
    ),
    inside=(
        # what nobody would do
        r"(?:and|but) (?:nobody|no one) |(?:and|then|to) call it ",
        rf"(?:you|we|one) (?:don't|do not|wouldn't|would not|never) (?!{_MENTAL})\w",
        r"(?:nobody|no one|no-one) (?:would|ever) ",
        rf"(?:nobody|no one|no-one) (?!{_MENTAL}|is|was|has|this|mentions|knows)[a-z]+s "
        r"(?!in\b|out\b|up\b|my\b|[^,]*\bany ?more\b)",
        r"(?:nobody|no one|no-one) (?:called|blamed|banned|demanded|proposed|accused|suggested) ",
        rf"would (?:you|we|anyone|anybody|any) (?!{_MENTAL}|agree|mind|prefer|be|rather|not|come|"
        r"accept|tell|call|still|win)\w",
        # the same holds
        r"why (?:would|should) .*\bany (?:different|better|worse|\w+er|less|more)\b",
        r"(?:in|by) (?:exactly |precisely |much |just )?(?:the|that) same "
        r"(?:way|manner|fashion|logic|reasoning|token)\b",
        r"same (?:is|was|goes|holds|logic|argument|reasoning|principle|mistake|trick|blunder) ",
        r"by that (?:logic|measure|standard|reasoning|rule)\b",
        r"(?:no|not any|hardly|little) different\b",
        r"(?:same way|the way) (?:a|an|you|we) |so (?:too|it is|it went) (?:with|for|in)\b",
        # is like
        r"(?:is|are|was|be|being|just|it|it's|that's) "
        r"(?:a bit |rather |exactly |just |much |kind of |sort of )?"
        r"like (?:a|an|saying|with|when|if|[a-z]+ing) ",
        r"(?:like|as) (?:a|an) \w+ (?:who|that|might|would) |like (?:a|an) \w+ \w+ing ",
        r"(?:much|just|exactly|precisely|rather) as (?:a|an|the|we|you|one) ",
        r"as (?:if|though) (?:one|a|an|you|we|somebody|someone) ",
        r"(?:it's|that's|this is|it is|that is) (?:like |basically |pure |just )?"
        r"[a-z]{3,}ing (?:a|an|the|your|my) ",
        r"(?:equivalent of|analogous to|akin to|tantamount to) ",
    ),
    never=(r"don't(?:, don't)? tell (?:me|us)\b|tell me (?:it|that)\b",),
)
