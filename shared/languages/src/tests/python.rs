//! Refused and accepted code in Python.

use super::{accepted, found, refused};

const PY: &str = "python";

#[test]
fn places_are_reported_by_line_and_column() {
    let code = "import os\nx = 'ä'; open(x)\r\nif x:\r\timport a, sys\n\tf'{exit()}'";
    assert_eq!(
        found(PY, code),
        [
            ("py-os".to_owned(), 1, 8),
            ("py-open".to_owned(), 2, 10),
            ("py-sys".to_owned(), 4, 12),
            ("py-exit".to_owned(), 5, 5),
        ]
    );
}

#[test]
fn importing_is_refused_in_every_form() {
    for (rule, name) in [
        ("py-os", "os"),
        ("py-subprocess", "subprocess"),
        ("py-sys", "sys"),
    ] {
        for form in [
            "import ¦NAME",
            "import\t¦NAME",
            "import a, ¦NAME",
            "import a,¦NAME,b",
            "import a.b as c, ¦NAME as d",
            "import ¦NAME as o",
            "import ¦NAME.path",
            "import ¦NAME.path as p",
            "import ¦NAME . path",
            "import ¦NAME, ¦NAME",
            "import \\\n ¦NAME",
            "import a, \\\r\n ¦NAME",
            "import\\\n¦NAME",
            "from ¦NAME import x",
            "from ¦NAME import *",
            "from ¦NAME.path import join",
            "from ¦NAME import x as y, z",
            "from ¦NAME import (\n    a,\n    b, # c\n)",
            "from ¦NAME import(a)",
            "from \\\n ¦NAME \\\n import \\\n x",
            "from a import ¦NAME",
            "from a.b import c, ¦NAME as d",
            "from a import (\n  b,\n  ¦NAME,\n)",
            "x = 1; import ¦NAME",
            "x = 1;import ¦NAME;y = 2",
            "if x: import ¦NAME",
            "if x:import ¦NAME",
            "try:\n    import ¦NAME\nexcept ImportError: pass",
            "def f():\n\timport ¦NAME\n\treturn NAME",
            "class A: import ¦NAME",
            "lambda: 0; import ¦NAME",
            "'''doc'''\nimport ¦NAME",
            "# import NAME\nimport ¦NAME # import NAME",
            "# a\rimport ¦NAME",
            "x = 'a\\\nb'; import ¦NAME",
            "\u{feff}import ¦NAME",
            "\x0cimport ¦NAME",
            "import importlib; ¦importlib.import_module('NAME')",
            "from importlib import import_module as i, import_module\n¦import_module(\"NAME\")",
            "raise a from b\nimport ¦NAME",
            "async def f():\n  await g()\n  import ¦NAME",
        ] {
            refused(PY, rule, &form.replace("NAME", name));
        }
    }
    refused(PY, "py-os", "import ¦ｏｓ");
    refused(PY, "py-os", "import ¦𝓸𝓈");
    refused(PY, "py-sys", "from ¦ſys import argv");
    refused(PY, "py-os", r"¦importlib.import_module('\x6fs')");
}

#[test]
fn calling_a_function_is_refused_in_every_form() {
    for (rule, name) in [
        ("py-import", "__import__"),
        ("py-exec", "exec"),
        ("py-open", "open"),
        ("py-file", "file"),
        ("py-exit", "exit"),
        ("py-quit", "quit"),
    ] {
        for form in [
            "¦NAME('x')",
            "¦NAME ('x')",
            "¦NAME\\\n('x')",
            "(¦NAME\n('x'))",
            "(¦NAME # a\n('x'))",
            "(¦NAME)('x')",
            "((¦NAME))('x')",
            "return (¦NAME)('x')",
            "x = y or (¦NAME)('x')",
            "with ¦NAME('x') as f: pass",
            "for line in ¦NAME('x'): pass",
            "x = [¦NAME(y) for y in z]",
            "x = lambda: ¦NAME('x')",
            "f(x=¦NAME('y'))",
            "f(*¦NAME('y'))",
            "x = {'a': ¦NAME('y')}",
            "@¦NAME('x')\ndef f(): pass",
            "def f(a=¦NAME('x')): pass",
            "x if ¦NAME('x') else y",
            "0 or ¦NAME('x')",
            "not ¦NAME('x')",
            "await ¦NAME('x')",
            "...\n¦NAME('x')",
            "x: ¦NAME('y') = 1",
            "¦NAME(¦NAME('x'))",
            "import builtins; ¦builtins.NAME('x')",
            "¦__builtins__.NAME('x')",
            "¦__builtins__['NAME']('x')",
            "f'{¦NAME(1)}'",
            "F\"{¦NAME(1)}\"",
            "rf'\\{¦NAME(1)}'",
            "fR'{¦NAME(1)}'",
            "f'a{{b}}{¦NAME(1)}c'",
            "f'{{{¦NAME(1)}}}'",
            "f'{x}{¦NAME(1)!r:>10}'",
            "f'{x:{¦NAME(1)}}'",
            "f'{x:{y}.{¦NAME(1)}}'",
            "f'{x!r:{¦NAME(1)}}'",
            "f'{x[1:2]}{¦NAME(1)}'",
            "f'{x != ¦NAME(1)}'",
            "f'{(lambda: ¦NAME(1))()}'",
            "f'{\"}\"}{¦NAME(1)}'",
            "f'{d[\"}\"]}{¦NAME(1)}'",
            "f'{f\"{¦NAME(1)}\"}'",
            "f'{f'{¦NAME(1)}'}'",
            "f'\\N{DASH}{¦NAME(1)}'",
            "f'\\\\N{¦NAME(1)}'",
            "f'\\{¦NAME(1)}'",
            "f'\\'{¦NAME(1)}'",
            "f'''\n{\n¦NAME(1)\n}\n'''",
            "f'''{x # a\n}{¦NAME(1)}'''",
            "f'''a'b''c{¦NAME(1)}'''",
            "t'{¦NAME(1)}'",
            "'a' f'{¦NAME(1)}' 'b'",
            "x = 'a\\'b'; ¦NAME(1)",
            "x = ''; ¦NAME(1)",
            "x = \"'\"; ¦NAME(1)",
            "x = '''a'b''c'''; ¦NAME(1)",
            "x = ''''a'''; ¦NAME(1)",
            "x = rb'a\\'b'; ¦NAME(1)",
            "x = 1.; ¦NAME(1)",
            "x = a . b; ¦NAME(1)",
            "x = {'a': [1, (2, 3)]}; ¦NAME(1)",
            "class A:\n  def NAME(self): return ¦NAME(1)",
        ] {
            refused(PY, rule, &form.replace("NAME", name));
        }
    }
    // In a raw string too a backslash keeps the quote from ending it.
    refused(PY, "py-open", r"x = r'\'open(1)'; ¦open(2)");
    refused(PY, "py-open", "¦ｏｐｅｎ('x')");
    refused(PY, "py-exec", "¦𝐞𝐱𝐞𝐜('x')");
    refused(PY, "py-open", "¦ｂｕｉｌｔｉｎｓ.𝘰pen('x')");
}

#[test]
fn mere_mentions_are_accepted() {
    for code in [
        "# import os; open('x')",
        "'import os'",
        "\"open('x')\"",
        "'''\nimport os\nopen('x')\n'''",
        "\"\"\"import sys \"quoted\" exit()\"\"\"",
        "r'\\' open(1)'",
        "b'open(1)'; rb\"exit(1)\"; u'quit()'",
        "f'open(1) {x} exit(2) {{quit()}} {y!r:>10} import os'",
        "f'{x:open(1)}'",
        "f'{\"open(1)\"}'",
        "f'''{x}\nimport os\n'''",
        "'a\\\nopen(1)'",
        "reopen('x'); open_('x'); opener('x'); _open(1); opené(1); execute(1); exec2(1)",
        "self.open('x'); regex.exec(1); path.open(); obj.exit(); a.b.quit()",
        "self . open('x')",
        "self.\\\nopen('x')",
        "(self\n .open('x'))",
        "io.open_code; codecs.file",
        "file.apply(x); open.bind(y); exit.call(z); file.read()",
        "def open(self): pass",
        "class Foo:\n    def exit(self): pass\n    def quit(self): return 1\n    async def exec(self): pass",
        "class file(object): pass",
        "f(open=1, file=None, exit = 2)",
        "print('x', file=log)",
        "g = open",
        "handlers = {'open': 1, exit: 2}",
        "open = 1; exit = 2",
        "x = open\n('y')",
        "map(open, names)",
        "partial(open)(1)",
        "import osmosis, osgeo, system, sysconfig, subprocesses",
        "import a.os, b.sys",
        "import a as os, b as sys",
        "from osgeo import gdal",
        "from .os import x; from . import os; from ..sys import y; from ...a import sys; from .... import os",
        "from a.os import b",
        "from a import os_name, b as sys",
        "import math, random\nfrom collections import Counter, deque as sys",
        "import importlib; importlib.import_module('math')",
        "importlib.import_module(name); loader.import_module('os')",
        "os = 1; sys = 2; os.path; sys.exit()",
        "raise a from os\nimport x",
        "yield from sys\n",
        "system('x'); sys_exit(); fileobj(1); profile(1); exiting(); quitter()",
        "important = 1; imports(os); from_ = 2; x.from_import(os)",
        "x = input(); print(x)",
        "raise SystemExit",
        "",
        "\u{feff}",
    ] {
        accepted(PY, code);
    }
}

#[test]
fn ordinary_programs_are_accepted() {
    accepted(
        PY,
        r##"
"""Counts words. Never calls open() or exit(); see `import os`."""
import math
from collections import Counter, defaultdict
from typing import (
    List,
    Optional,  # not os, nor sys
)


class Door:
    """A door one can open() and exit()."""

    def __init__(self, opened: bool = False):
        self.opened = opened

    def open(self) -> "Door":
        self.opened = True
        return self

    def exit(self, *, quit: Optional[int] = None) -> int:
        return quit or 0


def execute(lines: List[str]) -> None:
    counts = Counter(word for line in lines for word in line.split())
    width = max((len(w) for w in counts), default=0)
    for word, n in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])):
        print(f"{word!r:<{width + 2}} {n:>3} {'#' * n} {{open(x)}}")
    print(f'{Door().open().exit(quit=3)} {math.pi:.2f}', end='\n')


if __name__ == "__main__":
    lines = []
    while True:
        try:
            lines.append(input())
        except EOFError:
            break
    execute(lines)
"##,
    );
}
