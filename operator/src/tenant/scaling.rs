//! Pure: who decides how many workers run, and why.

use crds::Scaling;

use super::validate::Valid;
use crate::settings::Settings;

/// The most workers where the Tenant does not say.
const MAX: i32 = 10;

/// How many waiting messages one worker is wanted for, where the Tenant does not say.
const TARGET_BACKLOG: i32 = 100;

/// What the Tenant asks for, with every default filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The fewest workers.
    pub min: i32,
    /// The most.
    pub max: i32,
    /// How many waiting messages one worker is wanted for.
    pub target_backlog: i32,
}

impl Range {
    /// Fills in the defaults. The most is never below the fewest, nor below one.
    #[must_use]
    pub fn of(asked: &Scaling) -> Self {
        let min = asked.min.unwrap_or(0).max(0);
        Self {
            min,
            max: asked.max.unwrap_or(MAX).max(min).max(1),
            target_backlog: asked.target_backlog.unwrap_or(TARGET_BACKLOG).max(1),
        }
    }

    /// How many run where nobody counts messages.
    #[must_use]
    pub fn least(&self) -> i32 {
        self.min.max(1)
    }
}

/// Who decides how many workers run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// The operator: there is one, and nothing else was asked for.
    #[default]
    One,
    /// The operator: there is one, because two workers do not see each other's keys in memory.
    InMemory,
    /// KEDA, which asks the operator at this address.
    Keda(Range, String),
    /// The operator, because the cluster has no KEDA.
    NoKeda(Range),
    /// The operator, because its configuration does not say where KEDA would reach it.
    NoAddress(Range),
}

impl Mode {
    /// Decides; `keda` is whether the cluster has its ScaledObjects.
    #[must_use]
    pub fn of(valid: &Valid, settings: &Settings, keda: bool) -> Self {
        let Some(range) = valid.worker.scaling else {
            return Self::One;
        };
        match (&settings.scaler_address, keda) {
            _ if settings.worker.idempotency.is_memory() => Self::InMemory,
            (_, false) => Self::NoKeda(range),
            (None, true) => Self::NoAddress(range),
            (Some(address), true) => Self::Keda(range, address.clone()),
        }
    }

    /// How many the operator lets run itself; none where that is not its business.
    #[must_use]
    pub fn replicas(&self) -> Option<i32> {
        match self {
            Self::One | Self::InMemory => Some(1),
            Self::NoKeda(range) | Self::NoAddress(range) => Some(range.least()),
            Self::Keda(..) => None,
        }
    }

    /// Why so many run, for people; nothing where nothing was asked for.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        Some(match self {
            Self::One => return None,
            Self::InMemory => "spec.worker.scaling has no effect".to_owned(),
            Self::Keda(range, _) => format!(
                "KEDA runs {} to {} of them, one for each {} messages that wait",
                range.min, range.max, range.target_backlog
            ),
            Self::NoKeda(range) => format!(
                "there is no KEDA in this cluster to scale them between {} and {}",
                range.min, range.max
            ),
            Self::NoAddress(range) => format!(
                "KEDA does not scale them between {} and {}, because the operator's scalerAddress is not set",
                range.min, range.max
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: Option<i32>, max: Option<i32>) -> (i32, i32, i32) {
        let asked = Scaling {
            min,
            max,
            target_backlog: None,
        };
        let range = Range::of(&asked);
        (range.min, range.max, range.least())
    }

    #[test]
    fn a_range_is_never_empty() {
        assert_eq!(range(None, None), (0, 10, 1));
        assert_eq!(range(Some(20), None), (20, 20, 20));
        assert_eq!(range(Some(0), Some(1)), (0, 1, 1));
        assert_eq!(range(Some(2), Some(5)), (2, 5, 2));
    }
}
