"""Runs every command of a command line once, and compares what two command lines print, byte for byte.

Usage: smoke COMMAND... [--against COMMAND...]
"""

import sys
from typing import List, Set, Tuple

from calls import CALLS
from surface import Answer, Surface


def main(arguments: List[str]) -> int:
    if "--against" in arguments:
        place = arguments.index("--against")
        commands = [arguments[:place], arguments[place + 1 :]]
    else:
        commands = [arguments]
    if not all(commands):
        print("error: which command?", file=sys.stderr)
        return 2
    wrong: List[str] = []
    answers = [answers_of(command, wrong) for command in commands]
    checks = sum(len(each) for each in answers)
    if len(answers) == 2:
        checks += len(CALLS)
        wrong += differences(*answers)
    for line in wrong:
        print("error: " + line, file=sys.stderr)
    names = " against ".join(" ".join(command) for command in commands)
    print("cli smoke ({}): {} checks passed, {} failed".format(names, checks - len(wrong), len(wrong)))
    return 1 if wrong else 0


def answers_of(command: List[str], wrong: List[str]) -> List[Answer]:
    """What `command` answers to every call; what is not as expected goes into `wrong`."""
    answers: List[Answer] = []
    with Surface(command) as surface:
        missing = commands_without_a_call(surface)
        wrong += ["no call of the smoke test is `{}`".format(name) for name in sorted(missing)]
        for call in CALLS:
            answer = surface.make(call)
            answers.append(answer)
            wrong += ["{} ({}): {}".format(call.name, command[0], why) for why in call.objections(answer)]
    return answers


def commands_without_a_call(surface: Surface) -> Set[str]:
    """The commands that no call of the list makes and that end well, by what the help says."""
    called = {call.command for call in CALLS if call.code == 0}
    return {" ".join(path) for path in leaves(surface, ())} - called


def leaves(surface: Surface, path: Tuple[str, ...]) -> List[Tuple[str, ...]]:
    """Every command below `path` that has no commands of its own."""
    below = surface.commands_below(path)
    return [leaf for name in below for leaf in leaves(surface, (*path, name))] if below else [path]


def differences(left: List[Answer], right: List[Answer]) -> List[str]:
    found = []
    for call, *answers in zip(CALLS, left, right):
        if call.repeated:
            continue
        for part in ("code", "stdout", "stderr"):
            one, other = (getattr(answer, part) for answer in answers)
            if one != other:
                found.append("{}: {} differs: {!r} and {!r}".format(call.name, part, one, other))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
