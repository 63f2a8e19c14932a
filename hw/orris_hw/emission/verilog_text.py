"""What Yosys writes, made pleasant to read: port lists, memory initialisation, lint remarks."""

import re
from collections.abc import Iterable, Sequence

_MODULE = re.compile(r"^module (\S+?)\(.*?^endmodule\n", re.MULTILINE | re.DOTALL)
_PORT_LIST = re.compile(r"\Amodule (\S+?)\((.*?)\);", re.DOTALL)
# The same signal or bit several times in a row: Yosys never writes a replication.
_REPEATED = re.compile(r"(?<=[{ ])(\w+(?:\[[\d:]+\])?)((?:, \1){3,})(?=,| \})")
_CASE = re.compile(r"^(      [^\s:]+:)\n        (\w+ = [^;]*;)$", re.MULTILINE)
_RUN = re.compile(r"^    (?P<memory>[^\s\[]+)\[0\] = (?P<value>\S+);\n"
                  r"(?:    (?P=memory)\[\d+\] = (?P=value);\n){3,}\Z", re.MULTILINE)

# Verilator's remarks on generated text, each with the reason why it is no defect.
LINT_REMARKS = {
    "CASEOVERLAP": "the selects of a case compare one value with different constants: at most one is set",
    "DECLFILENAME": "one file holds the whole design, so a module is not in a file of its own name",
    "PROCASSINIT": "a register starts at its reset value: known before the first reset, and free on an FPGA",
    "UNUSEDSIGNAL": "a shared module offers outputs, and a sum carries bits, that not every place needs",
    "VARHIDDEN": "a signal may have the name of an instance further up",
    "WIDTHEXPAND": "operands of unequal width are extended by their signs, as meant",
    "WIDTHTRUNC": "a shift is computed at full width and then cut to the bits wanted",
}


def split_verilog(text: str) -> dict[str, str]:
    """Verilog text -> module name -> module."""
    text = text.replace(" = + ", " = ")  # the buffers around concatenations have done their work
    # Yosys warns of comments with a meaning.
    text = text.replace("casez (s) // synopsys parallel_case", "(* parallel_case *) casez (s)")
    text = _CASE.sub(r"\1 \2", text)  # one line a case
    # A replication reads better than 57 sign bits, and simulates faster.
    text = _REPEATED.sub(lambda run: f"{{{run[2].count(',') + 1}{{{run[1]}}}}}", text)
    return {match[1]: match[0] for match in _MODULE.finditer(text)}


def order_ports(module: str, order: Iterable[str] = ()) -> str:
    """Give a module's port list one line a port: those in ``order`` first, then the others."""
    found = _PORT_LIST.match(module)
    assert found is not None
    names = [name.strip() for name in found[2].split(",") if name.strip()]
    first = [name for name in order if name in names]
    names = first + [name for name in names if name not in first]
    ports = "".join(f"\n  {name}," for name in names).removesuffix(",")
    return f"module {found[1]}({ports}\n);" + module[found.end():]


def compact_initial(module: str) -> str:
    """Initialise a memory whose words are all equal in a loop instead of a line per word."""
    def loop(run: re.Match[str]) -> str:
        memory, value, words = run["memory"], run["value"], run[0].count("\n")
        index = f"{memory}_index"
        counting = f"{index} = 0; {index} < {words}; {index} = {index} + 1"
        return f"    for ({counting}) {memory}[{index}] = {value};\n"

    def block(initial: re.Match[str]) -> str:
        body = _RUN.sub(loop, initial[2])
        if body == initial[2]:
            return initial[0]
        return f"  initial begin : {initial[1]}_initial\n    integer {initial[1]}_index;\n{body}  end\n"

    return re.sub(r"^  initial begin\n(?=    (\w+)\[)(.*?)^  end\n", block, module,
                  flags=re.MULTILINE | re.DOTALL)


def file_header(lines: Sequence[str]) -> str:
    """The comment at the top: the caller's lines, then what lint may say about the text and why."""
    width = max(map(len, LINT_REMARKS))
    text = [f"// {line}".rstrip() for line in lines]
    text += ["//", "// What lint (-Wall of Verilator) remarks on here, and why it is no defect:"]
    text += [f"//   {name:{width}}  {reason}" for name, reason in LINT_REMARKS.items()]
    text += [f"/* verilator lint_off {name} */" for name in LINT_REMARKS]
    return "\n".join(text) + "\n"
