//! What Cloud Monitoring knows of subscriptions: samples each minute, visible after a lag.

use super::{Engine, subscription::Subscription};
use std::{
    collections::VecDeque,
    sync::Weak,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// The service samples its gauges each minute (metrics list, "Sampled every 60 seconds").
const EVERY: Duration = Duration::from_secs(60);

/// Samples kept: an hour.
const KEPT: usize = 60;

/// A subscription without backlog, puller or use for this long has no series.
const IDLE: Duration = Duration::from_secs(3_600);

/// The metrics that are served; all of INT64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Undelivered,
    OldestUnackedAge,
    DeadLettered,
    Sent,
}

impl Metric {
    pub(crate) const ALL: [Self; 4] = [
        Self::Undelivered,
        Self::OldestUnackedAge,
        Self::DeadLettered,
        Self::Sent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Undelivered => "pubsub.googleapis.com/subscription/num_undelivered_messages",
            Self::OldestUnackedAge => "pubsub.googleapis.com/subscription/oldest_unacked_message_age",
            Self::DeadLettered => "pubsub.googleapis.com/subscription/dead_letter_message_count",
            Self::Sent => "pubsub.googleapis.com/subscription/sent_message_count",
        }
    }

    /// Deltas count what happened between two samples; gauges tell what was.
    pub(crate) fn is_delta(self) -> bool {
        matches!(self, Self::DeadLettered | Self::Sent)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    at: SystemTime,
    undelivered: u64,
    oldest_age: u64,
    dead_lettered: u64,
    sent: u64,
}

impl Sample {
    fn value(&self, metric: Metric, before: Option<&Self>) -> u64 {
        match metric {
            Metric::Undelivered => self.undelivered,
            Metric::OldestUnackedAge => self.oldest_age,
            Metric::DeadLettered => self
                .dead_lettered
                .saturating_sub(before.map_or(0, |b| b.dead_lettered)),
            Metric::Sent => self.sent.saturating_sub(before.map_or(0, |b| b.sent)),
        }
    }
}

/// One value; a gauge's interval is an instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) value: u64,
}

/// One subscription's points, newest first.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) subscription: String,
    pub(crate) points: Vec<Point>,
}

impl Series {
    /// All points as one: what `ALIGN_SUM` over the whole interval makes of them.
    pub(crate) fn summed(mut self) -> Self {
        if let (Some(newest), Some(oldest)) = (self.points.first().copied(), self.points.last().copied()) {
            self.points = vec![Point {
                start: oldest.start,
                end: newest.end,
                value: self.points.iter().map(|point| point.value).sum(),
            }];
        }
        self
    }
}

impl Engine {
    /// Samples, and clears away what is old, until the engine is gone.
    pub(crate) fn work_each_minute(&self) {
        let (engine, stop) = (self.me.clone(), self.stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = sample(engine) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// The points of one metric in an interval, for each subscription of a project that is not idle.
    /// Without a lag, the state of this moment is the newest point.
    pub(crate) fn time_series(
        &self,
        project: &str,
        metric: Metric,
        wanted: impl Fn(&str) -> bool,
        interval: (SystemTime, SystemTime),
    ) -> Vec<Series> {
        let now = Instant::now();
        let lag = Duration::from_millis(self.settings.read().monitoring_lag_ms);
        let newest = self.clock.wall(now) - lag;
        let subscriptions: Vec<_> = {
            let registry = self.registry.read();
            super::registry::within(&registry.subscriptions, project, "subscriptions", "")
                .filter(|(name, _)| wanted(name.id()))
                .map(|(_, subscription)| subscription.clone())
                .collect()
        };
        let mut all = Vec::new();
        for subscription in subscriptions {
            let mut samples: Vec<Sample> = subscription.samples.lock().iter().copied().collect();
            if lag.is_zero() {
                // Who asks for all until "now" said so a moment ago, on the way here.
                let asked_until_now = interval.1 + EVERY >= newest;
                let moment = self.sample(&subscription, now).map(|sample| Sample {
                    at: if asked_until_now {
                        sample.at.min(interval.1)
                    } else {
                        sample.at
                    },
                    ..sample
                });
                samples.extend(moment);
            }
            let points = points(&samples, metric, newest, interval);
            if !points.is_empty() {
                all.push(Series {
                    subscription: subscription.name.id().to_owned(),
                    points,
                });
            }
        }
        all
    }

    /// `None` for an idle subscription.
    fn sample(&self, subscription: &Subscription, now: Instant) -> Option<Sample> {
        let wall = self.clock.wall(now);
        let used = *subscription.used.lock();
        subscription.queue(|queue| {
            let (oldest, backlog) = (queue.oldest(), queue.backlog());
            if backlog == 0 && queue.pullers() == 0 && now.duration_since(used) >= IDLE {
                return None;
            }
            Some(Sample {
                at: wall,
                undelivered: backlog as u64,
                oldest_age: oldest.map_or(0, |at| wall.duration_since(at).unwrap_or_default().as_secs()),
                dead_lettered: queue.totals.dead_lettered,
                sent: queue.totals.delivered,
            })
        })
    }

    /// What is past its time goes, even if nobody asks for it.
    fn drop_old(&self) {
        let wall = self.clock.wall_now();
        let topics: Vec<_> = self.registry.read().topics.values().cloned().collect();
        for topic in topics {
            topic.retain(&[], wall);
        }
        self.drop_expired_snapshots(wall);
    }

    fn sample_all(&self) {
        let now = Instant::now();
        let subscriptions: Vec<_> = self.registry.read().subscriptions.values().cloned().collect();
        for subscription in subscriptions {
            if let Some(sample) = self.sample(&subscription, now) {
                let mut samples = subscription.samples.lock();
                samples.push_back(sample);
                if samples.len() > KEPT {
                    samples.pop_front();
                }
            }
        }
    }
}

/// Samples by age, as kept by a subscription.
pub(super) type Samples = VecDeque<Sample>;

async fn sample(engine: Weak<Engine>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match engine.upgrade() {
            Some(engine) => {
                engine.sample_all();
                engine.drop_old();
            }
            None => return,
        }
    }
}

fn points(
    samples: &[Sample],
    metric: Metric,
    newest: SystemTime,
    (from, to): (SystemTime, SystemTime),
) -> Vec<Point> {
    let before = std::iter::once(None).chain(samples.iter().map(Some));
    let mut points: Vec<Point> = samples
        .iter()
        .zip(before)
        .filter(|(sample, _)| sample.at <= newest && sample.at > from && sample.at <= to)
        .map(|(sample, before)| Point {
            start: if metric.is_delta() {
                before.map_or(sample.at - EVERY, |b| b.at)
            } else {
                sample.at
            },
            end: sample.at,
            value: sample.value(metric, before),
        })
        .collect();
    points.reverse();
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pb, settings::Settings};

    #[tokio::test(start_paused = true)]
    async fn a_lag_hides_the_newest_points() {
        let engine = Engine::new(
            0,
            Settings {
                monitoring_lag_ms: 120_000,
                ..Settings::default()
            },
            None,
        );
        engine.work_each_minute();
        let topic = pb::Topic {
            name: "projects/p/topics/events".to_owned(),
            ..pb::Topic::default()
        };
        engine.create_topic(topic).unwrap();
        engine
            .create_subscription(pb::Subscription {
                name: "projects/p/subscriptions/sub".to_owned(),
                topic: "projects/p/topics/events".to_owned(),
                ..pb::Subscription::default()
            })
            .unwrap();
        let message = pb::PubsubMessage {
            data: b"x".to_vec().into(),
            ..pb::PubsubMessage::default()
        };
        let publish = || {
            let request = pb::PublishRequest {
                topic: "projects/p/topics/events".to_owned(),
                messages: vec![message.clone()],
            };
            engine.publish(request).unwrap();
        };
        let read = |metric| {
            let all = (SystemTime::UNIX_EPOCH, engine.clock.wall(Instant::now()));
            let series = engine.time_series("p", metric, |id| id == "sub", all);
            series
                .first()
                .map_or(Vec::new(), |s| s.points.iter().map(|p| p.value).collect())
        };
        tokio::time::sleep(Duration::from_secs(30)).await;
        publish();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(read(Metric::Undelivered).is_empty(), "sampled, but not shown yet");
        publish();
        tokio::time::sleep(Duration::from_secs(91)).await;
        assert_eq!(read(Metric::Undelivered), [1]);
        assert_eq!(read(Metric::OldestUnackedAge), [30]);
        engine.settings.write().monitoring_lag_ms = 0;
        assert_eq!(
            read(Metric::Undelivered),
            [2, 2, 2, 1],
            "without a lag this moment counts too"
        );
        assert!(
            engine
                .time_series(
                    "q",
                    Metric::Undelivered,
                    |_| true,
                    (SystemTime::UNIX_EPOCH, SystemTime::now())
                )
                .is_empty()
        );
    }
}
