"""Errors of the Python layer, in the words and the form of those of the engine."""

from typing import Optional, Type, TypeVar

from velaria import errors

_Error = TypeVar("_Error", bound=errors.Error)


def failure(kind: Type[_Error], message: str, code: str, hint: Optional[str] = None) -> _Error:
    """An error of ``kind``, whose text is the whole report."""
    report = "{} [{}]".format(message, code)
    if hint is not None:
        report += "\nhint: " + hint
    return kind(report, message=message, code=code, hint=hint)
