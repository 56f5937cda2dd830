"""SQL in notebooks: ``%load_ext velaria``, then ``%sql`` for a line and ``%%sql`` for a cell.

::

    %load_ext velaria
    %sql SELECT 1 + 1 AS two

    %%sql answer <<
    SELECT name, score FROM people WHERE score > :least

``people`` is a table, a view, or a variable of the notebook; ``:least`` is the value of a variable. The result is a
:class:`velaria.DataFrame`, and with ``name <<`` it is kept under a name and not shown. ``%vsql`` and ``%%vsql`` are the same,
for notebooks in which another extension has the names above.

Statements run in the session of ``velaria.sql``; ``--session NAME`` (or ``-s NAME``) names a variable that holds another.
"""

import re
from typing import Any, Callable, Dict, NamedTuple, Optional

import velaria
from velaria import errors
from velaria._failure import failure

__all__ = ["load_ipython_extension", "run", "unload_ipython_extension"]

_SESSION = re.compile(r"\s*(?:--session(?:=|\s+)|-s\s+)(?P<session>\w+)(?=\s|$)")
_MISSING = re.compile(r"no value for parameter [:$](?P<name>[^\W\d]\w*)")
_TARGET = re.compile(r"\s*(?P<target>[^\W\d]\w*)\s*<<")

# The statement is run by code whose globals are the variables of the notebook, so that it reads these and no others.
_CODE = compile("_velaria_run(_velaria_text, _velaria_values)", "<sql>", "eval")


class _Cell(NamedTuple):
    text: str
    session: Optional[str]
    target: Optional[str]


def load_ipython_extension(shell: Any) -> None:
    """Makes the magics known to ``shell``; ``%load_ext velaria`` calls it.

    >>> from velaria import notebook
    >>> class Shell:
    ...     user_ns = {"least": 1}
    ...     def register_magic_function(self, function, magic_kind, magic_name):
    ...         self.magic = function
    >>> shell = Shell()
    >>> notebook.load_ipython_extension(shell)
    >>> shell.magic("SELECT v FROM range(3) AS t(v) WHERE v > :least").fetchall()
    [(2,)]
    """
    for name in ("sql", "vsql"):
        shell.register_magic_function(_magic(shell), "line_cell", name)


def unload_ipython_extension(shell: Any) -> None:
    """Forgets the magics; ``%unload_ext velaria`` calls it.

    >>> from velaria import notebook
    >>> class Manager:
    ...     magics = {"line": {"sql": print}, "cell": {"sql": print}}
    >>> class Shell:
    ...     magics_manager = Manager()
    >>> notebook.unload_ipython_extension(Shell())
    >>> Manager.magics
    {'line': {}, 'cell': {}}
    """
    for kind in ("line", "cell"):
        for name in ("sql", "vsql"):
            shell.magics_manager.magics[kind].pop(name, None)


def _magic(shell: Any) -> Callable[..., Any]:
    def sql(line: str, cell: Optional[str] = None) -> Any:
        return run(shell.user_ns, line, cell)

    sql.__doc__ = __doc__
    return sql


def run(variables: Dict[str, Any], line: str, cell: Optional[str] = None) -> Any:
    """Runs the statement of a magic, for the variables of a notebook.

    >>> from velaria import notebook
    >>> variables = {"people": {"name": ["Ada", "Bo"]}}
    >>> notebook.run(variables, "found <<", "SELECT name FROM people WHERE name LIKE 'A%'")
    >>> variables["found"].fetchall()
    [('Ada',)]
    """
    asked = _read(line, cell)
    if not asked.text.strip():
        raise failure(errors.UsageError, "there is no statement", "VEL-7001", "write %sql SELECT …, or %%sql above a statement")
    frame = _sql(_runner(variables, asked.session), asked.text, variables)
    if asked.target is None:
        return frame
    variables[asked.target] = frame
    return None


def _read(line: str, cell: Optional[str]) -> _Cell:
    options: Dict[str, str] = {}
    rest = line
    for pattern in (_SESSION, _TARGET, _SESSION):
        found = pattern.match(rest)
        if found:
            options.update(found.groupdict())
            rest = rest[found.end() :]
    text = rest if cell is None else rest + "\n" + cell
    return _Cell(text, options.get("session"), options.get("target"))


def _runner(variables: Dict[str, Any], name: Optional[str]) -> Callable[..., Any]:
    if name is None:
        return velaria.sql
    session = variables.get(name)
    if not isinstance(session, velaria.Session):
        raise failure(errors.UsageError, "{} is no velaria.Session".format(name), "VEL-7001")
    return session.sql


def _sql(runner: Callable[..., Any], text: str, variables: Dict[str, Any]) -> Any:
    values: Dict[str, Any] = {}
    while True:
        names = {"_velaria_run": runner, "_velaria_text": text, "_velaria_values": values or None}
        try:
            return eval(_CODE, variables, names)
        except errors.UsageError as error:
            # The statement says which values it wants before it does anything.
            wanted = _MISSING.fullmatch(error.message)
            if wanted is None or wanted["name"] in values or wanted["name"] not in variables:
                raise
            values[wanted["name"]] = variables[wanted["name"]]
