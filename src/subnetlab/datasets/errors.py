"""What can go wrong on the way to a file."""


class DatasetNotFoundError(FileNotFoundError):
    """The file of a dataset is in none of its places and could not be downloaded.

    Attributes
    ----------
    reasons : str
        Why each place was of no use, without the advice that the message adds.
    """

    reasons: str = ""


class DatasetWarning(UserWarning):
    """Data that are not what the user may take them for; nothing else of a call is changed by it."""


class DownloadError(OSError):
    """No mirror gave the file."""
