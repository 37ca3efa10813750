"""A lock on a file that ends with its process, so that a store file has one owner and a crash leaves nothing to clean up.

Must never be taken over by force: only the operating system releases it.
"""

import os
import sys

from tenuto.store.spi import StoreInUse

if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        # Locked bytes cannot be read by others there, so the lock lies far behind the holder's id.
        os.lseek(file, 1 << 30, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Holds ``<path>-tenuto.lock`` for this process from construction to `release`.

    Raises `StoreInUse`, naming the file and the holder, when it is held already, by this process or another.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(f"{path}-tenuto.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(self._file)
        except OSError:
            os.lseek(self._file, 0, os.SEEK_SET)
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            who = "this process" if holder == str(os.getpid()) else f"the process with pid {holder}"
            raise StoreInUse(
                f"{path} is open already, in {who}. One process at a time may use a SQLite store: stop the other, "
                "use another file, or connect to the other as a server."
            ) from None
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock up. The file stays: removing it would let two later owners lock two different files."""
        os.close(self._file)
