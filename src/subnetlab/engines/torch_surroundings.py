"""Surroundings for torch: the program's own settings change no bit of a round, and are restored afterwards."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ..surroundings import ProcessSetting, undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COUNTING = threading.Lock()


@contextmanager
def torch_undisturbed(threads: int) -> Iterator[None]:
    """Compute with so many threads, in full precision, without autocast, gradients or another default device."""
    with (
        undisturbed(threads, _full_precision()),
        _torch_threads(threads),
        torch.inference_mode(False),
        torch.no_grad(),
        torch.device("cpu"),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield


def _full_precision() -> list[ProcessSetting]:
    """Return the settings by which float32 products may be rounded to fewer bits."""
    settings: list[ProcessSetting] = []
    for name in ("mkldnn", "cuda"):
        products = getattr(getattr(torch.backends, name), "matmul", None)
        if hasattr(products, "fp32_precision"):
            settings.append(_attribute(f"torch.{name}", products, "fp32_precision", "ieee"))
    if not settings:  # before torch 2.9
        read, write = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
        settings.append(ProcessSetting("torch", read, write, "highest"))
    return settings


def _attribute(name: str, owner: Any, attribute: str, value: Any) -> ProcessSetting:
    return ProcessSetting(
        name, lambda: getattr(owner, attribute), lambda found: setattr(owner, attribute, found), value
    )


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """Set the calling thread's count alone.

    `torch.set_num_threads` sets two numbers: the calling thread's, and what threads take that have not used torch yet.
    Each thread has a copy of the first; the second is put back at once, from a new thread, which changes nothing else.
    """
    with _COUNTING:
        of_new_threads = _in_new_thread(torch.get_num_threads)
        own = torch.get_num_threads()
        _set_own_threads(threads, of_new_threads)
    try:
        yield
    finally:
        with _COUNTING:
            _set_own_threads(own, of_new_threads)


def _set_own_threads(count: int, of_new_threads: int) -> None:
    torch.set_num_threads(count)
    if count != of_new_threads:
        _in_new_thread(lambda: torch.set_num_threads(of_new_threads))


def _in_new_thread(call: Callable[[], Any]) -> Any:
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join()
    return result[0]
