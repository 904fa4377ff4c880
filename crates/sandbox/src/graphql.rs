//! The part of GraphQL (<https://spec.graphql.org>) that the fakes need: one operation, fields with
//! arguments, variables. It has no fragments and no directives. Braintree's fake uses it.

use std::{collections::VecDeque, iter::Peekable, str::Chars};

use serde_json::{Map, Number, Value};

/// The limit of nesting, against stack overflow: far above the queries of the SDKs.
const MAX_DEPTH: u8 = 32;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(Number),
    Sign(char),
}

/// One selected field.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Field {
    /// The member's name in the answer.
    pub alias: String,
    pub name: String,
    /// The arguments, with the values of the variables.
    pub arguments: Map<String, Value>,
    pub fields: Vec<Self>,
}

/// A selected field that the value does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownField(pub String);

/// `query` or `mutation`, and the selected fields; `None` if the text is not valid.
pub(crate) fn parse(text: &str, variables: &Value) -> Option<(String, Vec<Field>)> {
    let mut reader = Reader { tokens: tokens(text)?, variables };
    let kind = reader.name().unwrap_or_else(|| "query".to_owned());
    reader.name();
    if reader.sign('(') {
        reader.skip_declarations()?;
    }
    let fields = reader.fields(0)?;
    reader.tokens.is_empty().then_some((kind, fields))
}

/// The selected members of a value; null has none.
pub(crate) fn select(value: &Value, fields: &[Field]) -> Result<Value, UnknownField> {
    if fields.is_empty() || value.is_null() {
        return Ok(value.clone());
    }
    let selected = fields.iter().map(|field| {
        let found = value.get(&field.name).ok_or_else(|| UnknownField(field.name.clone()))?;
        Ok((field.alias.clone(), select(found, &field.fields)?))
    });
    selected.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn tokens(text: &str) -> Option<VecDeque<Token>> {
    let mut chars = text.chars().peekable();
    let mut tokens = VecDeque::new();
    while let Some(&next) = chars.peek() {
        match next {
            ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => {
                chars.next();
            }
            '#' => while chars.next_if(|it| *it != '\n').is_some() {},
            '"' => tokens.push_back(Token::Text(string(&mut chars)?)),
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '$' | '!' | '=' => tokens.extend(chars.next().map(Token::Sign)),
            '-' | '0'..='9' => {
                let digits = take(&mut chars, |it| it.is_ascii_alphanumeric() || "+-.".contains(it));
                tokens.push_back(Token::Number(serde_json::from_str(&digits).ok()?));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                tokens.push_back(Token::Name(take(&mut chars, |it| it.is_ascii_alphanumeric() || it == '_')));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

fn take(chars: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| chars.next_if(|it| belongs(*it))).collect()
}

/// A quoted string; GraphQL has the escapes of JSON.
fn string(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut quoted = String::from(chars.next()?);
    loop {
        let next = chars.next()?;
        quoted.push(next);
        match next {
            '\\' => quoted.push(chars.next()?),
            '"' => return serde_json::from_str(&quoted).ok(),
            _ => {}
        }
    }
}

struct Reader<'a> {
    tokens: VecDeque<Token>,
    variables: &'a Value,
}

impl Reader<'_> {
    fn sign(&mut self, sign: char) -> bool {
        let found = self.tokens.front() == Some(&Token::Sign(sign));
        found.then(|| self.tokens.pop_front()).is_some()
    }

    fn name(&mut self) -> Option<String> {
        let Some(Token::Name(name)) = self.tokens.front().cloned() else { return None };
        self.tokens.pop_front();
        Some(name)
    }

    fn skip_declarations(&mut self) -> Option<()> {
        while !self.sign(')') {
            self.tokens.pop_front()?;
        }
        Some(())
    }

    fn fields(&mut self, depth: u8) -> Option<Vec<Field>> {
        if depth > MAX_DEPTH || !self.sign('{') {
            return None;
        }
        let mut fields = Vec::new();
        while !self.sign('}') {
            let alias = self.name()?;
            let name = if self.sign(':') { self.name()? } else { alias.clone() };
            let arguments = if self.sign('(') { self.members(')', depth)? } else { Map::new() };
            let open = self.tokens.front() == Some(&Token::Sign('{'));
            let inner = if open { self.fields(depth + 1)? } else { Vec::new() };
            fields.push(Field { alias, name, arguments, fields: inner });
        }
        (!fields.is_empty()).then_some(fields)
    }

    fn members(&mut self, end: char, depth: u8) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        while !self.sign(end) {
            let name = self.name()?;
            let value = self.sign(':').then(|| self.value(depth + 1))??;
            members.insert(name, value);
        }
        Some(members)
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.tokens.pop_front()? {
            Token::Text(text) => Some(Value::String(text)),
            Token::Number(number) => Some(Value::Number(number)),
            Token::Name(name) => Some(match name.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::String(name),
            }),
            Token::Sign('$') => {
                let name = self.name()?;
                Some(self.variables.get(name).cloned().unwrap_or_default())
            }
            Token::Sign('{') => self.members('}', depth).map(Value::Object),
            Token::Sign('[') => {
                let mut list = Vec::new();
                while !self.sign(']') {
                    list.push(self.value(depth + 1)?);
                }
                Some(Value::Array(list))
            }
            Token::Sign(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parses_an_operation() {
        let variables = json!({"i": {"a": 1}});
        let text = "mutation Make($i: Input! = {a: 2}) { # a comment\n it: make(input: $i, list: [1, \"x\\\"y\"], on: true) { id other { name } } }";
        let (kind, fields) = parse(text, &variables).expect("a mutation");
        assert_eq!((kind.as_str(), fields[0].alias.as_str(), fields[0].name.as_str()), ("mutation", "it", "make"));
        assert_eq!(
            Value::Object(fields[0].arguments.clone()),
            json!({"input": {"a": 1}, "list": [1, "x\"y"], "on": true})
        );
        let value = json!({"id": 1, "other": {"name": "n", "more": 2}, "more": 3});
        assert_eq!(select(&value, &fields[0].fields), Ok(json!({"id": 1, "other": {"name": "n"}})));
        assert_eq!(select(&json!({"id": 1}), &fields[0].fields), Err(UnknownField("other".to_owned())));
    }

    #[test]
    fn refuses_invalid_text() {
        let deep = "{a".repeat(5_000);
        let deep_value = format!("{{ a(b: {}", "[".repeat(5_000));
        for text in [
            "",
            "{",
            "{}",
            "mutation",
            "{ a(b) }",
            "{ a(b: ) }",
            "{ ...F }",
            "{ a } }",
            "\"",
            "{ a(b: \"\\",
            &deep,
            &deep_value,
        ] {
            assert_eq!(parse(text, &Value::Null), None, "{text:.40}");
        }
    }
}
