"""Attacks from inside a sandbox, each shown refused; run as this user and, where that is root, as an ordinary one too.

An ordinary user may not see this environment's Python, so there the system's Python runs a copy of the modules: they
need the standard library only.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from course_utils.grading import isolation
from course_utils.grading.isolation import landlock, policy, seccomp, users
from course_utils.grading.isolation.survey import Layers, assess
from course_utils.grading.limits import Limits
from tests.grading.isolation_attacks import ATTACKS, ENDS, FILTERED, HONEST, ORPHANS

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="isolation needs Linux")

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
ORDINARY = 1234
MIB = 1024**2
TIMEOUT = 60
NO_NAMESPACES = {"namespaces": False, "user_namespace": False, "network_namespace": False}
ALONE = {
    "all layers": {},
    "Landlock and seccomp": NO_NAMESPACES,
    "namespaces and seccomp": {"landlock": 0},
    "namespaces": {"landlock": 0, "seccomp": False},
}

DRIVER = (Path(__file__).parent / "isolation_driver.py").read_text()


@pytest.fixture(scope="module")
def copied():
    """The modules where an ordinary user can read them, which is not below pytest's own folders."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        package = Path(folder) / "course_utils"
        for name in ("__init__.py", "grading/__init__.py", "grading/limits.py"):
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "course_utils" / name, package / name)
        shutil.copytree(ROOT / "course_utils/grading/isolation", package / "grading/isolation")
        os.chmod(folder, 0o755)
        yield Path(folder)


class Machine:
    """Runs code in sandboxes, as one of two users."""

    def __init__(self, ordinary: bool, package: Path):
        self.ordinary = ordinary
        self.package = package

    def __call__(self, code: str, layers: dict | None = None, kill: str | None = None, **limits: int) -> dict:
        job = {"code": code, "layers": layers or {}, "kill": kill, "limits": limits}
        job |= {"package": str(self.package), "timeout": TIMEOUT}
        user = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if self.ordinary else {}
        elsewhere = self.ordinary or layers == NO_NAMESPACES  # root's Python may be closed to the sandbox's user
        python = [SYSTEM_PYTHON, "-I"] if elsewhere and os.geteuid() == 0 else [sys.executable]
        environment = {**os.environ, "HOME": "/nonexistent"} if self.ordinary else None
        done = subprocess.run(
            [*python, "-c", DRIVER],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            cwd="/",
            env=environment,
            timeout=2 * TIMEOUT,
            **user,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def outcomes(self, expressions: dict[str, str], layers: dict) -> dict[str, str]:
        pairs = ", ".join(f"{name!r}: outcome(lambda: {text})" for name, text in expressions.items())
        result = self(f"tell({{{pairs}}})", layers, processes=200)
        assert result["line"].get("exit") == 0, result
        assert result["victim"] is None
        assert result["gradebook"] == "scores"
        return json.loads(result["answer"])


@pytest.fixture(scope="module", params=["this user", "ordinary user"])
def machine(request, copied) -> Machine:
    ordinary = request.param == "ordinary user"
    if ordinary and (os.geteuid() != 0 or not os.path.exists(SYSTEM_PYTHON)):
        pytest.skip("needs root, to become another user, and the system's Python")
    if not ordinary and isolation.survey().gaps:
        pytest.skip(f"not isolated here: {isolation.survey().gaps}")
    return Machine(ordinary, copied)


@pytest.fixture(scope="module", params=ALONE)
def layers(request) -> dict:
    return ALONE[request.param]


@pytest.fixture(scope="module")
def attacked(machine, layers) -> dict[str, str]:
    return machine.outcomes(ATTACKS, layers)


@pytest.fixture(scope="module")
def worked(machine, layers) -> dict[str, str]:
    return machine.outcomes(HONEST, layers)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused(attacked, attack):
    assert attacked[attack].startswith("refused"), attacked[attack]


@pytest.mark.parametrize("deed", HONEST)
def test_honest_code_works(worked, layers, deed):
    if deed == "multiprocessing" and layers == NO_NAMESPACES:
        pytest.skip("its semaphores lie in /dev/shm, which is private only in a mount namespace")
    assert worked[deed] == "done: True"


@pytest.fixture(scope="module")
def filtered(machine) -> dict[str, str]:
    return machine.outcomes(FILTERED, {})


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("attack", FILTERED)
def test_system_call_is_refused(filtered, attack):
    assert filtered[attack].startswith("refused"), filtered[attack]


def test_the_environment_is_clean(machine):
    code = (
        "tell([dict(os.environ), read('/proc/self/environ').strip(chr(0)), os.getcwd(), os.listdir('/proc/self/fd')])"
    )
    result = machine(code)
    environment, initial, folder, descriptors = json.loads(result["answer"])
    assert not any(name.startswith(("NBGRADER", "COURSE", "PYTEST")) for name in environment)
    assert (environment["USER"], environment["HOME"], environment["TMPDIR"]) == ("student", "/sandbox", "/tmp")
    assert initial == ""
    assert folder == "/sandbox/work"
    assert len(descriptors) == 5, descriptors  # three standard ones, the one kept, that of the listing


@pytest.mark.parametrize("layers", [{}, NO_NAMESPACES], ids=["all layers", "no namespaces"])
def test_what_it_wrote_is_gone_at_the_end(machine, layers):
    result = machine("open('a', 'w').write('x'); os.mkdir('b', 0); tell(os.getcwd())", layers)
    assert result["line"]["exit"] == 0
    assert result["left_behind"] == []
    assert not os.path.exists(json.loads(result["answer"]))


@pytest.mark.parametrize(("code", "expected"), ENDS.values(), ids=ENDS)
def test_the_end_is_reported(machine, code, expected):
    line = machine(code)["line"]
    assert line.pop("peak_memory") > MIB
    assert line == expected


def test_a_crash_leaves_no_core(machine):
    code = """
    if os.fork() == 0:
        os.abort()
    os.wait()
    tell([os.listdir("."), resource.getrlimit(resource.RLIMIT_CORE)])
    """
    files, limits = json.loads(machine(textwrap.dedent(code))["answer"])
    assert files == []
    assert limits == [1, 1]


BOTH = pytest.mark.parametrize("layers", [{}, NO_NAMESPACES], ids=["all layers", "no namespaces"])


@BOTH
def test_orphans_end_with_it(machine, layers):
    result = machine(ORPHANS, layers)  # its answer ends when the last process has let go of the socket
    assert result["answer"].count("started") == 5
    assert result["line"]["exit"] == 0
    assert result["left"] == []


@BOTH
@pytest.mark.parametrize("which", ["zygote", "supervisor", "init", "control"])
def test_nothing_outlives_a_kill(machine, layers, which):
    result = machine(ORPHANS + "time.sleep(600)", layers, kill=which)
    assert result["ended"]
    assert result["victim"] is None
    assert result["left_behind"] == []


@BOTH
def test_a_stopped_process_is_ended(machine, layers):
    assert machine("tell('here'); os.kill(os.getpid(), signal.SIGSTOP)", layers, kill="control")["ended"]


@BOTH
def test_a_fork_bomb_is_ended(machine, layers):
    code = """
    while True:
        try:
            os.fork()
        except OSError:
            pass
    """
    result = machine(textwrap.dedent(code), layers, processes=20)
    assert result["line"] == {"limit": "processes"}
    assert result["left"] == []


def test_too_many_threads_are_ended(machine):
    code = """
    import threading
    for _ in range(30):
        threading.Thread(target=time.sleep, args=(600,)).start()
    time.sleep(600)
    """
    assert machine(textwrap.dedent(code), processes=20)["line"] == {"limit": "processes"}


def test_an_allocation_too_large_fails(machine):
    code = """
    import mmap
    def allocate():
        kept = []
        for _ in range(200):
            kept.append(mmap.mmap(-1, 100 * 2**20))
            kept[-1].write(bytes(2**20))
    tell([outcome(lambda: bytearray(20 * 2**30)), outcome(allocate)])
    """
    one, many = json.loads(machine(textwrap.dedent(code), memory=300 * MIB)["answer"])
    assert one == "failed: MemoryError()"
    assert many == "refused: ENOMEM"


def test_many_processes_share_one_limit_of_memory(machine):
    code = """
    for _ in range(8):
        if os.fork() == 0:
            kept = bytearray(os.urandom(1)) * (100 * 2**20)
            time.sleep(600)
    time.sleep(600)
    """
    assert machine(textwrap.dedent(code), memory=300 * MIB)["line"] == {"limit": "memory"}


def test_memory_shared_with_children_counts_once(machine):
    code = """
    kept = bytearray(b"x") * (100 * 2**20)
    children = []
    for _ in range(8):
        children.append(os.fork())
        if children[-1] == 0:
            time.sleep(1)
            os._exit(0)
    tell([os.waitpid(child, 0)[1] for child in children])
    """
    result = machine(textwrap.dedent(code), memory=300 * MIB)
    assert result["line"].get("exit") == 0, result
    assert json.loads(result["answer"]) == [0] * 8


@BOTH
def test_a_large_file_is_cut(machine, layers):
    code = """
    def fill():
        with open("large", "wb", buffering=0) as file:
            while True:
                file.write(bytes(2**20))
    tell([outcome(fill), os.path.getsize("large")])
    """
    assert json.loads(machine(textwrap.dedent(code), layers, file_size=8 * MIB)["answer"]) == [
        "refused: EFBIG",
        8 * MIB,
    ]


@pytest.mark.parametrize("folder", [".", "/tmp", "/dev/shm"])
def test_many_files_fill_their_own_disk(machine, folder):
    code = f"""
    def fill():
        for number in range(10**6):
            with open("{folder}/%d" % number, "wb") as file:
                file.write(bytes(2**20))
    tell(outcome(fill))
    """
    assert json.loads(machine(textwrap.dedent(code), disk=16 * MIB)["answer"]) == "refused: ENOSPC"


def test_many_empty_files_fill_it_too(machine):
    code = """
    def fill():
        for number in range(10**6):
            os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
    tell(outcome(fill))
    """
    assert json.loads(machine(textwrap.dedent(code), disk=16 * MIB)["answer"]) == "refused: ENOSPC"


def test_too_many_open_files_are_refused(machine):
    code = "tell(outcome(lambda: [os.dup(0) for _ in range(300)]))"
    assert json.loads(machine(code, open_files=100)["answer"]) == "refused: EMFILE"


NOTHING = {**NO_NAMESPACES, "own_user": False, "landlock": 0, "seccomp": False, "proc": False}


def test_without_any_layer_it_still_runs_and_ends(machine):
    result = machine("tell([os.environ['USER'], os.listdir('.')])", NOTHING)
    assert json.loads(result["answer"]) == ["student", []]
    assert result["line"]["exit"] == 0
    assert result["left_behind"] == []
    assert machine("tell('here'); time.sleep(600)", NOTHING, kill="control")["ended"]


def test_what_fails_to_be_confined_does_not_run(machine):
    result = machine("tell('ran')", disk=1)
    assert result["answer"] == ""
    assert list(result["line"]) == ["error"]
    assert result["line"]["error"].startswith("the sandbox could not be set up: ")
    assert "No space left on device" in result["line"]["error"]


def test_each_sandbox_of_root_has_a_user_of_its_own():
    if not isolation.survey().layers.own_user:
        pytest.skip("needs root")
    ids = [users.unused_id(pid) for pid in range(1, 1000)]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 60_000


# ------------------------------------------------------------------------------------------------- without a sandbox


def test_the_survey_names_what_is_missing(monkeypatch):
    nothing = assess(Layers(), {"namespaces": "Operation not permitted"})
    assert len(nothing.gaps) == len(nothing.covered)
    assert any(
        gap.startswith("network: nothing keeps the student's code from using the network") for gap in nothing.gaps
    )
    assert all("Operation not permitted" in gap for gap in nothing.gaps)
    assert "network                NOTHING" in str(nothing)

    monkeypatch.setattr(sys.modules[Layers.__module__], "survey", lambda: nothing)
    with pytest.raises(isolation.IsolationError, match=r"(?s)files: .*network: .*`--unsafe` grades without"):
        isolation.require()
    assert isolation.require(unsafe=True) is nothing


def test_the_survey_counts_a_layer_for_what_it_gives():
    filtered = assess(Layers(proc=True, seccomp=True, own_user=True), {})
    assert [gap.split(":")[0] for gap in filtered.gaps] == ["files", "disk"]
    unprivileged = assess(Layers(proc=True, seccomp=True, own_user=True, landlock=7), {})
    assert [gap.split(":")[0] for gap in unprivileged.gaps] == ["disk"]
    old = assess(Layers(proc=True, seccomp=True, own_user=True, landlock=2), {})
    assert [gap.split(":")[0] for gap in old.gaps] == ["files", "disk"]  # truncating is not refused before version 3


def test_a_policy_refuses_paths_that_cannot_be():
    with pytest.raises(ValueError, match="'data'"):
        isolation.Policy(Limits(), ("data",))
    with pytest.raises(ValueError, match="hidden"):
        isolation.Policy(Limits(), ("/usr/lib",), ("/usr",))
    with pytest.raises(ValueError, match="/tmp of its own"):
        isolation.Policy(Limits(), ("/tmp",))


def test_python_and_this_package_are_readable_but_not_the_course():
    readable = isolation.default_readable()
    assert {sys.prefix, sys.base_prefix, str(ROOT / "course_utils")} <= set(readable)
    assert not any(policy.inside(str(ROOT / "solutions"), os.path.realpath(path)) for path in readable)


def test_allowing_around_a_hidden_folder(tmp_path):
    for name in ("a/secret/deep", "a/open", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a/file").touch()
    (tmp_path / "a/link").symlink_to(tmp_path / "a/secret")
    allowed, listed = landlock.around((str(tmp_path),), (str(tmp_path / "a/secret"),))
    assert sorted(allowed) == [str(tmp_path / name) for name in ("a/file", "a/open", "b")]
    assert sorted(listed) == [str(tmp_path), str(tmp_path / "a")]


def test_links_on_the_way_are_found(tmp_path):
    (tmp_path / "real/lib").mkdir(parents=True)
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "real/lib64").symlink_to("lib")
    found = policy.links((str(tmp_path / "way/lib64"),))
    assert found == {
        str(tmp_path / "way"): str(tmp_path / "real"),
        str(tmp_path / "real/lib64"): str(tmp_path / "real/lib"),
    }


@pytest.mark.parametrize("in_sight", [False, True])
@pytest.mark.parametrize("machine_name", seccomp.AUDIT_ARCH)
def test_every_jump_of_the_filter_lands_in_it(machine_name, in_sight):
    program = seccomp.program(machine_name, in_sight=in_sight)
    assert len(program) <= 4096  # BPF_MAXINSNS
    for position, (code, if_true, if_false, _) in enumerate(program):
        if code in (seccomp.JEQ_K, seccomp.JGT_K, seccomp.JSET_K):
            assert position + 1 + max(if_true, if_false) < len(program)
        assert max(if_true, if_false) <= 255
    assert program[-1] == (seccomp.RET_K, 0, 0, seccomp.SECCOMP_RET_ALLOW)


def test_there_is_no_filter_for_an_unknown_machine():
    with pytest.raises(ValueError, match="riscv64"):
        seccomp.program("riscv64", in_sight=False)
