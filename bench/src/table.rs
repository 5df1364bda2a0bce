//! Tables in Markdown whose columns also line up in a terminal.

use std::fmt::Write;

/// A table. The first row is its head; the first columns are text, the others numbers.
pub struct Table {
    texts: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates an empty table.
    pub fn new(texts: usize, head: &[&str]) -> Self {
        Self {
            texts,
            rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Formats the table as text.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
                .max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                let _ = if column < self.texts {
                    write!(text, "| {cell:<width$} ")
                } else {
                    write!(text, "| {cell:>width$} ")
                };
            }
            text.push_str("|\n");
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let end = if column < self.texts { '-' } else { ':' };
                    let _ = write!(text, "|{}{end}", "-".repeat(width + 1));
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Formats milliseconds with as many digits as matter.
pub fn ms(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// Formats a ratio; a dash if there is nothing to compare with.
pub fn ratio(one: f64, other: f64) -> String {
    if other > 0.0 && one > 0.0 {
        format!("{:.1} ×", one / other)
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(1, &["job", "ms"]);
        table.row(["hello".to_owned(), ms(12.34)]);
        table.row(["é".to_owned(), ms(1234.5)]);
        assert_eq!(
            table.render(),
            "| job   |   ms |\n|-------|-----:|\n| hello | 12.3 |\n| é     | 1234 |\n"
        );
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        assert_eq!(ratio(10.0, 4.0), "2.5 ×");
        assert_eq!(ratio(10.0, 0.0), "-");
        assert_eq!(ratio(0.0, 4.0), "-");
    }
}
