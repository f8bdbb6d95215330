#!/usr/bin/env python3
"""Make a treebank in miniature: sentences of a small grammar in English and German, with parts of speech.

    python3 examples/data/sentences.py

Writes examples/data/sentences/{language}-{split}.conllu: English to train on, to choose by and to test,
German to test. Only the words and their universal parts of speech are filled in.
"""

from pathlib import Path
from random import Random

ENGLISH = {
    "subject": ["I PRON", "we PRON", "they PRON", "you PRON"],
    "verb": ["open VERB", "clean VERB", "see VERB", "move VERB", "need VERB", "like VERB"],
    "article": ["the DET", "this DET", "every DET"],
    "adjective": ["old ADJ", "small ADJ", "warm ADJ", "red ADJ", "quiet ADJ"],
    "noun": ["lamp NOUN", "door NOUN", "room NOUN", "window NOUN", "chair NOUN", "garden NOUN"],
    "adverb": ["today ADV", "often ADV", "now ADV", "slowly ADV"],
    "preposition": ["in ADP", "behind ADP", "near ADP"],
    "place": ["the DET kitchen NOUN", "the DET house NOUN", "the DET office NOUN"],
    "modal": ["can AUX", "must AUX", "will AUX"],
    "name": ["Anna PROPN", "Omar PROPN", "Mei PROPN"],
    "and": ["and CCONJ"],
    "number": ["two NUM", "three NUM", "ten NUM"],
    "nouns": ["lamps NOUN", "doors NOUN", "windows NOUN", "chairs NOUN"],
    "end": [". PUNCT"],
}
GERMAN = ENGLISH | {
    "subject": ["wir PRON", "sie PRON"],
    "verb": ["öffnen VERB", "putzen VERB", "sehen VERB", "suchen VERB", "brauchen VERB"],
    "article": ["die DET", "diese DET", "jede DET"],
    "adjective": ["alte ADJ", "kleine ADJ", "warme ADJ", "rote ADJ", "leise ADJ"],
    "noun": ["Lampe NOUN", "Tür NOUN", "Uhr NOUN", "Tasche NOUN", "Bank NOUN"],
    "adverb": ["heute ADV", "oft ADV", "jetzt ADV", "langsam ADV"],
    "preposition": ["in ADP", "hinter ADP", "neben ADP"],
    "place": ["der DET Küche NOUN", "dem DET Haus NOUN", "dem DET Büro NOUN"],
    "modal": ["können AUX", "müssen AUX", "werden AUX"],
    "and": ["und CCONJ"],
    "number": ["zwei NUM", "drei NUM", "zehn NUM"],
    "nouns": ["Lampen NOUN", "Türen NOUN", "Fenster NOUN", "Stühle NOUN"],
}
# The order of the words is that of both languages, but for the verb after a modal one.
FRAMES = [
    "subject verb article adjective noun preposition place end",
    "subject verb number nouns adverb end",
    "name and name verb article noun end",
    "name and name verb adverb article adjective noun end",
    "subject verb name and article adjective noun end",
]
MODAL = {
    "en": "subject modal verb article noun preposition place end",
    "de": "subject modal article noun preposition place verb end",
}


def sentence(language, words, random):
    """A sentence as rows of CoNLL-U."""
    frame = random.choice([*FRAMES, MODAL[language]])
    chosen = " ".join(random.choice(words[part]) for part in frame.split()).split()
    rows = zip(chosen[::2], chosen[1::2])
    lines = [f"{id}\t{form}\t_\t{upos}" + 6 * "\t_" for id, (form, upos) in enumerate(rows, 1)]
    return "\n".join(lines) + "\n\n"


def main():
    folder = Path(__file__).parent / "sentences"
    folder.mkdir(exist_ok=True)
    random = Random(42)
    for language, words, split, n in [
        ("en", ENGLISH, "train", 120),
        ("en", ENGLISH, "dev", 24),
        ("en", ENGLISH, "test", 40),
        ("de", GERMAN, "test", 40),
    ]:
        text = "".join(sentence(language, words, random) for _ in range(n))
        (folder / f"{language}-{split}.conllu").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
