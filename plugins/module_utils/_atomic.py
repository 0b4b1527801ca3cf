# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files replaced whole: written beside their place, synchronised (fsync(2)), and renamed (rename(2) is atomic)."""

from __future__ import annotations

import grp
import os
import pwd
import stat

from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import File, Refused


def read(path: str) -> File | None:
    """Read a file or a symbolic link with its owner, group and mode. None where there is none."""
    try:
        status = os.lstat(path)
        owner, group = _name(pwd.getpwuid, status.st_uid), _name(grp.getgrgid, status.st_gid)
        if stat.S_ISLNK(status.st_mode):
            return File(path, b"", os.readlink(path), None, owner, group)
        with open(path, "rb") as file:
            return File(path, file.read(), None, stat.S_IMODE(status.st_mode), owner, group)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused("%s cannot be read: %s." % (path, error.strerror)) from None


def _name(lookup, number: int) -> str:
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def candidate(file: File) -> str:
    """Return the path at which a file is written before it takes its place.

    It begins with a dot, which systemd and others skip.
    """
    directory, name = os.path.split(file.path)
    return os.path.join(directory, ".new." + name)


def stage(file: File, made: list[str]) -> None:
    """Write the candidate whole. Directories that it needs are made, and added to `made`."""
    beside = candidate(file)
    try:
        make_directory(os.path.dirname(file.path), 0o755, made)
        remove(beside)
        if file.link is not None:
            os.symlink(file.link, beside)
            return
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as opened:
            opened.write(file.content)
            opened.flush()
            if file.owner:
                os.fchown(descriptor, _number(pwd.getpwnam, file.owner), _number(grp.getgrnam, file.group))
            if file.mode is not None:
                os.fchmod(descriptor, file.mode)
            os.fsync(descriptor)
    except KeyError as error:
        raise Refused("%s cannot be written: %s, so nothing was replaced." % (file.path, error.args[0])) from None
    except OSError as error:
        raise Refused("%s cannot be written: %s, so nothing was replaced." % (file.path, error.strerror)) from None


def _number(lookup, name: str) -> int:
    return int(name) if name.isdigit() else lookup(name)[2]


def commit(file: File) -> None:
    """Let the candidate take its place."""
    os.replace(candidate(file), file.path)
    sync(os.path.dirname(file.path))


def place(file: File, made: list[str]) -> None:
    """Replace one file."""
    stage(file, made)
    commit(file)


def make_directory(path: str, mode: int, made: list[str]) -> None:
    """Make a directory, and with mode 0755 those above it; each that was made is added to `made`."""
    if os.path.isdir(path):
        return
    make_directory(os.path.dirname(path), 0o755, made)
    os.mkdir(path, mode)
    made.append(path)


def remove(path: str) -> None:
    """Remove a file or a link, if it is there."""
    try:
        os.unlink(path)
        sync(os.path.dirname(path))
    except FileNotFoundError:
        pass


def remove_empty(directories: list[str]) -> list[str]:
    """Remove those directories that are empty, the deepest first; return the others."""
    left = []
    for path in sorted(directories, key=len, reverse=True):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError:
            left.append(path)
    return sorted(left)


def sync(directory: str) -> None:
    """Bring the names of a directory to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
