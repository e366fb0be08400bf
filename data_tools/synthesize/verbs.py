"""The verb and its object that an instruction opens with, and the family of task that they tell, by rules of thumb.

Self-Instruct (arXiv 2212.10560, section 3.3) parses instructions to find the root verb and its direct noun object. A
parser is a large dependency for a plot: imperative instructions nearly all open with their verb, and its object ends
before the first preposition or comma. What opens with no known verb counts as a question or as other.
"""

import re

FAMILIES = ("generation", "understanding", "reasoning", "dialogue", "conversion", "other")
_FAMILY_VERBS = {
    "generation": "write create generate compose draft design invent suggest propose make develop build plan "
    "outline tell brainstorm imagine produce prepare describe list name give provide recommend craft "
    "construct implement code",
    "understanding": "summarize summarise classify identify explain analyze analyse determine detect extract find "
    "compare define interpret categorize categorise label highlight state choose select pick "
    "recognize decide evaluate rate review discuss point answer is does what who when where which",
    "reasoning": "calculate compute solve prove predict estimate deduce infer count order rank sort work if why "
    "how should verify check debug fix",
    "dialogue": "reply respond act pretend continue converse ask role-play simulate greet persuade comfort "
    "answer-as play",
    "conversion": "translate convert rewrite rephrase paraphrase edit correct transform change turn format replace "
    "shorten simplify reword express expand combine remove add insert modify adapt arrange organize "
    "organise put",
}
_FAMILY = {verb: family for family, verbs in _FAMILY_VERBS.items() for verb in verbs.split()}
_DIALOGUE = re.compile(
    r"\b(dialogue|conversation|customer|friend says|interview|chat|role of)\b|对话|客人|扮演|朋友", re.I
)
_CHINESE = {
    "generation": "写 编写 创作 生成 设计 列出 列举 给出 提供 推荐 起 制定 描述 编 想出 介绍 用 以 为",
    "understanding": "判断 解释 概括 总结 分析 找出 识别 分类 比较 说明 提取 从 评价 指出 下面",
    "reasoning": "计算 求 解答 推断 证明 预测 估计 排序 为什么 如何 根据 如果",
    "dialogue": "回复 回答 续写 扮演 安慰 你是 朋友 有人",
    "conversion": "翻译 改写 转换 把 将 改正 修改 替换 缩写 扩写 润色 整理",
}
_CHINESE_VERBS = sorted(
    ((verb, family) for family, verbs in _CHINESE.items() for verb in verbs.split()), key=lambda x: -len(x[0])
)
_OPENING = re.compile(r"^(?:please|kindly|can you|could you|would you|i want you to|you are to)\s+", re.IGNORECASE)
_CHINESE_OPENING = re.compile(r"^(?:请你?|帮我|麻烦)+(?:一步一步|详细|简要)?")
_OBJECT_ENDS = re.compile(
    r"[,.;:!?()\[\]\"“]|\b(?:about|of|for|in|on|with|to|from|that|which|who|whether|if|by|as|at|and|or|into|between|using|"
    r"without|so|because|when|where|how|why|what|is|are)\b",
    re.IGNORECASE,
)
_PLURALS = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", ""))
_QUESTIONS = frozenset(["what", "who", "when", "where", "which", "why", "how", "is", "are", "does", "do", "can", "if"])


def verb_and_object(instruction: str) -> tuple[str, str]:
    """The opening verb and the noun it takes; empty where there is none, or none is known.

    >>> verb_and_object("Please write three short stories about a dog.")
    ('write', 'story')
    >>> verb_and_object("请翻译下面的句子"), verb_and_object("The dog is red.")
    (('翻译', ''), ('', ''))
    """
    if re.match(r"[㐀-鿿]", instruction):
        opening = _CHINESE_OPENING.sub("", instruction)
        return next((verb for verb, _ in _CHINESE_VERBS if opening.startswith(verb)), ""), ""
    words = _OPENING.sub("", instruction.strip()).split(None, 1)
    verb = words[0].lower().strip(".,:;!?\"'") if words else ""
    if verb not in _FAMILY:
        return "", ""
    phrase = _OBJECT_ENDS.split(words[1], maxsplit=1)[0].split() if len(words) > 1 and verb not in _QUESTIONS else []
    return verb, _singular(phrase[-1].lower()) if phrase else ""


def family_of(instruction: str) -> str:
    """The family of a task, by its verb.

    >>> family_of("Translate into Spanish."), family_of("The dog is red.")
    ('conversion', 'other')
    """
    if _DIALOGUE.search(instruction):
        return "dialogue"
    verb, _ = verb_and_object(instruction)
    return _FAMILY.get(verb) or dict(_CHINESE_VERBS).get(verb, "other")


def _singular(noun: str) -> str:
    if noun.endswith(("ss", "us", "is")) or len(noun) < 4:
        return noun
    return next((noun.removesuffix(end) + single for end, single in _PLURALS if noun.endswith(end)), noun)
