//! Rust source as these checks need it: tokens with their lines, and the paths they name.
//!
//! Comments and literals are gone (the text goes through a real tokenizer), and so is what only tests compile.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A word, a punctuation mark (`::` is one), a bracket, or `""` for any literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub text: String,
    /// From 1.
    pub line: usize,
}

/// A path as it is written; a `use` tree gives one per leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    /// Named by `use` or `extern crate`; a single word elsewhere may be anything.
    pub imported: bool,
    /// What `use … as` calls it.
    alias: Option<String>,
    /// How many inline modules deep it stands in its file.
    pub depth: usize,
}

/// A source file without its tests.
#[derive(Debug, Default)]
pub struct Code {
    pub tokens: Vec<Token>,
    /// Where the first `#[cfg(test)] mod` begins.
    pub tests_begin: Option<usize>,
    /// The names of the `#[cfg(test)] mod name;`, whose files are tests too.
    pub test_modules: Vec<String>,
    /// `#![cfg(test)]` at the top: nothing but tests.
    pub only_tests: bool,
}

/// Reads a file; an error where it isn't Rust.
pub fn read(text: &str) -> Result<Code, String> {
    let stream: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    Ok(without_tests(&tokens))
}

fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    let mut joined = false; // the last token was the first half of `::`
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String, line| into.push(Token { text, line });
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                push(open.to_owned(), line);
                flatten(group.stream(), into);
                into.push(Token { text: close.to_owned(), line: group.span_close().start().line });
                joined = false;
            }
            TokenTree::Ident(ident) => push(ident.to_string().trim_start_matches("r#").to_owned(), line),
            TokenTree::Literal(_) => push("\"\"".to_owned(), line),
            TokenTree::Punct(mark) if joined && mark.as_char() == ':' => {
                into.last_mut().expect("its first half").text.push(':');
                joined = false;
            }
            TokenTree::Punct(mark) => {
                push(mark.as_char().to_string(), line);
                joined = mark.as_char() == ':' && mark.spacing() == Spacing::Joint;
            }
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// The text of a token; empty behind the end.
pub fn at(tokens: &[Token], index: usize) -> &str {
    tokens.get(index).map_or("", |token| &token.text)
}

/// The index of the bracket that closes the one at `open`.
pub fn close_of(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

/// Leaves out every item, field or statement under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Code {
    let mut code = Code::default();
    let mut index = 0;
    while index < tokens.len() {
        let inner = at(tokens, index + 1) == "!";
        let bracket = index + 1 + usize::from(inner);
        if at(tokens, index) == "#" && is_test_only(tokens, bracket) {
            code.only_tests |= inner && code.tokens.is_empty();
            let item = after_attributes(tokens, index);
            let end = end_of_item(tokens, item);
            code.note_tests(tokens, index, &tokens[item..end]);
            index = end;
        } else {
            code.tokens.push(tokens[index].clone());
            index += 1;
        }
    }
    code
}

impl Code {
    fn note_tests(&mut self, tokens: &[Token], from: usize, item: &[Token]) {
        let Some(module) = item.iter().take(5).position(|token| token.text == "mod") else { return };
        let line = tokens[from].line;
        self.tests_begin = Some(self.tests_begin.map_or(line, |first| first.min(line)));
        if at(item, module + 2) == ";" {
            self.test_modules.push(at(item, module + 1).to_owned());
        }
    }
}

/// `[cfg(test)]` or `[cfg(all(test, …))]`.
fn is_test_only(tokens: &[Token], bracket: usize) -> bool {
    let words = [0, 1, 2, 3].map(|offset| at(tokens, bracket + offset));
    if words[..3] != ["[", "cfg", "("] {
        return false;
    }
    let inside = tokens.get(bracket + 5..close_of(tokens, bracket)).unwrap_or_default();
    let has = |word: &str| inside.iter().any(|token| token.text == word);
    words[3] == "test" || (words[3] == "all" && has("test") && !has("not") && !has("any"))
}

fn after_attributes(tokens: &[Token], mut index: usize) -> usize {
    while at(tokens, index) == "#" {
        let bracket = index + 1 + usize::from(at(tokens, index + 1) == "!");
        index = close_of(tokens, bracket) + 1;
    }
    index
}

/// Behind the item's `;` or block; a field, variant or argument ends at its comma.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let is_use =
        tokens.iter().skip(start).take(5).take_while(|token| token.text != "{").any(|token| token.text == "use");
    let items = ["mod", "fn", "impl", "struct", "enum", "trait", "use", "const", "static", "type"];
    let is_item = tokens.iter().skip(start).take(6).any(|token| items.contains(&token.text.as_str()));
    let mut index = start;
    while index < tokens.len() {
        match at(tokens, index) {
            ";" => return index + 1,
            "," if !is_item => return index + 1,
            ")" | "]" | "}" => return index,
            "{" if !is_use => return close_of(tokens, index) + 1,
            "(" | "[" | "{" => index = close_of(tokens, index) + 1,
            _ => index += 1,
        }
    }
    index
}

/// Every path that the code names; one that begins with an alias (`use … as`) in full.
pub fn paths(tokens: &[Token]) -> Vec<Named> {
    let mut found = written_paths(tokens);
    let aliases: Vec<(String, Vec<String>)> =
        found.iter().filter_map(|named| Some((named.alias.clone()?, named.segments.clone()))).collect();
    for named in found.iter_mut().filter(|named| !named.imported) {
        if let Some((_, meant)) = aliases.iter().find(|(alias, _)| *alias == named.segments[0]) {
            named.segments.splice(..1, meant.iter().cloned());
        }
    }
    found
}

fn written_paths(tokens: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut modules: Vec<usize> = Vec::new(); // where the inline modules around us end
    let mut index = 0;
    while index < tokens.len() {
        modules.retain(|&end| end > index);
        if at(tokens, index) == "mod" && at(tokens, index + 2) == "{" {
            modules.push(close_of(tokens, index + 2));
        }
        let depth = modules.len();
        if at(tokens, index) == "use" && at(tokens, index + 1) != "<" {
            index = use_tree(tokens, index + 1, &[], depth, &mut found);
        } else if begins_path(tokens, index) {
            let imported = index >= 2 && at(tokens, index - 2) == "extern" && at(tokens, index - 1) == "crate";
            let named = path(tokens, index, imported, depth);
            index += named.segments.len() * 2 - 1;
            found.push(named);
        } else {
            index += 1;
        }
    }
    found
}

/// A word that isn't the continuation of a path, nor a macro's variable, nor a lifetime.
fn begins_path(tokens: &[Token], index: usize) -> bool {
    let before = |steps: usize| index.checked_sub(steps).map_or("", |place| at(tokens, place));
    let continues = before(1) == "::" && (is_word(before(2)) || before(2) == ">");
    let variable = before(1) == "$" && at(tokens, index) != "crate";
    is_word(at(tokens, index)) && !continues && !variable && before(1) != "'"
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn path(tokens: &[Token], start: usize, imported: bool, depth: usize) -> Named {
    let mut segments = vec![at(tokens, start).to_owned()];
    let mut index = start + 1;
    while at(tokens, index) == "::" && is_word(at(tokens, index + 1)) {
        segments.push(at(tokens, index + 1).to_owned());
        index += 2;
    }
    Named { segments, line: tokens[start].line, imported, alias: None, depth }
}

/// Reads one use tree and returns the index behind it.
fn use_tree(tokens: &[Token], start: usize, prefix: &[String], depth: usize, found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    let mut index = start;
    let mut alias = None;
    loop {
        match at(tokens, index) {
            "::" | "$" => index += 1,
            "{" => return use_group(tokens, index, &segments, depth, found),
            "*" => {
                segments.push("*".to_owned());
                index += 1;
            }
            "as" => {
                alias = Some(at(tokens, index + 1).to_owned());
                index += 2;
            }
            word if is_word(word) => {
                segments.push(word.to_owned());
                index += 1;
            }
            _ => break,
        }
    }
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let line = tokens.get(index.saturating_sub(1)).map_or(0, |token| token.line);
    found.push(Named { segments, line, imported: true, alias, depth });
    index
}

fn use_group(tokens: &[Token], open: usize, prefix: &[String], depth: usize, found: &mut Vec<Named>) -> usize {
    let close = close_of(tokens, open);
    let mut index = open + 1;
    while index < close {
        index = use_tree(tokens, index, prefix, depth, found).max(index);
        index += usize::from(index < close); // its comma
    }
    close + 1
}
