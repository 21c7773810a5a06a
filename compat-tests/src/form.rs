//! Where Tidegate keeps its keys: the same tests are run in all three forms.

/// What makes a gateway wait for a shard for as long as tests wait for a reply.
pub const PATIENT: &str = "--link-timeout-ms=60000";

/// In which processes Tidegate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything in one process.
    InProcess,
    /// A gateway in front of one shard process, which it starts.
    OneShard,
    /// A gateway in front of three of them: what concerns keys of several is split and merged, or refused.
    ThreeShards,
}

impl Form {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::InProcess, Self::OneShard, Self::ThreeShards];

    /// Shard processes; 0 if the keys are in the process that clients reach.
    pub fn shards(self) -> usize {
        match self {
            Self::InProcess => 0,
            Self::OneShard => 1,
            Self::ThreeShards => 3,
        }
    }

    /// The flags Tidegate is started with. No shard is lost for standing still.
    pub fn flags(self) -> Vec<String> {
        match self {
            Self::InProcess => Vec::new(),
            _ => vec![format!("--shard-processes={}", self.shards()), PATIENT.to_owned()],
        }
    }
}

/// Makes a test for each form of each function named, which takes a [`Form`]: `in_process::name`,
/// `one_shard::name` and `three_shards::name`.
#[macro_export]
macro_rules! in_each_form {
    ($($name:ident),* $(,)?) => {
        mod in_process {
            $(#[test] fn $name() { super::$name($crate::form::Form::InProcess); })*
        }
        mod one_shard {
            $(#[test] fn $name() { super::$name($crate::form::Form::OneShard); })*
        }
        mod three_shards {
            $(#[test] fn $name() { super::$name($crate::form::Form::ThreeShards); })*
        }
    };
}
