//! Names and types: what is accepted here cannot fail later but by arithmetic.
//!
//! Levels (`criticality >= "high"`) and records (`product("ledger").build`) become plain numbers and names on the way.

mod calls;

use crate::{
    ExpressionError, Place, Type, Vocabulary,
    guard::{self, TREE_MAX},
    vocabulary::field_key,
};
use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr, SourceInfo},
    parser::Parser,
};
use refit_inventory::did_you_mean;

/// Comprehensions inside comprehensions: with lists of a thousand values two are a million steps.
const LOOPS_MAX: usize = 2;

type Checked = Result<(IdedExpr, Type), ExpressionError>;

/// Reads a text into a checked tree. Needs a large stack.
pub(crate) fn read(text: &str, vocabulary: &Vocabulary) -> Checked {
    let (tree, source) = Parser::new().parse_with_source_info(text).map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 0), |error| error.pos);
        let number = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
        let place = Place { line: number(line), column: number(column) };
        let what = first.map_or("nothing was found", |error| error.msg.as_str());
        ExpressionError::Unreadable { place, what: plain(what) }
    })?;
    Check { text, source, vocabulary, bound: Vec::new(), loops: 0, depth: 0 }.expr(tree)
}

/// The parser's words without its own prefix and line breaks.
fn plain(what: &str) -> String {
    let first = what.lines().next().unwrap_or_default().trim();
    first.trim_start_matches("Syntax error: ").trim_start_matches("ERROR: ").to_owned()
}

/// The walk through a tree.
struct Check<'a> {
    text: &'a str,
    source: SourceInfo,
    vocabulary: &'a Vocabulary,
    /// Names that comprehensions bind, the innermost last.
    bound: Vec<(String, Type)>,
    loops: usize,
    depth: usize,
}

impl Check<'_> {
    fn place(&self, id: u64) -> Place {
        let at = self.source.offset_for(id).map_or(0, |(start, _)| start);
        guard::place_of_char(self.text, usize::try_from(at).unwrap_or(0))
    }

    fn misfit<T>(&self, id: u64, what: impl Into<String>) -> Result<T, ExpressionError> {
        Err(ExpressionError::Types { place: self.place(id), what: what.into() })
    }

    fn unknown<'n, T>(
        &self,
        id: u64,
        name: &str,
        known: impl Iterator<Item = &'n str>,
    ) -> Result<T, ExpressionError> {
        let (place, meant) = (self.place(id), did_you_mean(name, known));
        Err(ExpressionError::UnknownName { place, name: name.to_owned(), meant })
    }

    fn expr(&mut self, tree: IdedExpr) -> Checked {
        self.depth += 1;
        if self.depth > TREE_MAX {
            return Err(ExpressionError::TooDeep { place: self.place(tree.id), most: TREE_MAX });
        }
        let id = tree.id;
        let checked = match tree.expr {
            Expr::Literal(value) => {
                let of = self.literal(id, &value)?;
                Ok((IdedExpr { id, expr: Expr::Literal(value) }, of))
            }
            Expr::Ident(name) => self.ident(id, name),
            Expr::Select(select) => self.select(id, select),
            Expr::Call(call) => self.call(id, call),
            Expr::List(list) => self.list(id, list),
            Expr::Comprehension(comprehension) => self.comprehension(id, *comprehension),
            Expr::Map(_) | Expr::Struct(_) => self.misfit(id, "maps and records cannot be written"),
            Expr::Unspecified => self.misfit(id, "a part is missing"),
        };
        self.depth -= 1;
        checked
    }

    fn literal(&self, id: u64, value: &LiteralValue) -> Result<Type, ExpressionError> {
        match value {
            LiteralValue::Boolean(_) => Ok(Type::Bool),
            LiteralValue::Int(_) => Ok(Type::Int),
            LiteralValue::Double(_) => Ok(Type::Double),
            LiteralValue::String(_) => Ok(Type::Text),
            LiteralValue::UInt(_) => self.misfit(id, "numbers are written without `u`"),
            LiteralValue::Bytes(_) => self.misfit(id, "bytes are not used here; write a text"),
            LiteralValue::Null => {
                self.misfit(id, "nothing is ever `null` here; compare with `\"\"`")
            }
        }
    }

    fn ident(&self, id: u64, name: String) -> Checked {
        let bound = self.bound.iter().rev().find(|(known, _)| *known == name);
        let of = match (bound, self.vocabulary.variable(&name)) {
            (Some((_, of)), _) => of.clone(),
            (None, Some(variable)) => variable.of.clone(),
            (None, None) => {
                let known = self.vocabulary.variables().map(|variable| variable.name);
                return self.unknown(id, &name, known);
            }
        };
        Ok((IdedExpr { id, expr: Expr::Ident(name) }, of))
    }

    /// `product("ledger").build`: the record of a function is only ever asked for a field.
    fn select(&self, id: u64, select: SelectExpr) -> Checked {
        if select.test {
            return self.misfit(id, "`has` is not needed: every name has a value");
        }
        let Expr::Call(call) = &select.operand.expr else {
            return self
                .misfit(id, format!("`.{}` stands behind something without fields", select.field));
        };
        let Some(function) =
            self.vocabulary.function(&call.func_name).filter(|_| call.target.is_none())
        else {
            return self
                .misfit(id, format!("`.{}` stands behind something without fields", select.field));
        };
        let [IdedExpr { expr: Expr::Literal(LiteralValue::String(argument)), .. }] =
            call.args.as_slice()
        else {
            let what = format!("`{}` takes one name in quotes", call.func_name);
            return self.misfit(select.operand.id, what);
        };
        let Some(field) = function.fields.iter().find(|field| field.name == select.field) else {
            return self.unknown(id, &select.field, function.fields.iter().map(|field| field.name));
        };
        let name = field_key(function.name, argument.inner(), field.name);
        Ok((IdedExpr { id, expr: Expr::Ident(name) }, field.of.clone()))
    }

    fn list(&mut self, id: u64, list: ListExpr) -> Checked {
        let mut of = Type::Any;
        let mut elements = Vec::with_capacity(list.elements.len());
        for element in list.elements {
            let at = element.id;
            let (element, found) = self.expr(element)?;
            if of != Type::Any && of != found {
                return self.misfit(at, format!("the list has {of} and {found}"));
            }
            of = found;
            elements.push(element);
        }
        let expr = Expr::List(ListExpr::new(elements));
        Ok((IdedExpr { id, expr }, Type::List(Box::new(of))))
    }

    /// `list.exists(x, …)`, `all`, `exists_one`: what the parser makes of them.
    fn comprehension(&mut self, id: u64, one: ComprehensionExpr) -> Checked {
        self.loops += 1;
        if self.loops > LOOPS_MAX {
            return self.misfit(id, format!("loops stand in each other deeper than {LOOPS_MAX}"));
        }
        let (range, of_range) = self.expr(one.iter_range)?;
        let Type::List(element) = of_range else {
            return self.misfit(range.id, format!("a list was expected, found {of_range}"));
        };
        if self.vocabulary.variable(&one.iter_var).is_some() {
            return self
                .misfit(id, format!("`{}` is a name already; take another one", one.iter_var));
        }
        let (init, of_init) = self.expr(one.accu_init)?;
        if !matches!(of_init, Type::Bool | Type::Int) {
            return self.misfit(id, "only `exists`, `all` and `exists_one` are known of lists");
        }
        self.bound.push((one.accu_var.clone(), of_init.clone()));
        self.bound.push((one.iter_var.clone(), *element));
        let (cond, _) = self.expr(one.loop_cond)?;
        let (step, of_step) = self.expr(one.loop_step)?;
        self.bound.pop();
        let (result, of) = self.expr(one.result)?;
        self.bound.pop();
        self.loops -= 1;
        if of_step != of_init {
            return self.misfit(id, format!("its condition is {of_step}, expected {of_init}"));
        }
        let comprehension = ComprehensionExpr {
            iter_range: range,
            iter_var: one.iter_var,
            iter_var2: one.iter_var2,
            accu_var: one.accu_var,
            accu_init: init,
            loop_cond: cond,
            loop_step: step,
            result,
        };
        Ok((IdedExpr { id, expr: Expr::Comprehension(Box::new(comprehension)) }, of))
    }
}
