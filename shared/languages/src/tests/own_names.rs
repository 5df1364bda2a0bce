//! Programs with functions and variables of their own named like forbidden ones.
//!
//! They are accepted where their definition holds, and refused elsewhere.

use proptest::prelude::*;

use super::own_forms::{JAVASCRIPT_NOT_OWN, JAVASCRIPT_OWN, PYTHON_NOT_OWN, PYTHON_OWN};
use super::{accepted, found, refused};

const JS: &str = "javascript";
const PY: &str = "python";

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
