//! The embedded language file, and the faults that an operator's is refused for.

use crate::{LanguageName, Languages, PolicyMode};

/// A file that can be used; each test breaks it in one place.
const GOOD: &str = r#"
[[language]]
name = "lua"
aliases = ["luajit"]
file_name = "main.lua"
command = ["lua", "main.lua"]
image = "lua:5.4"
syntax = "none"

[[language.forbidden]]
id = "lua-io"
pattern = 'io\.'
message = "No io. Use print()."

[[language]]
name = "js"
file_name = "main.js"
command = ["node", "main.js"]
image = "node:20"
syntax = "javascript"

[[language.forbidden]]
id = "js-eval"
call = "eval"
message = "No eval."
"#;

#[test]
fn the_embedded_file_has_both_languages_of_the_contract() {
    let languages = Languages::embedded();
    assert_eq!(languages.names(), ["javascript", "python"]);
    let js = languages.get("javascript").unwrap();
    assert_eq!(js.command(), ["node", "main.js"]);
    assert_eq!(js.file_name(), "main.js");
    assert!(js.default_image().as_str().starts_with("node:18-alpine"));
    let python = languages.get("python").unwrap();
    assert_eq!(python.command(), ["python3", "-u", "main.py"]);
    assert_eq!(python.file_name(), "main.py");
    assert!(
        python
            .default_image()
            .as_str()
            .starts_with("python:3.10-alpine")
    );
}

#[test]
fn names_and_aliases_are_found_in_any_case() {
    let languages = Languages::embedded();
    for (asked, found) in [
        ("JavaScript", "javascript"),
        ("js", "javascript"),
        ("NODE", "javascript"),
        ("Python", "python"),
        ("py", "python"),
        ("python3", "python"),
    ] {
        assert_eq!(
            languages.get(asked).unwrap().name().as_str(),
            found,
            "{asked}"
        );
    }
    for unknown in ["", "ruby", "java", "python ", "ＰＹ"] {
        assert!(languages.get(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn an_operators_file_replaces_the_embedded_one() {
    let languages = Languages::from_toml(GOOD).unwrap();
    assert_eq!(languages.names(), ["lua", "js"]);
    assert_eq!(
        languages.get("LuaJIT").unwrap().command(),
        ["lua", "main.lua"]
    );
}

#[test]
fn each_fault_is_reported_with_its_place_and_its_remedy() {
    for (what, by, told) in [
        (
            "name = \"lua\"",
            "name = \"Lua 5\"",
            "language \"Lua 5\": the name or alias \"Lua 5\" must be 1 to 32 lower-case letters",
        ),
        (
            "name = \"lua\"",
            "name = \"\"",
            "language \"\": the name or alias \"\" must be",
        ),
        (
            "\"luajit\"",
            "\"lua\"",
            "\"lua\" is already taken by language \"lua\"",
        ),
        (
            "\"luajit\"",
            "\"a\", \"a\"",
            "\"a\" is already taken by language \"lua\"",
        ),
        (
            "name = \"js\"",
            "name = \"luajit\"",
            "language \"luajit\": the name or alias \"luajit\" is already taken by language \"lua\"",
        ),
        (
            "\"main.lua\"\n",
            "\"src/main.lua\"\n",
            "file_name \"src/main.lua\" must be a plain file name",
        ),
        ("\"main.lua\"\n", "\"..\"\n", "file_name \"..\" must be"),
        ("\"main.lua\"\n", "\"\"\n", "file_name \"\" must be"),
        (
            "[\"lua\", \"main.lua\"]",
            "[]",
            "command must hold a program",
        ),
        (
            "[\"lua\", \"main.lua\"]",
            "[\"\", \"main.lua\"]",
            "command must hold a program",
        ),
        (
            "[\"lua\", \"main.lua\"]",
            "[\"lua\"]",
            "command does not name the source file \"main.lua\"",
        ),
        (
            "\"lua:5.4\"",
            "\"\"",
            "image \"\" must be a container image with its tag or digest",
        ),
        (
            "\"lua:5.4\"",
            "\"lua 5.4\"",
            "image \"lua 5.4\" must be a container image with its tag or digest",
        ),
        (
            "syntax = \"none\"",
            "syntax = \"lua\"",
            "there is no syntax \"lua\"; use \"javascript\", \"python\" or \"none\"",
        ),
        ("syntax = \"none\"", "", "missing field `syntax`"),
        (
            "image =",
            "imege =",
            "unknown field `imege`, expected one of",
        ),
        (
            "pattern =",
            "regex =",
            "unknown field `regex`, expected one of",
        ),
        (
            "[[language]]\nname = \"lua\"",
            "limits = 3\n[[language]]\nname = \"lua\"",
            "unknown field `limits`",
        ),
        ("name = \"lua\"", "name = lua", "line 3"),
        ("id = \"lua-io\"", "id = \"\"", "rule \"\": the id must be"),
        (
            "No io. Use print().",
            " ",
            "language \"lua\", rule \"lua-io\": the message is empty",
        ),
        (
            "'io\\.'",
            "'io('",
            "rule \"lua-io\": the pattern is not a usable regular expression: ",
        ),
        (
            "'io\\.'",
            "'(\\w{900}){900}'",
            "rule \"lua-io\": the pattern is not a usable regular expression: ",
        ),
        ("'io\\.'", "'x*'", "the pattern matches the empty text"),
        (
            "pattern = 'io\\.'",
            "",
            "exactly one of module, call, member and pattern must be set, not 0",
        ),
        (
            "pattern = 'io\\.'",
            "pattern = 'a'\ncall = 'b'",
            "must be set, not 2",
        ),
        (
            "pattern = 'io\\.'",
            "call = 'dofile'",
            "only `pattern` rules are possible",
        ),
        (
            "call = \"eval\"",
            "call = \"a.b\"",
            "call \"a.b\" must be a function's bare name",
        ),
        (
            "call = \"eval\"",
            "member = \"exit\"",
            "member \"exit\" must be an object's name, a dot",
        ),
        (
            "call = \"eval\"",
            "module = \"fs/promises\"",
            "module \"fs/promises\" must be a module's name",
        ),
    ] {
        assert!(GOOD.contains(what), "{what:?} is not in the good file");
        let error = Languages::from_toml(&GOOD.replacen(what, by, 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(told),
            "{by:?} is reported as {error:?}, not as {told:?}"
        );
    }
}

#[test]
fn all_faults_are_reported_together() {
    let bad = GOOD
        .replace("lua:5.4", "")
        .replace("node:20", "")
        .replace("'io\\.'", "'('")
        .replace("No eval.", "");
    let error = Languages::from_toml(&bad).unwrap_err().to_string();
    assert_eq!(error.matches("\n  language ").count(), 4, "{error}");
}

#[test]
fn a_rule_stated_twice_is_a_fault() {
    let again = "[[language.forbidden]]\nid = \"js-eval\"\ncall = \"eval\"\nmessage = \"No.\"\n";
    let error = Languages::from_toml(&format!("{GOOD}{again}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("this id is used twice"), "{error}");
    assert!(error.contains("already forbids this"), "{error}");
}

#[test]
fn an_empty_file_is_a_fault() {
    let error = Languages::from_toml("").unwrap_err().to_string();
    assert!(error.contains("add a [[language]] stanza"), "{error}");
}

#[test]
fn the_policy_is_on_or_off() {
    assert_eq!("on".parse(), Ok(PolicyMode::Enforce));
    assert_eq!("OFF".parse(), Ok(PolicyMode::Off));
    let error = "maybe".parse::<PolicyMode>().unwrap_err().to_string();
    assert!(error.starts_with("\"maybe\" is neither \"on\""), "{error}");
}

#[test]
fn a_name_read_back_from_the_queue_is_checked() {
    let name: LanguageName = serde_json::from_str("\"c++\"").unwrap();
    assert_eq!(serde_json::to_string(&name).unwrap(), "\"c++\"");
    for bad in ["\"\"", "\"C++\"", "\"a b\"", "\"../a\""] {
        assert!(serde_json::from_str::<LanguageName>(bad).is_err(), "{bad}");
    }
}

#[test]
fn each_shipped_language_has_a_canary_and_others_need_none() {
    for language in Languages::embedded().iter() {
        assert!(language.canary().is_some(), "{}", language.name());
    }
    let plain = "[[language]]\nname = \"sh\"\nfile_name = \"main.sh\"\n\
                 command = [\"sh\", \"main.sh\"]\nimage = \"alpine:3\"\nsyntax = \"none\"\n";
    let languages = Languages::from_toml(plain).unwrap();
    assert_eq!(languages.get("sh").unwrap().canary(), None);
}
