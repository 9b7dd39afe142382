//! Which prices say most: those of a linear program that fills the rows of a site with hosts, parts of rows allowed.
//!
//! A revised simplex with columns that are made when they are wanted. Nothing hangs on its figures being exact: they are only
//! prices, and what prices prove is counted elsewhere in whole numbers.

use super::{Kind, Rows};

/// Less is nothing.
const TINY: f64 = 1e-7;
/// Less than this of the shortest host is not undone.
const DONE: f64 = 1e-3;

/// What may be in the basis.
pub(super) enum Column {
    /// Hosts of a kind that stay undone.
    Undone(usize),
    /// Hosts of a kind beyond those that there are.
    Beyond(usize),
    /// Places of a stretch that stay idle.
    Idle(usize),
    /// Rows of a stretch: when hosts begin, and of which kinds they are.
    Row { stretch: usize, hosts: Vec<(usize, usize)> },
}

/// All hosts done at the lowest cost, where a host that stays undone costs what it is long.
pub(super) struct Program {
    costs: Vec<f64>,
    basis: Vec<Column>,
    /// How much of each column of the basis.
    amounts: Vec<f64>,
    /// The inverse of the basis: a row for each kind, then for each stretch.
    inverse: Vec<Vec<f64>>,
    /// What one host more of each kind costs, and what one place more in each stretch does.
    worth: Vec<f64>,
}

impl Program {
    /// So many hosts of each kind into so many places of each stretch: nobody is done yet.
    pub(super) fn new(rows: &Rows, left: &[i64], places: &[i64]) -> Self {
        // Who is not there has no price.
        let cost = |(kind, left): (&Kind, &i64)| if *left > 0 { kind.length as f64 } else { 0.0 };
        let costs: Vec<f64> = rows.kinds.iter().zip(left).map(cost).collect();
        let (kinds, stretches) = (costs.len(), places.len());
        let size = kinds + stretches;
        let unit = |row: usize| (0..size).map(|at| if at == row { 1.0 } else { 0.0 }).collect();
        let idle = (0..stretches).map(Column::Idle);
        Self {
            basis: (0..kinds).map(Column::Undone).chain(idle).collect(),
            amounts: left.iter().chain(places).map(|amount| *amount as f64).collect(),
            inverse: (0..size).map(unit).collect(),
            worth: costs.iter().copied().chain((0..stretches).map(|_| 0.0)).collect(),
            costs,
        }
    }

    /// A price for each kind.
    pub(super) fn prices(&self) -> &[f64] {
        &self.worth[..self.costs.len()]
    }

    /// What a place in a stretch costs.
    pub(super) fn rent(&self, stretch: usize) -> f64 {
        -self.worth[self.costs.len() + stretch]
    }

    /// Rows and how much of each there is.
    pub(super) fn rows(&self) -> impl Iterator<Item = (f64, usize, &[(usize, usize)])> {
        self.basis.iter().zip(&self.amounts).filter_map(|(column, amount)| match column {
            Column::Row { stretch, hosts } => Some((*amount, *stretch, &hosts[..])),
            _ => None,
        })
    }

    /// Whether no host stays undone.
    pub(super) fn is_done(&self) -> bool {
        let each = self.basis.iter().zip(&self.amounts);
        each.map(|(column, amount)| self.cost(column) * amount).sum::<f64>() < DONE
    }

    fn cost(&self, column: &Column) -> f64 {
        if let Column::Undone(kind) = column { self.costs[*kind] } else { 0.0 }
    }

    /// The entries of a column, by row.
    fn entries(&self, column: &Column) -> Vec<(usize, f64)> {
        let kinds = self.costs.len();
        match column {
            Column::Undone(kind) => vec![(*kind, 1.0)],
            Column::Beyond(kind) => vec![(*kind, -1.0)],
            Column::Idle(stretch) => vec![(kinds + stretch, 1.0)],
            Column::Row { stretch, hosts } => {
                let hosts = hosts.iter().map(|(_, kind)| (*kind, 1.0));
                hosts.chain([(kinds + stretch, 1.0)]).collect()
            }
        }
    }

    /// Entries of the table.
    pub(super) fn size(&self) -> usize {
        self.worth.len() * self.worth.len()
    }

    /// Lets in what is no row, where that costs less; how many entries were looked at or changed for it.
    pub(super) fn settle(&mut self) -> usize {
        let kinds = self.costs.len();
        let hosts = (0..kinds).flat_map(|kind| [Column::Beyond(kind), Column::Undone(kind)]);
        let idle = (0..self.worth.len() - kinds).map(Column::Idle);
        hosts.chain(idle).map(|column| self.enter(column)).sum()
    }

    /// Takes a column into the basis, if that costs less; how many entries were looked at or changed for it.
    pub(super) fn enter(&mut self, column: Column) -> usize {
        let entries = self.entries(&column);
        let worth = entries.iter().map(|(row, entry)| self.worth[*row] * entry).sum::<f64>();
        let saves = worth - self.cost(&column);
        if saves <= TINY {
            return 0;
        }
        let step = |own: &Vec<f64>| entries.iter().map(|(row, entry)| own[*row] * entry).sum();
        let steps: Vec<f64> = self.inverse.iter().map(step).collect();
        let mut leaves: Option<(f64, usize)> = None;
        for (row, step) in steps.iter().enumerate().filter(|(_, step)| **step > TINY) {
            let ratio = self.amounts[row].max(0.0) / step;
            // Among equals the larger step keeps figures exact.
            let before = |(least, known): (f64, usize)| {
                ratio < least - TINY || (ratio <= least && *step > steps[known])
            };
            if leaves.is_none_or(before) {
                leaves = Some((ratio, row));
            }
        }
        let Some((amount, leaves)) = leaves else { return 0 };
        let mut pivot = std::mem::take(&mut self.inverse[leaves]);
        pivot.iter_mut().for_each(|entry| *entry /= steps[leaves]);
        let filled: Vec<usize> = (0..pivot.len()).filter(|at| pivot[*at] != 0.0).collect();
        let dense = filled.len() * 3 > pivot.len();
        let mut changed = pivot.len() * (2 + entries.len());
        for (row, step) in steps.iter().enumerate().filter(|(_, step)| **step != 0.0) {
            self.amounts[row] -= step * amount;
            if row != leaves {
                let own = &mut self.inverse[row];
                if dense {
                    own.iter_mut().zip(&pivot).for_each(|(entry, by)| *entry -= step * by);
                } else {
                    filled.iter().for_each(|at| own[*at] -= step * pivot[*at]);
                }
                changed += filled.len();
            }
        }
        filled.iter().for_each(|at| self.worth[*at] -= saves * pivot[*at]);
        self.amounts[leaves] = amount;
        self.inverse[leaves] = pivot;
        self.basis[leaves] = column;
        changed
    }
}
