"""Real text as vectors: sentences of Python's own reference, embedded by the model that the wheel of wordllama carries."""

import re
from pathlib import Path
from typing import Any, List

SENTENCES = 2_000
LENGTHS = range(30, 300)


def sentences() -> List[str]:
    """Sentences of the reference, in its order, each once."""
    from pydoc_data import topics

    text = " ".join(topics.topics[name] for name in sorted(topics.topics))
    parts = re.split(r"(?<=[.?!])\s+", re.sub(r"\s+", " ", text))
    return [part for part in dict.fromkeys(parts) if len(part) in LENGTHS][:SENTENCES]


def embedded(wordllama: Any, texts: List[str]) -> Any:
    """An array of one vector of 256 dimensions for each text. Nothing is downloaded."""
    # The wheel has the tokenizer in the folder in which a cache would have it, not in the one that is looked up first.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True).embed(texts)
