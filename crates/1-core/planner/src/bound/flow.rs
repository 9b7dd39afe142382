//! How much goes through a network: along the shortest ways first, until no way is left (Dinic's algorithm).

use std::collections::VecDeque;

/// Where all comes from,
pub(super) const SOURCE: usize = 0;
/// and where it goes.
pub(super) const SINK: usize = 1;
/// Behind every node that can be reached.
const FAR: u32 = u32::MAX;

/// Nodes with arcs between them.
pub(super) struct Flow {
    /// Where each arc leads, and how much more it lets through. The way back stands beside it: its number differs in the last bit.
    arcs: Vec<(usize, i64)>,
    /// Arcs that leave each node.
    leaving: Vec<Vec<usize>>,
    /// How far each node is from the source.
    depths: Vec<u32>,
    /// Of each node: arcs that lead no further any more.
    used: Vec<usize>,
    /// Arcs that may still be looked at: when they are used up, less goes through than could.
    effort: usize,
}

impl Flow {
    pub(super) fn new(effort: usize) -> Self {
        let leaving = vec![Vec::new(), Vec::new()];
        Self { arcs: Vec::new(), leaving, depths: Vec::new(), used: Vec::new(), effort }
    }

    pub(super) fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    /// Adds an arc that lets `most` through; its number.
    pub(super) fn arc(&mut self, from: usize, to: usize, most: i64) -> usize {
        let number = self.arcs.len();
        self.arcs.extend([(to, most), (from, 0)]);
        self.leaving[from].push(number);
        self.leaving[to].push(number + 1);
        number
    }

    /// Lets so much more through an arc.
    pub(super) fn widen(&mut self, arc: usize, by: i64) {
        self.arcs[arc].1 = self.arcs[arc].1.saturating_add(by);
    }

    /// Sends as much as possible, beside what has been sent before.
    pub(super) fn fill(&mut self) {
        while self.reach() && self.effort > 0 {
            self.block();
        }
    }

    /// Whether more could still come to a node; of use once nothing more comes to the sink.
    pub(super) fn reaches(&self, node: usize) -> bool {
        self.depths[node] < FAR
    }

    /// Finds how far each node is; whether the sink is among them.
    fn reach(&mut self) -> bool {
        self.depths = vec![FAR; self.leaving.len()];
        self.depths[SOURCE] = 0;
        let mut next = VecDeque::from([SOURCE]);
        while let Some(node) = next.pop_front() {
            self.effort = self.effort.saturating_sub(self.leaving[node].len());
            for arc in &self.leaving[node] {
                let (to, more) = self.arcs[*arc];
                if more > 0 && self.depths[to] == FAR {
                    self.depths[to] = self.depths[node] + 1;
                    next.push_back(to);
                }
            }
        }
        self.depths[SINK] < FAR
    }

    /// Sends along shortest ways until each of them has a full arc.
    fn block(&mut self) {
        self.used = vec![0; self.leaving.len()];
        let mut way: Vec<usize> = Vec::new();
        while self.effort > 0 {
            let node = way.last().map_or(SOURCE, |arc| self.arcs[*arc].0);
            if node == SINK {
                self.send(&mut way);
                continue;
            }
            self.effort -= 1;
            match self.leaving[node].get(self.used[node]).copied() {
                Some(arc) => {
                    let (to, more) = self.arcs[arc];
                    if more > 0 && self.depths[to] == self.depths[node] + 1 {
                        way.push(arc);
                    } else {
                        self.used[node] += 1;
                    }
                }
                None => {
                    let Some(arc) = way.pop() else { return };
                    self.used[self.arcs[arc ^ 1].0] += 1;
                }
            }
        }
    }

    /// Sends what a way lets through and goes back to before its first full arc.
    fn send(&mut self, way: &mut Vec<usize>) {
        let amount = way.iter().map(|arc| self.arcs[*arc].1).min().unwrap_or(0);
        for arc in way.iter() {
            self.arcs[*arc].1 -= amount;
            self.arcs[*arc ^ 1].1 += amount;
        }
        let full = way.iter().position(|arc| self.arcs[*arc].1 == 0);
        way.truncate(full.unwrap_or(0));
    }
}
