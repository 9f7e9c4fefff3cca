"""Exit codes: 0 done, 2 something for the user to correct, 130 Ctrl-C, 1 a bug of recipnet."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from recipnet.errors import RecipnetError

OK, BUG, USER, CTRL_C = 0, 1, 2, 130
_ISSUE = "this is a bug of recipnet; please report it with the lines above"


@contextmanager
def exit_codes(debug: bool) -> Iterator[None]:
    """Turn what a command raises into one message and an exit code.

    Parameters
    ----------
    debug
        Show the traceback of a user's error, too.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        say("stopped")
        raise typer.Exit(CTRL_C) from None
    except (RecipnetError, OSError) as error:
        if debug:
            traceback.print_exc()
        say(f"error: {_message(error)}")
        raise typer.Exit(USER) from None
    except Exception as error:
        signum = getattr(error, "signum", 0)
        if signum:  # training.interrupt.Interrupted, whose module needs no import here
            raise typer.Exit(CTRL_C if signum == signal.SIGINT else 128 + signum) from None
        if _is_memory(error):
            if debug:
                traceback.print_exc()
            say(f"error: out of memory; a smaller training.batch_size needs less ({str(error)[:200]})")
            raise typer.Exit(USER) from None
        traceback.print_exc()
        say(_ISSUE)
        raise typer.Exit(BUG) from None


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, RecipnetError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    return str(error)


def _is_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def printable(text: str) -> str:
    """Text that may come from a file, without the control characters that would reach the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def say(text: str) -> None:
    """A line on standard error, safe for a terminal."""
    print(printable(text), file=sys.stderr, flush=True)


def new_app(help_text: str) -> typer.Typer:
    """A typer application without its own way with exceptions."""
    return typer.Typer(
        help=help_text,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=False,
    )
