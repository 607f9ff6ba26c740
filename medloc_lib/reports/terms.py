"""A small vocabulary, English and Chinese: kinds of lesion, sides, regions, and the words that deny, doubt or turn.

Names of diseases follow the entry terms of MeSH, names of places the Terminologia Anatomica. The cues that deny or
doubt
are those of NegEx and ConText: W. W. Chapman et al., "A simple algorithm for identifying negated findings and diseases
in discharge summaries", *J. Biomed. Inform.* 34 (2001); H. Harkema et al., "ConText", *J. Biomed. Inform.* 42 (2009).
It is a teaching aid, not a terminology: what it lacks, no reader of this lesson finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from medloc_lib.reports.statements import KINDS, REGIONS, SIDES

TERMS: dict[str, tuple[str, str]] = {
    "mass": (
        "mass; mass lesion; tumor; neoplasm; neoplastic lesion; neoplasia; space occupying lesion; sol; expansile "
        "lesion; "
        "glioma; glioblastoma; astrocytoma; meningioma; metastasis; malignancy; malignant lesion; brain tumor; growth; "
        "lesion with mass effect",
        "肿块 占位 占位性病变 肿瘤 胶质瘤 新生物",
    ),
    "plaque": (
        "plaque; demyelinating plaque; demyelinating lesion; demyelinating focus; demyelinating foci; focus of "
        "demyelination; foci of demyelination; demyelinating disease; demyelination; plaque of demyelination; "
        "hyperintense "
        "plaque; white matter lesion; ms lesion; ms plaque; multiple sclerosis; multiple sclerosis lesion; multiple "
        "sclerosis plaque; inflammatory demyelinating lesion",
        "斑块 脱髓鞘 脱髓鞘斑块 脱髓鞘病变 脱髓鞘灶 多发性硬化 多发性硬化斑块",
    ),
    "infarct": (
        "infarct; infarction; area of infarction; cortical infarct; cerebral infarct; cerebral infarction; brain "
        "infarction; ischemic infarct; ischemic lesion; ischemic stroke; ischemia; focus of ischemia; territorial "
        "ischemia; territorial infarct; stroke; lacune; lacunar infarct; cerebrovascular accident; cva; apoplexy; "
        "wedge "
        "shaped infarct; foci of ischemia; cerebrovascular stroke; vascular insult; vascular accident",
        "梗死 脑梗死 梗塞 脑梗塞 梗死灶 缺血灶 缺血性病变 卒中 脑卒中",
    ),
    "left": ("left; left sided; left side; left hand; l; lt", "左 左侧 左边"),
    "right": ("right; right sided; right side; right hand; r; rt", "右 右侧 右边"),
    "midline": ("midline; median; central; near the midline; in the midline", "中线 正中 中线处"),
    "frontal lobe": ("frontal lobe; frontal; frontal cortex; frontal region; prefrontal; lobus frontalis", "额叶 额部"),
    "parietal lobe": ("parietal lobe; parietal; parietal cortex; parietal region; lobus parietalis", "顶叶 顶部"),
    "temporal lobe": ("temporal lobe; temporal; temporal cortex; temporal region; lobus temporalis", "颞叶 颞部"),
    "occipital lobe": (
        "occipital lobe; occipital; occipital cortex; occipital region; lobus occipitalis",
        "枕叶 枕部",
    ),
    "insula": ("insula; insular; insular cortex; insular region; insular lobe", "岛叶 脑岛"),
    "periventricular white matter": (
        "periventricular white matter; periventricular; periventricular region; paraventricular",
        "侧脑室旁 脑室旁 脑室旁白质 侧脑室旁白质",
    ),
    "basal ganglia": (
        "basal ganglia; basal ganglion; basal nuclei; striatum; striatal; putamen; caudate nucleus; caudate; globus "
        "pallidus; lentiform nucleus; ganglionic; basal ganglionic",
        "基底节 基底节区 尾状核 壳核",
    ),
    "thalamus": ("thalamus; thalamic; thalami", "丘脑"),
    "cerebellum": ("cerebellum; cerebellar; cerebellar hemisphere", "小脑 小脑半球"),
    "brainstem": ("brainstem; brain stem; pons; pontine; midbrain; medulla oblongata", "脑干 脑桥 中脑 延髓"),
    "mass effect": ("mass effect", "占位效应"),
    "deny": (
        "no; not; without; none; nor; neither; nothing; absence of; absent; negative; negative for; free of; no "
        "evidence "
        "of; without evidence of; no sign of; no signs of; no definite; no convincing; fails to reveal; ruled out; is "
        "ruled out; was ruled out; has been ruled out; excluded; is excluded; unlikely; never; not seen; not "
        "demonstrated; intact",
        "未见 未见明显 无 没有 未 不见 排除 已排除 未发现 未见明确",
    ),
    "doubt": (
        "possible; possibly; possibility; probable; probably; likely; suspected; suspicious; suspicious for; suspicion "
        "of; equivocal; questionable; may; may represent; might; might represent; could; cannot exclude; cannot be "
        "excluded; cannot rule out; cannot be ruled out; not excluded; not ruled out; concerning for; worrisome for; "
        "should be considered; differential; in the differential; perhaps; uncertain; uncertain whether; not certain "
        "whether; query; ?",
        "可能 可疑 疑似 考虑 不除外 不能排除 不能除外 待排 疑",
    ),
    "turn": (
        "but; however; although; though; except; apart from; aside from; besides; yet; nevertheless; in addition; "
        "while",
        "但 但是 然而 除 另见 另",
    ),
    "seen": (
        "seen; there is; present; is present; evidence of; consistent with; compatible with",
        "见 可见 示 提示 存在",
    ),
    "and": ("and; as well as; together with; plus", "及 和 与 并"),
    "or": ("or", "或"),
    "lesion": ("lesion", "病变 病灶"),
    "brain": ("brain", "脑 颅脑 脑内 颅内"),
    "normal": ("normal; unremarkable", "正常"),
}
"""Concept: English terms, in American spelling and mostly in the singular, and Chinese ones."""

TAGS = ("other", *KINDS, *SIDES, *REGIONS, "mass effect", "deny", "doubt", "turn", "number")
"""What a word can be told to be; all that `TERMS` has beyond these is "other"."""


def plain(word: str) -> str:
    """A word in lower case, American spelling, and the singular, as the vocabulary has it.

    >>> [plain(w) for w in ("Tumours", "ischaemic", "masses", "malignancies", "pons")]
    ['tumor', 'ischemic', 'mass', 'malignancy', 'pons']
    """
    word = word.lower().replace("ae", "e").replace("oe", "e").replace("tumour", "tumor")
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    keep = len(word) < 4 or word.endswith(("ss", "us", "is", "pons"))
    return word[:-1] if word.endswith("s") and not keep else word


@lru_cache(maxsize=1)
def _english() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First word -> (all words, concept), the longest first."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for concept, (english, _) in TERMS.items():
        for term in english.split(";"):
            words = tuple(map(plain, term.split()))
            found.setdefault(words[0], []).append((words, concept))
    return {first: sorted(terms, key=lambda term: -len(term[0])) for first, terms in found.items()}


@lru_cache(maxsize=1)
def chinese() -> dict[str, str]:
    """Chinese word -> the first English term of its concept.

    >>> chinese()["额叶"], chinese()["未见"]
    ('frontal lobe', 'no')
    """
    return {word: english.split(";")[0] for english, words in TERMS.values() for word in words.split()}


def tags(words: Sequence[str]) -> list[str]:
    """What each word is, by the longest term of the vocabulary that it begins or goes on with; numbers are "number".

    >>> tags("no tumours in the left frontal lobe , but a 12 mm stroke".split())
    ['deny', 'mass', 'other', 'other', 'left', 'frontal lobe', 'frontal lobe', 'other', 'turn', 'other', 'number',
     'other', 'infarct']
    """
    known, normal = _english(), [plain(word) for word in words]
    told, i = [], 0
    while i < len(normal):
        for term, concept in known.get(normal[i], ()):
            if tuple(normal[i : i + len(term)]) == term:
                told += [concept if concept in TAGS else "other"] * len(term)
                i += len(term)
                break
        else:
            told.append("number" if normal[i][:1].isdigit() else "other")
            i += 1
    return told


def terms(concept: str) -> tuple[str, ...]:
    """The English terms of a concept.

    >>> terms("thalamus")
    ('thalamus', 'thalamic', 'thalami')
    """
    return tuple(" ".join(term.split()) for term in TERMS[concept][0].split(";"))
