//! The tree against a sorted list that cannot be wrong.

use proptest::prelude::*;

use super::*;

/// A member that is its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name([u8; 4]);

impl Member for Name {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn name(number: u32) -> Name {
    Name(number.to_be_bytes())
}

/// The same elements in the simplest way: the bits of a score that is not negative are in its order.
#[derive(Default)]
struct Model(std::collections::BTreeSet<(u64, u32)>);

impl Model {
    fn elements(&self) -> Vec<(f64, Name)> {
        self.0.iter().map(|&(bits, number)| (f64::from_bits(bits), name(number))).collect()
    }
}

/// Nodes are in order, not empty, and know what is below them. Returns the depth.
fn check_node(node: &Node<Name>) -> usize {
    let Node::Inner(inner) = node else { return 0 };
    assert!(!inner.is_empty());
    let depths: Vec<_> = inner.iter().map(|child| check_node(&child.node)).collect();
    for child in inner.iter() {
        assert!(child.count > 0);
        assert_eq!((child.count, child.first), (child.node.count(), child.node.first()));
    }
    assert!(depths.iter().all(|&depth| depth == depths[0]));
    depths[0] + 1
}

fn check(tree: &BTree<Name>, model: &Model) {
    check_node(&tree.root);
    let elements = model.elements();
    assert_eq!((tree.len(), tree.root.count()), (elements.len(), elements.len()));
    assert_eq!(tree.range(0..usize::MAX).collect::<Vec<_>>(), elements);
    let mut backwards: Vec<_> = tree.range(0..elements.len()).rev().collect();
    backwards.reverse();
    assert_eq!(backwards, elements);
    for (rank, &(score, name)) in elements.iter().enumerate() {
        assert_eq!(tree.rank(score, name.bytes()), Some(rank));
        assert_eq!(tree.get(rank), Some((score, name)));
    }
    assert_eq!(tree.get(elements.len()), None);
}

#[derive(Clone, Debug)]
enum Act {
    Insert(u32, u32),
    InsertMany(u32, u32, bool),
    Remove(usize),
    RemoveRanks(usize, usize),
    CountWhile(u32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..20_u32, any::<u32>()).prop_map(|(score, number)| Act::Insert(score, number)),
        3 => (0..20_u32, 0..300_u32, any::<bool>()).prop_map(|(s, count, up)| Act::InsertMany(s, count, up)),
        4 => any::<usize>().prop_map(Act::Remove),
        2 => (any::<usize>(), 0..200_usize).prop_map(|(rank, count)| Act::RemoveRanks(rank, count)),
        2 => (0..20_u32).prop_map(Act::CountWhile),
    ]
}

fn insert(tree: &mut BTree<Name>, model: &mut Model, score: u32, number: u32) {
    if model.0.insert((f64::from(score).to_bits(), number)) {
        tree.insert(score.into(), name(number));
    }
}

fn apply(act: &Act, tree: &mut BTree<Name>, model: &mut Model) {
    let elements = model.elements();
    match *act {
        Act::Insert(score, number) => insert(tree, model, score, number),
        Act::InsertMany(score, count, up) => {
            let number = |n| if up { n } else { count - n };
            (0..count).for_each(|n| insert(tree, model, score + n % 2, number(n)));
        }
        Act::Remove(rank) if !elements.is_empty() => {
            let (score, name) = elements[rank % elements.len()];
            assert_eq!(tree.remove(score, name.bytes()), Some(name));
            assert_eq!(tree.remove(score, name.bytes()), None);
            model.0.remove(&(score.to_bits(), u32::from_be_bytes(name.0)));
        }
        Act::Remove(_) => {}
        Act::RemoveRanks(rank, count) => {
            let rank = rank % (elements.len() + 1);
            let mut removed = Vec::new();
            tree.remove_ranks(rank..rank + count, |score, name| removed.push((score, name)));
            assert_eq!(removed, elements[rank..(rank + count).min(elements.len())]);
            for (score, name) in removed {
                model.0.remove(&(score.to_bits(), u32::from_be_bytes(name.0)));
            }
        }
        Act::CountWhile(bound) => {
            let bound = f64::from(bound);
            let below = elements.iter().filter(|(score, _)| *score < bound).count();
            let up_to = elements.iter().filter(|(score, _)| *score <= bound).count();
            assert_eq!(tree.count_while(|score, _| score < bound), below);
            assert_eq!(tree.count_while(|score, _| score <= bound), up_to);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_tree_is_a_sorted_list(acts in prop::collection::vec(act(), 1..40)) {
        let (mut tree, mut model) = (BTree::new(), Model::default());
        for act in acts {
            apply(&act, &mut tree, &mut model);
            check_node(&tree.root);
        }
        check(&tree, &model);
    }
}

#[test]
fn both_zeros_are_one_score_and_infinities_are_the_ends() {
    let mut tree = BTree::new();
    for (score, number) in [(0.0, 1), (-0.0, 0), (f64::INFINITY, 2), (f64::NEG_INFINITY, 9), (-0.0, 3)] {
        tree.insert(score, name(number));
    }
    let numbers: Vec<_> = tree.range(0..9).map(|(_, name)| name.0[3]).collect();
    assert_eq!(numbers, [9, 0, 1, 3, 2]);
    assert_eq!(tree.rank(-0.0, name(1).bytes()), Some(2));
}

#[test]
fn nodes_fill_their_size_classes() {
    assert!((200..=256).contains(&size_of::<Leaf<&u64>>()));
    assert!((448..=512).contains(&size_of::<Inner<&u64>>()));
}

#[test]
fn an_end_that_only_grows_leaves_full_nodes_behind_and_chance_two_thirds() {
    let (mut grown, mut mixed) = (BTree::new(), BTree::new());
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..100_000_u32 {
        grown.insert(f64::from(number), name(number));
        mixed.insert(random.f64(), name(number));
    }
    let per_element = |tree: &BTree<Name>| tree.bytes() as f64 / 100_000.0;
    assert!(per_element(&grown) < 21.0, "{}", per_element(&grown));
    assert!(per_element(&mixed) < 33.0, "{}", per_element(&mixed));
    grown.remove_ranks(1000..99_000, |_, _| {});
    assert!(grown.bytes() < 2000 * 24, "{}", grown.bytes());
    assert_eq!(grown.get(1000), Some((99_000.0, name(99_000))));
}
