"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 70,000 images of 28 x 28 pixels in ten classes of clothes."""

from __future__ import annotations

import hashlib
import io
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..input_file import FileContentError, open_input
from .fetch import fetch_first, keep
from .idx import idx_header, read_idx
from .raw import RawTable
from .search import Files, obtain

if TYPE_CHECKING:
    import os
    from pathlib import Path


CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",  # no encryption, but the content is verified
)
_FOLDER = "fashion-mnist"
_FOLDERS = ("", _FOLDER, "FashionMNIST/raw")  # below the place that the user names; the last is torchvision's
_LARGEST_PIXEL = 255


class Part(NamedTuple):
    """One file of the dataset: its shape, and the SHA-256 of its uncompressed bytes."""

    shape: tuple[int, ...]
    sha256: str


PARTS: dict[str, Part] = {
    "train-images-idx3-ubyte": Part(
        (60_000, 28, 28), "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": Part((60_000,), "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    "t10k-images-idx3-ubyte": Part(
        (10_000, 28, 28), "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": Part((10_000,), "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
}


def load_fashion_mnist(*, path: str | os.PathLike[str] | None = None, download: bool = True) -> RawTable:
    """Return the 60,000 images for training with their labels, and the 10,000 for testing.

    Parameters
    ----------
    path : path, optional
        A folder that holds the four files, compressed or not, or one of them. Otherwise SUBNETLAB_DATA, the folder of
        Debian's package dataset-fashion-mnist, the cache and the download follow.
    download : bool, default True

    Raises
    ------
    DatasetNotFoundError
        If the files are nowhere; it names every place and how to provide them.
    FileContentError
        If the files that path= or SUBNETLAB_DATA names are not the dataset's.
    """
    (images, labels, test_images, test_labels), source, notices = obtain(FASHION_MNIST, path, download=download)
    return RawTable(
        name="fashion_mnist",
        features=_flat(images),
        target=labels.astype(np.int64),
        columns=tuple(str(j) for j in range(images[0].size)),
        target_name="class",
        source={**source, "sha256": _digest()},
        notices=notices,
        unit=_LARGEST_PIXEL,
        classes=CLASSES,
        test_features=_flat(test_images),
        test_target=test_labels.astype(np.int64),
    )


def find_folder(path: Path) -> Path | None:
    """Return the folder with the four files: the place, one below it, or that of the one file that is named."""
    if path.is_file():
        path = path.parent
    folders = (path / name for name in _FOLDERS)
    return next((folder for folder in folders if all(_file(folder, name) for name in PARTS)), None)


def _file(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / f"{name}.gz", folder / name) if file.is_file()), None)


def _read(folder: Path) -> list[np.ndarray]:
    arrays: list[np.ndarray] = []
    for name in PARTS:
        path = _file(folder, name) or folder / name
        with open_input(path, owner="fashion_mnist", argument="the file") as file:
            arrays.append(_verified(file, name, f"fashion_mnist: {path}"))
    return arrays


def _verified(file: IO[bytes], name: str, owner: str) -> np.ndarray:
    part = PARTS[name]
    array = read_idx(file, part.shape, owner)
    found = hashlib.sha256(idx_header(part.shape) + array.tobytes()).hexdigest()
    if found != part.sha256:
        raise FileContentError(
            f"{owner}: the uncompressed content must hash to {part.sha256}, that of Fashion-MNIST, got {found}"
        )
    return array


def _download(cache: Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Download the four files, and keep them in the cache if it can be written."""
    folder, contents, arrays, url = cache / _FOLDER, {}, [], ""
    for name in PARTS:

        def parse(content: bytes, url: str, name: str = name) -> tuple[bytes, np.ndarray]:
            return content, _verified(io.BytesIO(content), name, url)

        url, (contents[folder / f"{name}.gz"], array) = fetch_first(
            [f"{mirror}/{name}.gz" for mirror in MIRRORS], parse
        )
        arrays.append(array)
    where = url.rpartition("/")[0]
    return arrays, {"where": where, "url": where, **keep(contents, folder)}


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _digest() -> str:
    """Return one hash for the content of the four files, which were verified one by one."""
    return hashlib.sha256("".join(part.sha256 for part in PARTS.values()).encode()).hexdigest()


FASHION_MNIST = Files(
    name="fashion_mnist",
    lacks=f"not all of {', '.join(f'{name}.gz' for name in PARTS)} (compressed or not, or in {_FOLDER})",
    find=find_folder,
    read=_read,
    download=_download,
    advice=(
        "To provide it, install Debian's package dataset-fashion-mnist, or get the four files from "
        "https://github.com/zalandoresearch/fashion-mnist and name their folder with path= or with the environment "
        "variable SUBNETLAB_DATA, or put them into the cache folder"
    ),
    package_folder="/usr/share/datasets/fashion-mnist",
)
