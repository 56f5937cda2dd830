"""All cases of the corpus, in the order of its chapters."""

from . import excel, formats, layout, meaning, storage
from .model import Case

CHAPTERS = {
    "layout": layout.CASES,
    "meaning": meaning.CASES,
    "storage": storage.CASES,
    "formats": formats.CASES,
    "excel": excel.CASES,
}

CASES = [case for chapter in CHAPTERS.values() for case in chapter]


def case_of(file: str) -> Case:
    return next(case for case in CASES if case.file == file)
