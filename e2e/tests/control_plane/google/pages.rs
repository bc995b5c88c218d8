//! How many topics and subscriptions a page of a list holds when the operator asks for 1,000, and whether more can be
//! asked for. Looking at a fleet costs a call for each page.

use futures::{StreamExt as _, stream};
use pubsub_emulator::Settings;

use super::{
    made::{LABEL, tell},
    service::{Service, refusal, variable},
};

/// How many to make on Google's; to see where a page ends it takes more than 1,000 (minutes, and 2,000 calls).
const COUNT_VARIABLE: &str = "GCP_TEST_PAGE_OBJECTS";

/// Sizes that are asked for; 0 leaves it to the service.
const SIZES: [i32; 4] = [0, 10, 1_000, 10_000];

/// How many calls run at a time.
const AT_A_TIME: usize = 8;

/// What is on the first page of this size: how many, and whether there is another page.
async fn page_of_topics(service: &Service, size: i32) -> String {
    let list = service
        .topics
        .list_topics()
        .set_project(format!("projects/{}", service.project))
        .set_page_size(size);
    match list.send().await {
        Ok(page) => said(page.topics.len(), &page.next_page_token),
        Err(error) => format!("{:?}", refusal::<()>(Err(error))),
    }
}

async fn page_of_subscriptions(service: &Service, size: i32) -> String {
    let list = service
        .subscriptions
        .list_subscriptions()
        .set_project(format!("projects/{}", service.project))
        .set_page_size(size);
    match list.send().await {
        Ok(page) => said(page.subscriptions.len(), &page.next_page_token),
        Err(error) => format!("{:?}", refusal::<()>(Err(error))),
    }
}

fn said(count: usize, token: &str) -> String {
    let more = if token.is_empty() { "all" } else { "of more" };
    format!("{count} ({more})")
}

#[tokio::test]
async fn a_page_holds_what_the_operator_asks_for() {
    tell("pages", Settings::default(), async |service| {
        let on_google = variable(COUNT_VARIABLE).map_or(36, |count| count.parse().unwrap());
        let count: usize = service.either(120, on_google);
        let topics: Vec<_> = (0..count).map(|n| service.topic(&format!("page-{n}"))).collect();
        stream::iter(&topics)
            .for_each_concurrent(AT_A_TIME, |topic| service.make_topic(topic))
            .await;
        let subscriptions: Vec<_> = topics
            .iter()
            .enumerate()
            .map(|(n, topic)| service.subscription(&format!("page-{n}"), &topic.name))
            .collect();
        stream::iter(&subscriptions)
            .for_each_concurrent(AT_A_TIME, |one| service.make_subscription(one))
            .await;
        // All pages together hold all of them, each once.
        service
            .eventually("all are listed", async || {
                let listed = service.listed_topics().await.unwrap();
                let ours = listed
                    .iter()
                    .filter(|one| one.labels.get(LABEL) == Some(&service.run))
                    .count();
                if ours == count { Ok(()) } else { Err(ours) }
            })
            .await;
        service
            .eventually("all are listed", async || {
                let listed = service.listed_subscriptions().await.unwrap();
                let ours = listed
                    .iter()
                    .filter(|one| one.labels.get(LABEL) == Some(&service.run))
                    .count();
                if ours == count { Ok(()) } else { Err(ours) }
            })
            .await;

        let mut figures = Vec::new();
        for size in SIZES {
            let (topics, subscriptions) = (
                page_of_topics(service, size).await,
                page_of_subscriptions(service, size).await,
            );
            figures.push(format!(
                "asked for {size}: topics {topics}, subscriptions {subscriptions}"
            ));
        }
        service.measured(figures.join("; "));
        let (asked, _) = figures[2].split_once(": ").unwrap();
        assert_eq!(asked, "asked for 1000");
        assert!(!figures[2].contains("InvalidArgument"), "{figures:?}");
    })
    .await;
}
