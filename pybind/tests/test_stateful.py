"""Random programs over sessions, views, tables, frames and threads, each step checked against a model in plain Python.

A program is made from its seed alone. It runs in a process of its own under a watchdog, so that a crash or a hang names the
seed that made it: ``python test_stateful.py SEED`` runs it again and prints its steps.
"""

import faulthandler
import gc
import random
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

Row = Tuple[int, Optional[str]]

SEEDS = 24
STEPS = 120
WATCHDOG_SECONDS = 100


class Held:
    """A frame, and the rows that it has to give whenever it is asked; none once its table is allowed to change."""

    def __init__(self, frame: Any, rows: List[Row], reads: Optional[str]) -> None:
        self.frame, self.rows, self.reads = frame, rows, reads


class Model:
    """A session and what it has to contain."""

    def __init__(self, velaria: Any, number: int) -> None:
        self.velaria, self.session, self.number = velaria, velaria.Session(), number
        self.views: Dict[str, List[Row]] = {}
        self.tables: Dict[str, List[Row]] = {}

    def names(self) -> List[str]:
        return sorted([*self.views, *self.tables])

    def rows(self, name: str) -> List[Row]:
        return self.views[name] if name in self.views else self.tables[name]


def ordered(rows: List[Row]) -> List[Row]:
    return sorted(rows, key=lambda row: (row[0], row[1] is None, row[1] or ""))


class Program:
    """Sessions, frames that outlive them, and the steps that a seed makes."""

    def __init__(self, seed: int, tell: Callable[[str], None]) -> None:
        import velaria

        self.velaria, self.random, self.tell = velaria, random.Random(seed), tell
        self.models = [Model(velaria, 0)]
        self.frames: List[Held] = []
        self.exports: List[Any] = []

    def model(self) -> Model:
        return self.random.choice(self.models)

    def new_rows(self) -> List[Row]:
        count = self.random.choice([0, 1, 3, 50, 9_000])
        texts = [None, "", "a", "größe", "'", "x" * 40]
        return [(self.random.randrange(-5, 5), self.random.choice(texts)) for _ in range(count)]

    def frame_of(self, model: Model, rows: List[Row]) -> Any:
        columns = {"n": [row[0] for row in rows], "s": [row[1] for row in rows]}
        if not rows:
            # Without values there are no types.
            empty = model.session.create_dataframe_from_arrow({"n": [0], "s": ["x"]})
            return empty.limit(0)
        if all(row[1] is None for row in rows):
            columns["s"] = ["" for _ in rows]
            rows[:] = [(row[0], "") for row in rows]
        return model.session.create_dataframe_from_arrow(columns)

    # The steps.

    def opens_a_session(self) -> None:
        if len(self.models) < 4:
            self.models.append(Model(self.velaria, len(self.models)))

    def closes_a_session(self) -> None:
        if len(self.models) > 1:
            model = self.models.pop(self.random.randrange(len(self.models)))
            model.session.close()
            with pytest.raises(self.velaria.errors.UsageError):
                model.session.sql("SELECT 1")

    def makes_a_view(self) -> None:
        model, rows, name = self.model(), self.new_rows(), "v{}".format(self.random.randrange(4))
        model.session.create_temp_view(name, self.frame_of(model, rows))
        model.tables.pop(name, None)
        model.views[name] = rows

    def makes_a_table(self) -> None:
        model, name = self.model(), "t{}".format(self.random.randrange(4))
        if name in model.tables:
            with pytest.raises(self.velaria.errors.CatalogError):
                model.session.sql("CREATE TABLE {} (n BIGINT, s TEXT)".format(name))
            return
        model.session.sql("CREATE TABLE {} (n BIGINT, s TEXT)".format(name))
        model.tables[name] = []

    def changes_a_table(self) -> None:
        model = self.model()
        if not model.tables:
            return
        name = self.random.choice(sorted(model.tables))
        self.let_change(model, name)
        if self.random.random() < 0.7:
            n, s = self.random.randrange(-5, 5), self.random.choice([None, "a", "b"])
            done = model.session.sql("INSERT INTO {} VALUES (?, ?)".format(name), (n, s)).fetchall()
            assert done[0][2] == 1
            model.tables[name].append((n, s))
        else:
            limit = self.random.randrange(-5, 5)
            model.session.sql("DELETE FROM {} WHERE n < {}".format(name, limit))
            model.tables[name] = [row for row in model.tables[name] if row[0] >= limit]

    def drops_a_name(self) -> None:
        model = self.model()
        if not model.tables:
            return
        name = self.random.choice(sorted(model.tables))
        self.let_change(model, name)
        model.session.sql("DROP TABLE {}".format(name))
        del model.tables[name]

    def let_change(self, model: Model, name: str) -> None:
        # Frames over a table see its rows as they are when they run.
        mark = "{}.{}".format(id(model), name)
        self.frames = [held for held in self.frames if held.reads is None or held.reads != mark]

    def queries(self) -> None:
        model = self.model()
        if not model.names():
            return
        name = self.random.choice(model.names())
        rows, low = model.rows(name), self.random.randrange(-6, 6)
        (found,) = model.session.sql("SELECT COUNT(*), SUM(n), COUNT(s) FROM {} WHERE n >= {}".format(name, low)).fetchall()
        kept = [row for row in rows if row[0] >= low]
        total = sum(row[0] for row in kept) if kept else None
        assert found == (len(kept), total, sum(row[1] is not None for row in kept))

    def groups(self) -> None:
        model = self.model()
        if not model.names():
            return
        name = self.random.choice(model.names())
        expected: Dict[int, int] = {}
        for row in model.rows(name):
            expected[row[0]] = expected.get(row[0], 0) + 1
        found = model.session.sql("SELECT n, COUNT(*) FROM {} GROUP BY n".format(name)).fetchall()
        assert dict(found) == expected and len(found) == len(expected)

    def keeps_a_frame(self) -> None:
        model = self.model()
        if not model.names():
            return
        name = self.random.choice(model.names())
        frame = model.session.sql("SELECT n, s FROM {}".format(name))
        # A frame over a view reads what the view was when the frame was made.
        reads = "{}.{}".format(id(model), name) if name in model.tables else None
        self.frames.append(Held(frame, list(model.rows(name)), reads))

    def runs_a_frame(self) -> None:
        if self.frames:
            held = self.random.choice(self.frames)
            assert ordered(held.frame.fetchall()) == ordered(held.rows)
            assert held.frame.count() == len(held.rows)

    def drops_a_frame(self) -> None:
        if self.frames:
            self.frames.pop(self.random.randrange(len(self.frames)))
        if self.random.random() < 0.3:
            gc.collect()

    def exports_a_frame(self) -> None:
        if self.frames:
            self.exports.append(self.random.choice(self.frames).frame.__arrow_c_stream__())

    def drops_an_export(self) -> None:
        if self.exports:
            self.exports.pop(self.random.randrange(len(self.exports)))

    def reads_an_export(self) -> None:
        if not self.frames:
            return
        held = self.random.choice(self.frames)
        other = self.model()
        # Through the stream of one session into another one.
        took = other.session.read_arrow_stream(held.frame)
        assert ordered(took.fetchall()) == ordered(held.rows)
        with pytest.raises(self.velaria.errors.DataError):
            took.fetchall()

    def lends_a_frame(self) -> None:
        if self.frames:
            held = self.random.choice(self.frames)
            lent = held.frame
            assert lent is not None
            assert self.model().session.sql("SELECT COUNT(*) FROM lent").fetchall() == [(len(held.rows),)]

    def makes_a_mistake(self) -> None:
        model = self.model()
        errors = self.velaria.errors
        wrong, kind = self.random.choice(
            [
                ("SELECT * FROM nothing_of_that_name", errors.CatalogError),
                ("SELECT (1", errors.ParseError),
                ("SELECT nope FROM (SELECT 1 AS a) AS t", errors.PlanError),
                ("SELECT 1 / 0", errors.DataError),
            ]
        )
        with pytest.raises(kind):
            model.session.sql(wrong).fetchall()

    def interrupts(self) -> None:
        self.model().session.interrupt()

    def works_in_threads(self) -> None:
        held, raised = list(self.frames), []
        models = list(self.models)

        def work(number: int) -> None:
            try:
                for frame in held[number::3]:
                    assert ordered(frame.frame.fetchall()) == ordered(frame.rows)
                for model in models:
                    for name in model.names():
                        found = model.session.sql("SELECT COUNT(*) FROM {}".format(name)).fetchall()
                        assert found == [(len(model.rows(name)),)]
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]

    def run(self, steps: int) -> None:
        names = [
            ("opens_a_session", 2), ("closes_a_session", 1), ("makes_a_view", 8), ("makes_a_table", 6),
            ("changes_a_table", 14), ("drops_a_name", 2), ("queries", 12), ("groups", 6), ("keeps_a_frame", 10),
            ("runs_a_frame", 12), ("drops_a_frame", 6), ("exports_a_frame", 4), ("drops_an_export", 3),
            ("reads_an_export", 4), ("lends_a_frame", 4), ("makes_a_mistake", 4), ("interrupts", 2), ("works_in_threads", 2),
        ]  # fmt: skip
        for number in range(steps):
            name = self.random.choices([name for name, _ in names], [weight for _, weight in names])[0]
            self.tell("{} {}".format(number, name))
            getattr(self, name)()


def run_program(seed: int, tell: Callable[[str], None]) -> None:
    Program(seed, tell).run(STEPS)


@pytest.mark.parametrize("part", range(4))
def test_programs_do_what_their_model_does(part: int) -> None:
    from support import run

    seeds = [str(seed) for seed in range(part, SEEDS, 4)]
    done = run([str(Path(__file__)), *seeds])
    assert done.returncode == 0, "exit code {}\n{}\n{}".format(done.returncode, done.stdout[-2_000:], done.stderr)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
        print("seed", argument, flush=True)
        run_program(int(argument), lambda step: print(step, flush=True))
