//! Programs that a parked interpreter can read, and those that it cannot.

use crate::Languages;

fn parked_python_reads(code: &str) -> bool {
    let languages = Languages::embedded();
    languages.get("python").unwrap().parked_reads(code)
}

#[test]
fn both_languages_of_the_contract_park() {
    let languages = Languages::embedded();
    assert!(languages.iter().all(|language| language.parks()));
    let javascript = languages.get("javascript").unwrap();
    assert!(javascript.parked_reads("// coding: latin-1\n"));
}

#[test]
fn a_parked_interpreter_cannot_read_python_in_an_encoding_other_than_utf_8() {
    for encoding in [
        "latin-1",
        "latin1",
        "LATIN-1",
        "iso-8859-15",
        "cp1252",
        "utf8",
        "UTF8",
        "utf",
        "u",
        "ut",
        "utf-",
        "utf-16",
        "utf_7",
        "utf-80",
        "utf-8x",
        "utf-8.",
        "utf.8",
        "utf--8",
        "u8",
        "U8",
        "us-ascii",
        "utx-8",
        "big5",
        "_",
        "-",
        ".",
        "8",
        "no.such",
    ] {
        for line in [
            format!("# coding: {encoding}"),
            format!("# coding={encoding}\t"),
            format!("#coding:{encoding} and more"),
            format!("# -*- coding: {encoding} -*-"),
            format!(" \t\u{c}# -*- Coding: \t{encoding}"),
            format!("# vim: set fileencoding={encoding} :"),
            format!("# coding: {encoding}é"),
        ] {
            for before in [
                "",
                "\u{feff}",
                "#!/usr/bin/env python3\n",
                "\r\n",
                " \r",
                "\u{c}\n",
            ] {
                for after in ["", "\n", "\r\nprint(1)\n"] {
                    let code = format!("{before}{line}{after}");
                    assert!(!parked_python_reads(&code), "{code:?}");
                }
            }
        }
    }
}

#[test]
fn a_parked_interpreter_can_read_any_other_python() {
    for code in [
        "",
        "print(1)\n",
        "#",
        "# a comment\n# another\n# coding: latin-1\n",
        "\n\n# coding: latin-1\n",
        "print(1)\n# coding: latin-1\n",
        "import x  # coding: latin-1\n",
        "'# coding: latin-1'\n",
        "x = 1\r# coding: latin-1\n",
        "# coding latin-1\n",
        "# coding : latin-1\n",
        "# codin: latin-1\n",
        "# coding:\n",
        "# coding: é\n",
        "# coding: utf-8",
        "# coding: UTF_8\n",
        "# coding: utf-8-sig\n",
        "# coding: Utf_8_SIG\n",
        "# coding: utf-8-anything\n",
        "# -*- coding: utf-8 -*-\n",
        "\u{feff}# -*- coding: utf-8 -*-\n",
        "#!/usr/bin/env python3\n# vim: set fileencoding=utf-8 :\n",
        "# coding=utf-8, as it should be\n",
    ] {
        assert!(parked_python_reads(code), "{code:?}");
    }
}

#[test]
fn unusable_park_settings_are_reported() {
    let stanza = |parking: &str| {
        let text = format!(
            "[[language]]\nname = \"lua\"\nfile_name = \"main.lua\"\ncommand = [\"lua\", \"main.lua\"]\nimage = \"lua:5.4\"\nsyntax = \"none\"\n{parking}"
        );
        Languages::from_toml(&text)
    };
    let lua = stanza("").unwrap();
    let lua = lua.get("lua").unwrap();
    assert!(!lua.parks() && !lua.parked_reads("print(1)"));
    let alone = stanza("park_unless = 'x'").unwrap_err().to_string();
    assert!(
        alone.contains("park_unless is set and park is not"),
        "{alone}"
    );
    for (settings, complaint) in [
        ("park_env = { A = '1' }", "park_env is set and park is not"),
        (
            "park = true\npark_env = { 'A=B' = '1' }",
            "\"A=B\", which cannot be set",
        ),
        (
            "park = true\npark_env = { A = \"\\u0000\" }",
            "\"A\", which cannot be set",
        ),
    ] {
        let error = stanza(settings).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    let lua = stanza("park = true\npark_env = { LUAINIT = '@/a.lua' }").unwrap();
    let environment = [("LUAINIT".to_owned(), "@/a.lua".to_owned())];
    assert_eq!(lua.get("lua").unwrap().park_env(), environment);
    let broken = stanza("park = true\npark_unless = '('").unwrap_err();
    assert!(
        broken
            .to_string()
            .contains("park_unless is not a usable regular expression"),
        "{broken}"
    );
}
