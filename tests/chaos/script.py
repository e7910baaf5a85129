"""What the workers' model says, and so what a reply must be: each reply carries the question that it answers."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Talk:
    """One way of answering: `pieces` come `repeat` times, with `{message}` filled in. Pauses are seconds."""

    mark: str
    pieces: tuple[str, ...]
    repeat: int
    interval_s: float
    first_s: float = 0.0

    def question(self, key: str) -> str:
        """A message that nobody else sends and that this rule answers."""
        return f"{self.mark} {key}"

    def reply(self, message: str) -> str:
        return "".join(self.pieces).replace("{message}", message) * self.repeat

    def toml(self) -> str:
        pieces = json.dumps(self.pieces, ensure_ascii=False)  # its strings are TOML's as well
        return (
            f'[[reply]]\nwhen = "{self.mark}"\npieces = {pieces}\nrepeat = {self.repeat}\n'
            f"interval_s = {self.interval_s}\nfirst_s = {self.first_s}\n"
        )


MARKED = ("<{message}>", " 连话 ", "🪷é", "\n")
# About two seconds of text.
STEADY = Talk("[steady]", MARKED, repeat=5, interval_s=0.1)
# More events than the log keeps, as fast as they go: who joins late gets a snapshot.
BURST = Talk("[burst]", MARKED, repeat=150, interval_s=0.0)
# Nothing to see for so long that a worker can be lost before the first text.
LATE = Talk("[late]", MARKED, repeat=3, interval_s=0.02, first_s=5.0)
# Until it is stopped.
LONG = Talk("[long]", MARKED, repeat=20_000, interval_s=0.05)
TALKS = (STEADY, BURST, LATE, LONG)


def reply_to(message: str) -> str:
    """The whole reply to a message that one of the talks asked. Raises `StopIteration` for another."""
    talk = next(talk for talk in TALKS if message.startswith(talk.mark))
    return talk.reply(message)


def write_script(folder: Path) -> Path:
    """The file that `LIANHUA_SCRIPT` is to name."""
    path = folder / "script.toml"
    path.write_text("\n".join(talk.toml() for talk in TALKS), "utf-8")
    return path
