use super::*;
use proptest::prelude::*;

/// Crews, hands and the pieces in which they work.
type Those = (Vec<usize>, i64, Vec<bool>);
/// Strands, crew and work.
type These = (Vec<usize>, usize, i64);

/// Pieces one unit long; the pieces in which each strand is open.
fn squeeze(pieces: i64, open: &[Vec<usize>], teams: &[Those], classes: &[These]) -> Squeeze {
    let team = |(crews, hands, works): &Those| Team {
        crews: crews.clone(),
        hands: *hands,
        works: works.clone(),
    };
    let class = |(strands, crew, work): &These| Class {
        strands: strands.clone(),
        crew: *crew,
        work: *work,
    };
    Squeeze {
        keys: (0..classes.len()).map(|number| (number, 0)).collect(),
        classes: classes.iter().map(class).collect(),
        open: open.to_vec(),
        teams: teams.iter().map(team).collect(),
        pieces: (0..pieces).map(|from| (from, from + 1)).collect(),
        most: 100,
    }
}

/// The earliest end over all ways to give each unit of work a hand of its crew in a piece in which one of its strands is open.
fn best(squeeze: &Squeeze, left: &mut [Vec<i64>], units: &[usize]) -> Option<i64> {
    let Some((first, rest)) = units.split_first() else { return Some(0) };
    let class = &squeeze.classes[*first];
    let places: BTreeSet<usize> =
        class.strands.iter().flat_map(|strand| squeeze.open[*strand].iter().copied()).collect();
    let mut found: Option<i64> = None;
    for piece in places {
        for (number, team) in squeeze.teams.iter().enumerate() {
            if left[number][piece] == 0 || !team.works[piece] || !team.crews.contains(&class.crew) {
                continue;
            }
            left[number][piece] -= 1;
            if let Some(end) = best(squeeze, left, rest) {
                let end = end.max(squeeze.pieces[piece].1);
                found = Some(found.map_or(end, |known| known.min(end)));
            }
            left[number][piece] += 1;
        }
    }
    found
}

/// The same for all units of five pieces; none when there are not hands enough.
fn best_of_all(squeeze: &Squeeze, teams: &[Those], classes: &[These]) -> Option<i64> {
    let units = |(class, (_, _, work)): (usize, &These)| {
        std::iter::repeat_n(class, usize::try_from(*work).unwrap())
    };
    let units: Vec<usize> = classes.iter().enumerate().flat_map(units).collect();
    let mut left: Vec<Vec<i64>> = teams.iter().map(|(_, hands, _)| vec![*hands; 5]).collect();
    best(squeeze, &mut left, &units)
}

#[test]
fn window_with_more_work_than_hands_is_found_among_others() {
    // The first window is open twice, the second in between; only the first is short of time.
    let open = [vec![0, 1, 4, 5], vec![2, 3]];
    let classes = [(vec![0], 0, 3), (vec![1], 0, 1), (vec![0, 1], 0, 1)];
    let squeeze = squeeze(6, &open, &[(vec![0], 1, vec![true; 6])], &classes);
    assert_eq!(squeeze.end(2), 5);
    let press = squeeze.press(5);
    assert!(press[&(0, 0)] > 0, "{press:?}");
}

#[test]
fn hands_of_two_crews_are_not_counted_twice() {
    // Each crew has hands enough for its own hosts; the second has most of them from the first.
    let teams = [(vec![0, 1], 2, vec![true; 4]), (vec![1], 1, vec![true; 4])];
    let classes = [(vec![0], 0, 4), (vec![0], 1, 6)];
    assert_eq!(squeeze(4, &[vec![0, 1, 2, 3]], &teams, &classes).end(0), 4);
}

proptest! {
    #[test]
    fn bound_is_the_end_of_the_best_way_to_share_hands(
        open in proptest::collection::vec(proptest::collection::btree_set(0usize..5, 1..5), 3),
        teams in proptest::collection::vec(
            (proptest::collection::btree_set(0usize..2, 1..3), 1i64..3, proptest::collection::vec(any::<bool>(), 5)), 1..3),
        classes in proptest::collection::vec(
            (proptest::collection::btree_set(0usize..3, 1..3), 0usize..2, 1i64..3), 1..4),
        known in 0i64..5,
    ) {
        let open: Vec<Vec<usize>> = open.into_iter().map(|own| own.into_iter().collect()).collect();
        let teams: Vec<Those> =
            teams.into_iter().map(|(crews, hands, works)| (crews.into_iter().collect(), hands, works)).collect();
        let classes: Vec<These> =
            classes.into_iter().map(|(own, crew, work)| (own.into_iter().collect(), crew, work)).collect();
        let squeeze = squeeze(5, &open, &teams, &classes);
        if let Some(found) = best_of_all(&squeeze, &teams, &classes) {
            prop_assert_eq!(squeeze.end(known), found.max(known));
        }
    }

    #[test]
    fn whatever_hosts_are_looked_at_nothing_ends_before_their_bound(
        open in proptest::collection::vec(proptest::collection::btree_set(0usize..5, 1..5), 3),
        hands in proptest::collection::vec(1i64..3, 2),
        classes in proptest::collection::vec(
            (proptest::collection::btree_set(0usize..3, 1..3), 0usize..2, 1i64..3), 1..4),
        seen in proptest::collection::vec(any::<bool>(), 4),
    ) {
        let open: Vec<Vec<usize>> = open.into_iter().map(|own| own.into_iter().collect()).collect();
        let teams = [(vec![0, 1], hands[0], vec![true; 5]), (vec![1], hands[1], vec![true, false, true, false, true])];
        let classes: Vec<These> =
            classes.into_iter().map(|(own, crew, work)| (own.into_iter().collect(), crew, work)).collect();
        let squeeze = squeeze(5, &open, &teams, &classes);
        if let Some(found) = best_of_all(&squeeze, &teams, &classes) {
            let some: Vec<usize> = (0..classes.len()).filter(|class| seen[*class]).collect();
            let bound = squeeze.done(&some, 100);
            prop_assert!(bound <= found, "{found} before {bound}");
        }
    }
}
