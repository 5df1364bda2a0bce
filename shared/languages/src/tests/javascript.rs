//! Refused and accepted code in JavaScript.

use super::{accepted, found, refused};

const JS: &str = "javascript";

#[test]
fn places_are_reported_by_line_and_column() {
    let code = "const a = 1;\n  eval(a);\r\nconst f = require('fs'); // ä\n\"äöü\"; process.exit(1);\r\tsetTimeout(f)";
    assert_eq!(
        found(JS, code),
        [
            ("js-eval".to_owned(), 2, 3),
            ("js-fs".to_owned(), 3, 11),
            ("js-process-exit".to_owned(), 4, 8),
            ("js-set-timeout".to_owned(), 5, 2),
        ]
    );
}

#[test]
fn loading_a_module_is_refused_in_every_form() {
    for code in [
        "const fs = ¦require('fs');",
        "¦require(\"fs\").readFileSync('/etc/passwd')",
        "¦require(`fs`)",
        "¦require('node:fs')",
        "¦require('fs/promises')",
        "¦require('node:fs/promises')",
        "¦require ( 'fs' )",
        "¦require\n(\n'fs'\n)",
        "¦require/* a */(/* b */'fs'// c\n)",
        "¦require('fs',)",
        "¦require(('fs'))",
        "¦require?.('fs')",
        "¦module.require('fs')",
        "¦module['require']('fs')",
        "¦module?.require?.('fs')",
        "¦globalThis.require('fs')",
        "¦process.mainModule.require('fs')",
        "¦process.getBuiltinModule('fs')",
        "(¦require)('fs')",
        "(0, ¦require)('fs')",
        r"¦require('f\x73')",
        r"¦require('\u0066s')",
        r"¦require('\u{66}\u{000073}')",
        r"¦require('\146\163')",
        "¦require('f\\\ns')",
        r"¦requir\u0065('fs')",
        "¦import('fs')",
        "await ¦import('node:fs/promises')",
        "¦import(`fs`, {})",
        "import fs from ¦'fs'",
        "import * as fs from ¦'fs'",
        "import {\n  readFile,\n  writeFile as w\n} from ¦\"fs\";",
        "import fs, { readFile } from ¦'node:fs'",
        "import ¦'fs'",
        "import fs from/* here */\n¦'fs'",
        "export * from ¦'fs'",
        "export * as fs from ¦'fs'",
        "export { readFile } from ¦'fs/promises'",
        "import fs from ¦'fs' with { type: 'json' }",
    ] {
        refused(JS, "js-fs", code);
    }
    for (rule, name) in [
        ("js-fs", "fs"),
        ("js-child-process", "child_process"),
        ("js-process-module", "process"),
    ] {
        for scheme in ["", "node:"] {
            for subpath in ["", "/promises"] {
                let module = format!("{scheme}{name}{subpath}");
                for code in [
                    format!("x = ¦require('{module}')"),
                    format!("x = ¦import('{module}')"),
                    format!("import x from ¦'{module}'"),
                    format!("import ¦'{module}'"),
                    format!("export {{ x }} from ¦'{module}'"),
                ] {
                    refused(JS, rule, &code);
                }
            }
        }
    }
}

#[test]
fn calling_a_function_is_refused_in_every_form() {
    for (rule, name) in [
        ("js-eval", "eval"),
        ("js-function", "Function"),
        ("js-set-timeout", "setTimeout"),
        ("js-set-interval", "setInterval"),
    ] {
        for form in [
            "¦NAME('x')",
            "¦NAME ('x')",
            "¦NAME\n\t('x')",
            "¦NAME/**/('x')",
            "¦NAME// one\n/* two */('x')",
            "¦NAME?.('x')",
            "¦NAME ?. ('x')",
            "¦NAME`x`",
            "¦NAME`x${y}`",
            "¦NAME.call(null, 'x')",
            "¦NAME.apply(null, ['x'])",
            "¦NAME.bind(null)('x')",
            "(¦NAME)('x')",
            "((¦NAME))('x')",
            "(0, ¦NAME)('x')",
            "return (1, a.b, ¦NAME)('x')",
            "x = (y || ¦NAME)('x')",
            "¦globalThis.NAME('x')",
            "¦global.NAME('x')",
            "¦window.NAME('x')",
            "¦globalThis['NAME']('x')",
            "¦globalThis?.NAME?.('x')",
            "¦globalThis?.[`NAME`]('x')",
            "¦globalThis\n.NAME('x')",
            "¦globalThis.global.NAME('x')",
            "(¦globalThis).NAME('x')",
            "f(...¦NAME('x'))",
            "x = y ? ¦NAME('x') : z",
            "!¦NAME('x')",
            "x = ¦NAME(¦NAME('x'))",
            "{¦NAME('x')}",
            "¦NAME('x')\n{}",
            "¦NAME('x')/*\n*/{}",
            "if (a) ¦NAME('x'); else ¦NAME('x')",
            "({ a: ¦NAME('x') })",
            "({ [¦NAME('x')]: 1 })",
            "({ a() { ¦NAME('x') } })",
            "class A { b = ¦NAME('x'); c() { ¦NAME('x') } static { ¦NAME('x') } }",
            "`a${¦NAME('x')}b`",
            "`${`${¦NAME('x')}`}`",
            "`${{ a: 1 }}${¦NAME('x')}`",
            "/['\"`]/; ¦NAME('x') /['\"`]/",
            "a = b / ¦NAME('x') / c",
            "a++ / ¦NAME('x') / c",
            "a\n++/'/.lastIndex; ¦NAME('x') //'",
            "a[0] / ¦NAME('x') / c",
            "(a) / ¦NAME('x') / c",
            "if (a) /'/.test(b); ¦NAME('x') //'",
            "x = {} / ¦NAME('x') / 1",
            "{} /'/.test(¦NAME('x')) //'",
            "x = function () {} / ¦NAME('x') / 1",
            "function f() {} /'/.test(¦NAME('x')) //'",
            "x = class {} / ¦NAME('x') / 1",
            "a ? b : {}\n/ ¦NAME('x') / 1",
            "f = () => {}\n/'/.test(¦NAME('x')) //'",
            "x = 'a\\\nb'; ¦NAME('x')",
            "x = 'a\\'b'; ¦NAME('x')",
            "x = \"a\\\\\"; ¦NAME('x')",
            "x = `a\\`b`; ¦NAME('x')",
            "x = `\\${`; ¦NAME('x') // }",
            "x = a ?.5 : ¦NAME('x')",
            "x = 1.; ¦NAME('x')",
            "x = 0x1f; ¦NAME('x')",
            "// '\n¦NAME('x')",
            "// \u{2028}¦NAME('x')",
            "/* ` */ ¦NAME('x')",
            "#!/usr/bin/env node '\n¦NAME('x')",
            "\u{feff}¦NAME('x')",
            "\u{feff}#! '\n¦NAME('x')",
            "x <!-- '\n¦NAME('x')",
            "--> '\n¦NAME('x')",
            "x --> ¦NAME('x')",
        ] {
            refused(JS, rule, &form.replace("NAME", name));
        }
    }
    refused(
        JS,
        "js-function",
        "const f = new ¦Function('a', 'return a')",
    );
    refused(JS, "js-function", "new\n¦Function('a')");
    refused(JS, "js-function", "new (¦Function)('a')");
    refused(JS, "js-function", "new ¦globalThis.Function('a')");
    refused(JS, "js-eval", r"¦\u0065val('x')");
    refused(JS, "js-eval", r"¦ev\u{61}l('x')");
    refused(JS, "js-eval", r"¦\u{000000065}val('x')");
}

#[test]
fn using_a_member_is_refused_in_every_form() {
    for (rule, name) in [("js-process-exit", "exit"), ("js-process-kill", "kill")] {
        for form in [
            "¦process.NAME()",
            "¦process . NAME ()",
            "¦process\n  .NAME(1)",
            "¦process/* a */./* b */NAME()",
            "¦process // a\n.NAME()",
            "¦process['NAME']()",
            "¦process[\"NAME\"](1)",
            "¦process[`NAME`]()",
            "¦process [ 'NAME' ] ()",
            "¦process[/* a */'NAME'/* b */]()",
            "¦process?.NAME()",
            "¦process?.NAME?.()",
            "¦process?.['NAME']()",
            "¦process ?. [ 'NAME' ] ?. ()",
            "¦process.NAME.call(process, 1)",
            "¦globalThis.process.NAME()",
            "¦global['process']['NAME']()",
            "(¦process).NAME()",
            "(0, ¦process.NAME)(1)",
            "main().catch(¦process.NAME)",
            "x = `${¦process.NAME()}`",
            "(() => ¦process.NAME())()",
        ] {
            refused(JS, rule, &form.replace("NAME", name));
        }
    }
    refused(JS, "js-process-exit", r"¦process['e\x78it']()");
    refused(JS, "js-process-exit", r"¦process.\u0065xit()");
}

#[test]
fn mere_mentions_are_accepted() {
    for code in [
        "// eval('x') require('fs') process.exit()",
        "/* eval('x')\n require('fs') */",
        "console.log(\"eval('x')\")",
        "console.log('require(\"fs\") process.exit()')",
        "console.log(`eval(1) ${'eval(2)'} setTimeout(3)`)",
        "console.log(`a ${`b eval(1) ${c} setTimeout(2)`} process.exit()`)",
        "x = /eval(1)/.test(y)",
        "x = /[/]eval(1)/.test(y)",
        "x = /\\/eval(1)/.test(y)",
        "return /setTimeout()/",
        "if (/eval()/.test(x)) {}",
        "if (x) /eval()/.test(x)",
        "x = y => /eval()/",
        "x = a ? /eval()/ : /setTimeout()/",
        "x = {}\n;/eval()/.test(x)",
        "regex.exec(text)",
        "evaluate(1); eval_score(2); _eval(3); $eval(4); eval2(5); evalé(6); medieval(7)",
        "mysetTimeout(f); setTimeouts(f)",
        "isFunction(f); FunctionX(1); function Functional() {}",
        "x instanceof Function",
        "typeof f === 'function'",
        "const f = Function",
        "Function.prototype.toString()",
        "parser.eval('1 + 2')",
        "this.eval(x); super.eval(x)",
        "parser?.eval(x)",
        "parser\n  .eval(x)",
        "parser. /* a */ eval(x)",
        "parser['eval'](x)",
        "game.setTimeout(1); game.setInterval(2)",
        "this.process.exit(); a.process.kill()",
        "a.globalThis.eval(x)",
        "({ eval: 1, setTimeout: 2, Function: 3 })",
        "({ eval(x) { return x }, async setTimeout() {}, get Function() {}, *setInterval() {} })",
        "class A { eval(x)\n{ return x } static setTimeout() {} async *setInterval() {} #eval() {} b() { this.#eval() } }",
        "class A extends B { constructor() { super() } eval(a, b = f({})) {} }",
        "function eval() {}",
        "function* setTimeout() {}",
        "async function setInterval() {}",
        "const eval_ = 1; let fs = 2; var os = 3",
        "import x from './fs'",
        "require('./fs'); require('../fs'); require('/fs')",
        "require('fs-extra'); require('fsx'); require('my/fs'); require('@fs/x')",
        "require('readline'); require('node:util'); require('events')",
        "import readline from 'readline'",
        "require('process-utils'); require('processor')",
        "require.resolve('fs')",
        "parser.require('fs')",
        "require(name)",
        "require('f' + name)",
        "'fs'; from; import_('fs')",
        "process.stdin.on('data', d => console.log(d)); process.stdout.write('x')",
        "process.argv; process.exitCode = 1; process.env.exit; process.hrtime()",
        "process.on('exit', () => {}); process.emit('kill')",
        "processor.exit(); my.process.exit; subprocess.kill(); process_.exit()",
        "process.exitCode; process['exitCode']; process.killed",
        "x = process\nexit()",
        "exit(); kill(1)",
        "queue.map(setTimeoutLike)",
        "label: for (;;) { break label }",
        "switch (x) { case eval_: break; default: }",
        "const { eval: e, setTimeout: t } = lib",
        "(a, setTimeout) => {}",
        "filesystem.open('x'); open('x'); exec('x')",
        "",
        "\u{feff}",
        "#!/usr/bin/env node eval(1)",
        "<!-- eval(1)\n--> eval(2)",
        "/* a\n*/ --> eval(2)",
    ] {
        accepted(JS, code);
    }
}

#[test]
fn ordinary_programs_are_accepted() {
    accepted(
        JS,
        r#"
const readline = require('readline');
const rl = readline.createInterface({ input: process.stdin });

/** Runs setTimeout() never; see require('fs'). */
class Evaluator {
  static #cache = new Map();
  constructor(functions = {}) { this.functions = functions; }
  eval(expression) {
    const tokens = expression.match(/\d+|[-+*\/()'"]/g) || [];
    return tokens.length / 2 / 1;
  }
  get exit() { return `exit(${this.functions['exit'] ?? 'none'})`; }
}

let process_count = 0;
rl.on('line', (line) => {
  const [a, b] = line.split(/\s+/).map(Number);
  const ratio = a / b, text = `ratio: ${ratio > 1 ? `big "${ratio}"` : 'small'}`;
  console.log(text, new Evaluator().eval('1+2'));
  process_count++;
});
rl.on('close', () => {
  Promise.resolve(process_count).then((n) => process.stdout.write(`${n} lines\n`));
  queueMicrotask(() => { process.exitCode = 0; });
});
"#,
    );
}

#[test]
fn messages_say_what_to_use_instead() {
    let languages = crate::Languages::embedded();
    let violations = languages.get(JS).unwrap().check("require('fs')");
    let message = &violations.first().unwrap().message;
    assert!(message.contains("'fs' is not allowed"), "{message}");
    assert!(message.contains("process.stdin"), "{message}");
}
