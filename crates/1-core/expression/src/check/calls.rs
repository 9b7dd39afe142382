//! Operators and functions: what they take and give.

use super::{Check, Checked};
use crate::{ExpressionError, Type};
use cel::{
    Context, IdedExpr, Value,
    common::ast::{CallExpr, Expr, LiteralValue, operators as op},
};
use refit_inventory::did_you_mean;

/// Functions that are called on a text.
const OF_TEXTS: [&str; 4] = ["contains", "endsWith", "matches", "startsWith"];
/// Functions that turn one value into another.
const CONVERSIONS: [(&str, Type); 3] =
    [("double", Type::Double), ("int", Type::Int), ("string", Type::Text)];

impl Check<'_> {
    pub(super) fn call(&mut self, id: u64, call: CallExpr) -> Checked {
        let name = call.func_name.clone();
        match (name.as_str(), &call.target, call.args.len()) {
            (op::LOGICAL_AND | op::LOGICAL_OR, None, 2) => self.all(id, call, &Type::Bool, Type::Bool),
            (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, None, 1) => {
                self.all(id, call, &Type::Bool, Type::Bool)
            }
            (op::CONDITIONAL, None, 3) => self.conditional(id, call),
            (op::EQUALS | op::NOT_EQUALS, None, 2) => self.comparison(id, call, true),
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, None, 2) => {
                self.comparison(id, call, false)
            }
            (op::IN, None, 2) => self.membership(id, call),
            (op::ADD, None, 2) => self.arithmetic(id, call, &[Type::Int, Type::Double, Type::Text]),
            (op::SUBSTRACT | op::MULTIPLY | op::DIVIDE, None, 2) => {
                self.arithmetic(id, call, &[Type::Int, Type::Double])
            }
            (op::MODULO, None, 2) => self.arithmetic(id, call, &[Type::Int]),
            (op::NEGATE, None, 1) => self.arithmetic(id, call, &[Type::Int, Type::Double]),
            (op::INDEX, None, 2) => self.misfit(id, "values of a list have no fixed place; use `in` or `exists`"),
            ("size", None, 1) | ("size", Some(_), 0) => self.size(id, call),
            (function, Some(_), 1) if OF_TEXTS.contains(&function) => self.of_text(id, call),
            (function, None, 1) if CONVERSIONS.iter().any(|(known, _)| *known == function) => self.conversion(id, call),
            (function, None, _) if self.vocabulary.function(function).is_some() => {
                self.misfit(id, format!("`{function}(…)` stands alone; say which field, such as `{function}(\"name\").build`"))
            }
            (function, _, count) => self.unknown_call(id, function, count),
        }
    }

    fn unknown_call(&self, id: u64, function: &str, count: usize) -> Checked {
        let known: Vec<&str> = OF_TEXTS
            .into_iter()
            .chain(CONVERSIONS.iter().map(|(name, _)| *name))
            .chain(["size", "exists", "all", "exists_one"])
            .chain(self.vocabulary.functions().map(|function| function.name))
            .collect();
        if known.contains(&function) {
            return self.misfit(
                id,
                format!("`{function}` is used with {count} arguments, which it does not take"),
            );
        }
        let (place, meant) = (self.place(id), did_you_mean(function, known.into_iter()));
        Err(ExpressionError::UnknownName { place, name: function.to_owned(), meant })
    }

    /// All arguments are `wanted`.
    fn all(&mut self, id: u64, call: CallExpr, wanted: &Type, gives: Type) -> Checked {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in call.args {
            let at = arg.id;
            let (arg, found) = self.expr(arg)?;
            if found != *wanted {
                return self.misfit(at, format!("found {found}, expected {wanted}"));
            }
            args.push(arg);
        }
        Ok((
            IdedExpr { id, expr: Expr::Call(CallExpr { args, ..call_of(&call.func_name) }) },
            gives,
        ))
    }

    fn two(&mut self, mut args: Vec<IdedExpr>) -> Result<[(IdedExpr, Type); 2], ExpressionError> {
        let second = args.pop().unwrap_or_default();
        let first = args.pop().unwrap_or_default();
        Ok([self.expr(first)?, self.expr(second)?])
    }

    fn conditional(&mut self, id: u64, mut call: CallExpr) -> Checked {
        let [(yes, of_yes), (no, of_no)] = self.two(call.args.split_off(1))?;
        let condition = call.args.pop().unwrap_or_default();
        let at = condition.id;
        let (condition, found) = self.expr(condition)?;
        if found != Type::Bool {
            return self.misfit(at, format!("found {found}, expected true or false"));
        }
        if of_yes != of_no {
            return self.misfit(id, format!("`?` gives {of_yes} or {of_no}, expected one type"));
        }
        let args = vec![condition, yes, no];
        Ok((
            IdedExpr { id, expr: Expr::Call(CallExpr { args, ..call_of(&call.func_name) }) },
            of_yes,
        ))
    }

    fn comparison(&mut self, id: u64, call: CallExpr, equality: bool) -> Checked {
        let [(first, of_first), (second, of_second)] = self.two(call.args)?;
        let (first, second) = match (&of_first, &of_second) {
            (Type::Level(words), Type::Text) => (first, self.level(second, words)?),
            (Type::Text, Type::Level(words)) => (self.level(first, words)?, second),
            (one, other) if one == other => (first, second),
            (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                return self.misfit(id, "a whole number and one with a fraction are compared; write double(…) around the whole one");
            }
            (one, other) => return self.misfit(id, format!("{one} is compared with {other}")),
        };
        let ordered = matches!(of_first, Type::Int | Type::Double | Type::Text | Type::Level(_))
            || matches!(of_second, Type::Level(_));
        if !equality && !ordered {
            return self
                .misfit(id, format!("{of_first} has no order; only == and != are known of it"));
        }
        let args = vec![first, second];
        Ok((
            IdedExpr { id, expr: Expr::Call(CallExpr { args, ..call_of(&call.func_name) }) },
            Type::Bool,
        ))
    }

    /// A level's word becomes its place.
    fn level(&self, word: IdedExpr, words: &[&str]) -> Result<IdedExpr, ExpressionError> {
        let id = word.id;
        let Expr::Literal(LiteralValue::String(text)) = &word.expr else {
            return self.misfit(
                id,
                format!("a level is compared with one of {} in quotes", words.join(", ")),
            );
        };
        let Some(at) = words.iter().position(|known| *known == text.inner()) else {
            let meant = did_you_mean(text.inner(), words.iter().copied());
            let known = words.join(", ");
            return self.misfit(id, format!("`{}` is none of {known}{meant}", text.inner()));
        };
        let place = i64::try_from(at).unwrap_or(i64::MAX);
        Ok(IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(place.into())) })
    }

    fn membership(&mut self, id: u64, call: CallExpr) -> Checked {
        let [(first, of_first), (second, of_second)] = self.two(call.args)?;
        let Type::List(of) = of_second else {
            return self.misfit(id, format!("`in` looks into a list, found {of_second}"));
        };
        let second = match (&of_first, *of) {
            (Type::Level(words), Type::Text) => {
                let IdedExpr { id: list, expr: Expr::List(mut elements) } = second else {
                    return self.misfit(id, "a level is looked for in a list that is written out");
                };
                let levels = std::mem::take(&mut elements.elements).into_iter();
                elements.elements =
                    levels.map(|word| self.level(word, words)).collect::<Result<_, _>>()?;
                IdedExpr { id: list, expr: Expr::List(elements) }
            }
            (_, Type::Any) => second,
            (one, other) if *one == other => second,
            (one, other) => {
                return self
                    .misfit(id, format!("{one} is looked for among values that are {other}"));
            }
        };
        let args = vec![first, second];
        Ok((
            IdedExpr { id, expr: Expr::Call(CallExpr { args, ..call_of(&call.func_name) }) },
            Type::Bool,
        ))
    }

    fn arithmetic(&mut self, id: u64, call: CallExpr, allowed: &[Type]) -> Checked {
        let mut of = None;
        let mut args = Vec::with_capacity(call.args.len());
        for arg in call.args {
            let at = arg.id;
            let (arg, found) = self.expr(arg)?;
            if !allowed.contains(&found) {
                let expected =
                    allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
                return self.misfit(at, format!("found {found}, expected {expected}"));
            }
            if let Some(before) = of.filter(|before| *before != found) {
                return self.misfit(
                    id,
                    format!("{before} and {found} do not mix; write double(…) or int(…)"),
                );
            }
            of = Some(found);
            args.push(arg);
        }
        let expr = Expr::Call(CallExpr { args, ..call_of(&call.func_name) });
        Ok((IdedExpr { id, expr }, of.unwrap_or(Type::Any)))
    }

    fn size(&mut self, id: u64, call: CallExpr) -> Checked {
        let operand = call.target.map(|target| *target).or(call.args.into_iter().next());
        let (operand, found) = self.expr(operand.unwrap_or_default())?;
        if !matches!(found, Type::Text | Type::List(_)) {
            return self.misfit(id, format!("`size` is of a text or a list, found {found}"));
        }
        let expr = Expr::Call(CallExpr { args: vec![operand], ..call_of("size") });
        Ok((IdedExpr { id, expr }, Type::Int))
    }

    fn of_text(&mut self, id: u64, call: CallExpr) -> Checked {
        let name = call.func_name.as_str();
        let (target, of_target) =
            self.expr(call.target.map(|target| *target).unwrap_or_default())?;
        let (arg, of_arg) = self.expr(call.args.into_iter().next().unwrap_or_default())?;
        if of_target != Type::Text {
            return self.misfit(id, format!("`{name}` is asked of {of_target}, expected a text; for a list use `in` or `exists`"));
        }
        if of_arg != Type::Text {
            return self.misfit(arg.id, format!("found {of_arg}, expected a text"));
        }
        let target = Some(Box::new(target));
        let expr = Expr::Call(CallExpr { target, args: vec![arg], ..call_of(name) });
        let checked = IdedExpr { id, expr };
        if name == "matches" {
            self.pattern(&checked)?;
        }
        Ok((checked, Type::Bool))
    }

    /// A pattern must be written out, and is tried once: a wrong one is found now.
    fn pattern(&self, call: &IdedExpr) -> Result<(), ExpressionError> {
        let Expr::Call(CallExpr { args, .. }) = &call.expr else { return Ok(()) };
        let [pattern @ IdedExpr { expr: Expr::Literal(_), .. }] = args.as_slice() else {
            return self.misfit(call.id, "the pattern of `matches` is written out in quotes");
        };
        let nothing = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String("".into())) };
        let target = Some(Box::new(nothing));
        let expr = Expr::Call(CallExpr { target, args: args.clone(), ..call_of("matches") });
        match Value::resolve(&IdedExpr { id: 0, expr }, &Context::default()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim().to_owned();
                self.misfit(pattern.id, format!("no regular expression: {last}"))
            }
        }
    }

    fn conversion(&mut self, id: u64, call: CallExpr) -> Checked {
        let name = call.func_name.as_str();
        let (arg, found) = self.expr(call.args.into_iter().next().unwrap_or_default())?;
        if !matches!(found, Type::Int | Type::Double | Type::Text) {
            return self
                .misfit(arg.id, format!("`{name}` is of a number or a text, found {found}"));
        }
        let of = CONVERSIONS.iter().find(|(known, _)| *known == name);
        let of = of.map_or(Type::Any, |(_, of)| of.clone());
        let expr = Expr::Call(CallExpr { args: vec![arg], ..call_of(name) });
        Ok((IdedExpr { id, expr }, of))
    }
}

fn call_of(name: &str) -> CallExpr {
    CallExpr { func_name: name.to_owned(), target: None, args: Vec::new() }
}
