//! Programs with functions, parameters and variables of their own that are named like forbidden
//! ones: accepted where their definition holds, refused elsewhere.

use proptest::prelude::*;

use super::{accepted, found, refused};

const JS: &str = "javascript";
const PY: &str = "python";

/// Forms of Python in which `NAME` is the program's own.
const PYTHON_OWN: &[&str] = &[
    "def NAME(cell):\n    return cell + 1\nprint(NAME(1))",
    "print(NAME(1))\ndef NAME(cell): return cell",
    "async def NAME(x): return x\nasync def main(): await NAME(1)",
    "class NAME:\n    def __init__(self, x): self.x = x\nNAME(1)",
    "class NAME(object): pass\nNAME(1)",
    "NAME = lambda x: x\nNAME(1)",
    "NAME: Callable = print\nNAME(1)",
    "NAME: Callable\nNAME(1)",
    "a = NAME = print\nNAME(1)",
    "a, NAME = 1, print\nNAME(1)",
    "(a, NAME) = 1, print\nNAME(1)",
    "[a, *NAME] = 1, print\nNAME(1)",
    "a, (b, NAME) = f()\nNAME(1)",
    "if x: NAME = print\nNAME(1)",
    "if x:\n    def NAME(y): return y\nelse:\n    def NAME(y): return -y\nNAME(1)",
    "try:\n    from fast import NAME\nexcept ImportError:\n    NAME = None\nNAME(1)",
    "NAME = 1\ndel NAME\nNAME(1)",
    "def f(NAME):\n    return NAME(1)",
    "def f(a, *, NAME=None, **rest):\n    if NAME:\n        return NAME(1)",
    "def f(a: int, NAME: Callable = print) -> int:\n    return NAME(1)",
    "def f(*NAME): return NAME(1)",
    "def f[T](NAME: T): return NAME(1)",
    "def f(\n    NAME,\n):\n    return NAME(1)",
    "def f():\n    def NAME(x):\n        return x\n    def g():\n        return [NAME(y) for y in z]\n    return g",
    "def f():\n\tNAME = print\n\tif x:\n\t\tNAME(1)",
    "def f():\n    NAME = print\n\n    # a comment\n\n    NAME(1)",
    "def f():\n    global NAME\n    NAME = print\nNAME(1)",
    "def f():\n    NAME = print\n    def g():\n        nonlocal NAME\n        NAME = repr\n        NAME(1)",
    "for NAME in functions: NAME(1)",
    "for a, NAME in functions:\n    NAME(1)",
    "for a, (b, NAME) in functions:\n    NAME(1)",
    "with f() as NAME: NAME(1)",
    "with f() as (a, NAME): NAME(1)",
    "with (f() as a, g() as NAME): NAME(1)",
    "try: pass\nexcept E as NAME: NAME(1)",
    "import a.b as NAME\nNAME(1)",
    "from a import b as NAME\nNAME(1)",
    "from board import NAME\nNAME(1)",
    "from board import (\n    a,\n    NAME,\n)\nNAME(1)",
    "if (NAME := f()): NAME(1)",
    "print([NAME := f(), NAME(1)])",
    "[NAME(1) for NAME in functions]",
    "{a: NAME(1) for a, NAME in functions if NAME(2)}",
    "sum(NAME(1) for NAME in functions)",
    "g = lambda NAME: NAME(1)",
    "g = lambda a, *b, NAME=None: a or NAME(1)",
    "sorted(x, key=lambda NAME: (NAME(1), NAME(2)))",
    "lambda NAME: lambda a: NAME(a)",
    "f'{(lambda NAME: NAME(1))(f)}'",
    "def f(NAME): return f'{NAME(1)}'",
    "match x:\n    case NAME: NAME(1)",
    "match x:\n    case Point(x=NAME): NAME(1)",
    "match x:\n    case [a, *NAME]: NAME(1)",
    "match x:\n    case {'a': NAME}: NAME(1)",
    "match x:\n    case (1 | 2) as NAME: NAME(1)",
    "class A:\n    NAME = print\n    x = NAME(1)",
    "class A:\n    def NAME(x): return x\n    y = NAME(1)",
    "NAME += 1\nNAME(1)",
    "while True: NAME = f(); NAME(1)",
    "@NAME(1)\ndef f(): pass\ndef NAME(x): return print",
];

/// Forms of Python in which `NAME` is Python's at each mark.
const PYTHON_NOT_OWN: &[&str] = &[
    "def f():\n    def NAME(x): return x\n    return NAME(1)\n¦NAME(2)",
    "def f(NAME): return NAME(1)\n¦NAME(2)",
    "def f(NAME):\n    return NAME(1)\ndef g():\n    return ¦NAME(2)",
    "def f(NAME):\n\n    return 1\n# a comment\n¦NAME(2)",
    "class A:\n    def NAME(self): pass\n    def f(self): return ¦NAME(1)",
    "class A:\n    NAME = print\n    def f(self): return ¦NAME(1)",
    "class A:\n    NAME = print\n    f = lambda self: ¦NAME(1)",
    "class A:\n    def NAME(self): pass\n¦NAME(1)",
    "class A: NAME = 1\n¦NAME(1)",
    "self.NAME = f\n¦NAME(1)",
    "a.NAME: int = 1\n¦NAME(1)",
    "a[NAME] = f\n¦NAME(1)",
    "f(NAME).x = 1\n¦NAME(1)",
    "f(NAME=1)\n¦NAME(1)",
    "x = f(NAME=1); ¦NAME(1)",
    "dict(NAME=f)['NAME'](¦NAME(1))",
    "{'NAME': f}\n¦NAME(1)",
    "# NAME = 1\n¦NAME(1)",
    "'NAME = 1'\n¦NAME(1)",
    "x = NAME\n¦NAME(1)",
    "x == NAME == y\n¦NAME(1)",
    "if NAME == 1: ¦NAME(1)",
    "assert NAME != 1\n¦NAME(1)",
    "f'{NAME=}'\n¦NAME(1)",
    "global NAME\n¦NAME(1)",
    "def f():\n    global NAME\n    return ¦NAME(1)",
    "def f():\n    nonlocal NAME\n    return ¦NAME(1)",
    "[NAME for NAME in x]\n¦NAME(1)",
    "for x in ¦NAME(1): pass",
    "[NAME for x in ¦NAME(1)]",
    "f(lambda NAME: 1, ¦NAME(2))",
    "g = lambda NAME: 1\n¦NAME(2)",
    "g = lambda x=NAME: x\n¦NAME(2)",
    "import NAME\n¦NAME(1)",
    "from builtins import NAME\n¦NAME(1)",
    "from builtins import NAME as NAME\n¦NAME(1)",
    "from a import NAME as b\n¦NAME(1)",
    "NAME = NAME\n¦NAME(1)",
    "NAME = builtins.NAME\n¦NAME(1)",
    "NAME = (builtins).NAME\n¦NAME(1)",
    "NAME = __builtins__['NAME']\n¦NAME(1)",
    "def f(NAME=NAME): return ¦NAME(1)",
    "def f(x, NAME=builtins.NAME): return ¦NAME(1)",
    "g = lambda NAME=NAME: ¦NAME(1)",
    "match x:\n    case NAME.y: ¦NAME(1)",
    "match x:\n    case Point(NAME=1): ¦NAME(1)",
    "case = NAME\n¦NAME(1)",
    "x: NAME = 1\n¦NAME(1)",
    "def f(x: NAME) -> NAME: return ¦NAME(1)",
    "with ¦NAME(1) as f: ¦NAME(2)",
    "def f(a=¦NAME(1)):\n    NAME = print",
];

/// Forms of JavaScript in which `NAME` is the program's own.
const JAVASCRIPT_OWN: &[&str] = &[
    "function NAME(cell) { return cell + 1; }\nNAME(1);",
    "NAME(1);\nfunction NAME(cell) { return cell; }",
    "function* NAME() {}\nNAME();",
    "async function NAME() {}\nNAME();",
    "class NAME { constructor() {} }\nnew NAME();",
    "const NAME = x => x; NAME(1);",
    "let NAME; NAME = f; NAME(1);",
    "let a = 1, NAME = f;\nNAME(1)",
    "let a = (1, 2), b = [3],\n  NAME = f\nNAME(1)",
    "var NAME = function () {};\nNAME(1)",
    "if (x) { var NAME = f; }\nNAME(1)",
    "if (x) { function NAME() {} }\nNAME(1)",
    "const { NAME } = lib; NAME(1)",
    "const { a: NAME } = lib; NAME(1)",
    "const { a: { b: [NAME] } } = lib; NAME(1)",
    "const { NAME = f } = lib; NAME(1)",
    "const [a, ...NAME] = lib; NAME(1)",
    "NAME = (x) => x;\nNAME(1)",
    "x = 1\nNAME = (x) => x\nNAME(1)",
    "import NAME from 'a'; NAME(1)",
    "import { a as NAME } from 'a'; NAME(1)",
    "import { a, NAME } from 'a'; NAME(1)",
    "import * as NAME from 'a'; NAME(1)",
    "import a, { NAME } from 'a'; NAME(1)",
    "function f(NAME) { return NAME(1); }",
    "function f(a, { NAME }, [b, ...c]) { return NAME(1); }",
    "function f(a, ...NAME) { NAME(1) }",
    "function f(NAME = null) { return () => NAME(1); }",
    "function f(NAME, x = NAME(1)) {}",
    "const g = function NAME(n) { return n && NAME(n - 1); };",
    "const g = class NAME { m() { return NAME(1); } };",
    "const g = NAME => NAME(1);",
    "const g = async NAME => { NAME(1) };",
    "const g = (a, NAME) => a + NAME(1), h = 2;",
    "const g = ({ NAME }) => NAME(1);",
    "const g = ([NAME]) => { return NAME(1) }",
    "a.map(NAME => NAME(1)).filter(x => x)",
    "const g = NAME =>\n  NAME(1)",
    "const g = a => NAME => b => NAME(a)",
    "class A { m(NAME) { return NAME(1); } }",
    "class A { static async *m({ NAME }) { yield NAME(1); } }",
    "class A { set x(NAME) { NAME(1); } }",
    "const o = { m(NAME) { NAME(1) }, 'a b'(NAME) { NAME(1) }, [k](NAME) { NAME(1) } }",
    "try {} catch (NAME) { NAME(1) }",
    "try {} catch ({ NAME }) { NAME(1) }",
    "for (const NAME of fs) { NAME(1) }",
    "for (const NAME of fs) NAME(1);",
    "for (const [a, NAME] of fs)\n  NAME(a)",
    "for (let NAME = f, i = 0; i < 2; i++) NAME(i)",
    "for await (const NAME of fs) { NAME(1) }",
    "`${(NAME => NAME(1))(f)}`",
    "function f(NAME) { return `a ${NAME(1)} b`; }",
    "(function () { const NAME = f; { { NAME(1) } } })()",
    "function f() { return NAME(1); function NAME() {} }",
    "switch (x) { case 1: function NAME() {} NAME(1) }",
    "const f = function (a, NAME)\n{\n  NAME(1)\n}",
    "function NAME(x) {} NAME?.(1); NAME.call(null, 1); (NAME)(1); (0, NAME)(1); NAME`x`",
];

/// Forms of JavaScript in which `NAME` is the global at each mark.
const JAVASCRIPT_NOT_OWN: &[&str] = &[
    "function f() { function NAME() {} NAME(1) }\n¦NAME(2)",
    "function f(NAME) { NAME(1) } ¦NAME(2)",
    "{ let NAME = f; NAME(1) } ¦NAME(2)",
    "{ class NAME {} } ¦NAME(2)",
    "if (x) { const NAME = f }\n¦NAME(2)",
    "const g = NAME => 1; ¦NAME(2)",
    "const g = NAME => 1\n¦NAME(2)",
    "const g = NAME => { NAME(1) }\n¦NAME(2)",
    "f(NAME => 1, ¦NAME(2))",
    "[NAME => 1, ¦NAME(2)]",
    "f((NAME) => 1); ¦NAME(2)",
    "for (const NAME of fs) {}\n¦NAME(2)",
    "for (const NAME of fs) f()\n¦NAME(2)",
    "try {} catch (NAME) {} ¦NAME(2)",
    "class A { NAME() { return ¦NAME(1) } }",
    "class A {\n  NAME = f\n  m() { return ¦NAME(1) }\n}",
    "const o = { NAME() { ¦NAME(1) } }",
    "const o = { NAME: f }; ¦NAME(1)",
    "const o = { NAME }; ¦NAME(1)",
    "o.NAME = f; ¦NAME(1)",
    "this.NAME = f\n¦NAME(1)",
    "const { NAME: other } = lib; ¦NAME(1)",
    "const g = function NAME() {}; ¦NAME(1)",
    "f(function NAME() {}); ¦NAME(1)",
    "const g = class NAME {}; ¦NAME(1)",
    "f(NAME); ¦NAME(1)",
    "if (NAME) { ¦NAME(1) }",
    "while (NAME) ¦NAME(1)",
    "f(NAME) || ¦NAME(1)",
    "x = NAME; ¦NAME(1)",
    "if (NAME == 1) { ¦NAME(1) }",
    "a === NAME; ¦NAME(1)",
    "let a = 1\n¦NAME(1)",
    "let a = f(1, ¦NAME(2))",
    "let a = b, c = ¦NAME(2)",
    "const NAME = NAME; ¦NAME(1)",
    "const NAME = globalThis.NAME; ¦NAME(1)",
    "const NAME = (0, NAME); ¦NAME(1)",
    "const NAME = globalThis['NAME']; ¦NAME(1)",
    "const { NAME } = globalThis; ¦NAME(1)",
    "NAME = NAME\n¦NAME(1)",
    "function f(NAME = NAME) { ¦NAME(1) }",
    "import { NAME as other } from 'a'; ¦NAME(1)",
    "function f() { let NAME\nNAME = g }\n¦NAME(1)",
    "// let NAME\n¦NAME(1)",
    "'let NAME'; ¦NAME(1)",
    "const f = x => x\n`${x => 1}${¦NAME(1)}`",
];

#[test]
fn a_python_program_may_call_its_own_function_of_a_forbidden_name() {
    for name in ["open", "exec", "exit", "quit", "file", "__import__"] {
        for form in PYTHON_OWN {
            accepted(PY, &form.replace("NAME", name));
        }
    }
}

#[test]
fn a_javascript_program_may_call_its_own_function_of_a_forbidden_name() {
    for name in ["eval", "Function", "setTimeout", "setInterval"] {
        for form in JAVASCRIPT_OWN {
            accepted(JS, &form.replace("NAME", name));
        }
    }
}

#[test]
fn a_definition_elsewhere_does_not_allow_the_builtin_of_python() {
    for (rule, name) in [
        ("py-open", "open"),
        ("py-exec", "exec"),
        ("py-import", "__import__"),
    ] {
        for form in PYTHON_NOT_OWN {
            refused(PY, rule, &form.replace("NAME", name));
        }
    }
    for code in [
        "open = io.open\n¦open(1)",
        "from io import open\n¦open(1)",
        "from io import (StringIO, open as open)\n¦open(1)",
        "def open(x): pass\nimport builtins\n¦builtins.open(1)",
    ] {
        refused(PY, "py-open", code);
    }
}

#[test]
fn a_definition_elsewhere_does_not_allow_the_global_of_javascript() {
    for (rule, name) in [("js-eval", "eval"), ("js-set-timeout", "setTimeout")] {
        for form in JAVASCRIPT_NOT_OWN {
            refused(JS, rule, &form.replace("NAME", name));
        }
    }
    refused(JS, "js-eval", "function eval() {} ¦globalThis.eval(1)");
}

#[test]
fn objects_and_loaders_of_the_programs_own_are_not_the_interpreters() {
    for code in [
        "function run(process) { process.exit(); process.kill(1) }",
        "const process = new Scheduler(); process.kill(3); process.exit()",
        "for (const process of queue) { process.exit() }",
        "queue.forEach(process => process.kill())",
        "function require(condition, text) { if (!condition) throw text }\nrequire('fs')",
        "function f(module) { module.require('fs') }",
        "const regex = /a/; regex.exec('a'); board.open(1); this.eval(x); parser.Function()",
    ] {
        accepted(JS, code);
    }
    accepted(
        PY,
        "def import_module(name): return name\nimport_module('os')",
    );
    accepted(
        PY,
        "board.open(1)\nself.exec(step)\nre.compile(x)\nf(open=1)\nd['exec'](1)",
    );
    refused(
        JS,
        "js-process-exit",
        "function f(process) {}\n¦process.exit()",
    );
    refused(JS, "js-process-exit", "if (process) { ¦process.exit() }");
    refused(
        JS,
        "js-process-exit",
        "const process = globalThis.process; ¦process.exit()",
    );
    for made in ["module.require", "createRequire(__filename)", "require"] {
        refused(
            JS,
            "js-fs",
            &format!("const require = {made}; ¦require('fs')"),
        );
    }
    refused(
        PY,
        "py-os",
        "from importlib import import_module\n¦import_module('os')",
    );
}

#[test]
fn honest_programs_with_names_of_their_own_are_accepted() {
    accepted(
        PY,
        r"
import sys_free as board

grid = [[0] * 9 for _ in range(9)]
seen = set()


def open(cell):
    r, c = cell
    if cell in seen or not (0 <= r < 9 and 0 <= c < 9):
        return
    seen.add(cell)
    if grid[r][c] == 0:
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                open((r + dr, c + dc))


class Machine:
    def __init__(self, program):
        self.program = program

    def run(self):
        def exec(step):
            op, arg = step
            return arg if op == 'push' else None

        return [exec(step) for step in self.program]


open((4, 4))
print(len(seen), Machine([('push', 1)]).run())
",
    );
    accepted(
        JS,
        r"
const steps = [['push', 1], ['push', 2], ['add']];
const stack = [];

function eval(tokens) {
  return tokens.reduce((sum, token) => sum + (Array.isArray(token) ? eval(token) : token), 0);
}

const exec = ([op, arg]) => {
  if (op === 'push') stack.push(arg);
  else stack.push(stack.pop() + stack.pop());
};

steps.forEach(exec);
console.log(stack, eval([1, [2, 3]]), /(\d+)/.exec('a 12')[1]);
",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A definition in front of a program of calls takes away its violations, and those alone.
    #[test]
    fn a_definition_of_the_whole_program_takes_away_that_rules_violations_alone(
        names in prop::collection::vec(prop::sample::select(vec!["open", "exec", "exit", "quit", "f"]), 1..12),
        own in prop::sample::select(vec!["open", "exec", "exit", "quit"]),
        form in prop::sample::select(vec!["def NAME(x): return x", "NAME = print", "class NAME: pass", "from mine import NAME"]),
    ) {
        let lines: String = names.iter().map(|name| format!("{name}(1)\n")).collect();
        let expected: Vec<_> = found(PY, &format!("\n{lines}"))
            .into_iter()
            .filter(|(rule, ..)| *rule != format!("py-{own}"))
            .collect();
        let code = format!("{}\n{lines}", form.replace("NAME", own));
        prop_assert_eq!(found(PY, &code), expected);
        // In a function of its own the definition takes away nothing.
        let elsewhere = format!("def g(): {}\n{lines}", "NAME = print".replace("NAME", own));
        prop_assert_eq!(found(PY, &elsewhere), found(PY, &format!("\n{lines}")));
    }

    #[test]
    fn a_parameter_takes_away_violations_within_its_function_alone(
        names in prop::collection::vec(prop::sample::select(vec!["eval", "setTimeout", "Function", "f"]), 1..12),
        own in prop::sample::select(vec!["eval", "setTimeout", "Function"]),
        form in prop::sample::select(vec![
            "function g(NAME) { BODY }", "const g = (NAME) => { BODY }", "class A { m({ NAME }) { BODY } }",
            "for (const NAME of a) { BODY }", "{ let NAME = a; BODY }", "try {} catch (NAME) { BODY }",
        ]),
    ) {
        let calls: String = names.iter().map(|name| format!("{name}(1);")).collect();
        let count = |code: &str| found(JS, code).len();
        let others = names.iter().filter(|name| **name != own && **name != "f").count();
        let inside = form.replace("NAME", own).replace("BODY", &calls);
        prop_assert_eq!(count(&inside), others);
        prop_assert_eq!(count(&format!("{inside}\n{calls}")), others + count(&calls));
    }
}
