//! Backslash escapes, as JavaScript and Python have them.

use std::borrow::Cow;

/// Resolves the escapes of a text. The two syntaxes share one reading: where they differ
/// (`\U0001F600` is Python's, `\u{1F600}` JavaScript's) the other would not use the form for a
/// name that matters. Anything else stays unchanged.
pub(super) fn resolve(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('\\') else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix('\\') {
        let (c, len) = escape(after);
        out.extend(c);
        rest = &after[len..];
        let next = rest.find('\\').unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// Returns the character of an escape (none for a continued line), and the escape's length without
/// the backslash.
fn escape(after: &str) -> (Option<char>, usize) {
    let Some(c) = after.chars().next() else {
        return (Some('\\'), 0);
    };
    let resolved = match c {
        'n' => Some(('\n', 1)),
        't' => Some(('\t', 1)),
        'r' => Some(('\r', 1)),
        'x' => digits(&after[1..], 2, 16).map(|c| (c, 3)),
        'u' if after[1..].starts_with('{') => braced(&after[2..]).map(|(c, len)| (c, len + 3)),
        'u' => digits(&after[1..], 4, 16).map(|c| (c, 5)),
        'U' => digits(&after[1..], 8, 16).map(|c| (c, 9)),
        '0'..='7' => octal(after),
        '\r' if after.starts_with("\r\n") => return (None, 2),
        '\r' | '\n' | '\u{2028}' | '\u{2029}' => return (None, c.len_utf8()),
        _ => None,
    };
    match resolved {
        Some((c, len)) => (Some(c), len),
        None => (Some(c), c.len_utf8()),
    }
}

/// Returns the character of exactly `count` digits.
fn digits(text: &str, count: usize, radix: u32) -> Option<char> {
    let digits = text.get(..count)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
        .and_then(char::from_u32)
}

/// Returns the character and the number of digits in `1F600}`.
fn braced(text: &str) -> Option<(char, usize)> {
    let len = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let significant = text[..len].trim_start_matches('0');
    let code = match significant {
        "" if len > 0 => 0,
        digits => u32::from_str_radix(digits, 16).ok()?,
    };
    (text[len..].starts_with('}')).then_some((char::from_u32(code)?, len))
}

/// Returns the character and the number of digits of up to three octal digits.
fn octal(text: &str) -> Option<(char, usize)> {
    let len = text
        .bytes()
        .take(3)
        .take_while(|b| (b'0'..=b'7').contains(b))
        .count();
    let code = u32::from_str_radix(&text[..len], 8).ok()?;
    Some((char::from_u32(code)?, len))
}
