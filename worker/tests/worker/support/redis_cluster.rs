//! A Redis Cluster of the test's own: real servers that share the keys.

use super::{
    redis::{Redis, free_port},
    until,
};

const SLOTS: usize = 16_384;

pub(crate) struct Cluster {
    /// Those that the keys were given to, and behind them their replicas in the same order.
    servers: Vec<Redis>,
    /// Where each takes TLS, if it does.
    tls_ports: Vec<u16>,
}

impl Cluster {
    /// So many servers share the keys, and each has so many replicas.
    pub(crate) async fn start(primaries: usize, replicas: usize) -> Self {
        Self::with(primaries, replicas, &[]).await
    }

    /// The same, with more settings on the command line of each. With any they speak TLS among each other, and on a port
    /// of its own.
    pub(crate) async fn with(primaries: usize, replicas: usize, more: &[&str]) -> Self {
        let count = primaries * (1 + replicas);
        let mut servers = Vec::with_capacity(count);
        let mut buses = Vec::with_capacity(count);
        let mut tls_ports = Vec::new();
        for _ in 0..count {
            let bus = free_port().to_string();
            let mut settings = vec![
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "800",
                "--cluster-port",
                &bus,
            ];
            let tls = free_port();
            let tls_port = tls.to_string();
            if !more.is_empty() {
                settings.extend(["--tls-cluster", "yes", "--tls-port", &tls_port]);
                settings.extend(more);
                tls_ports.push(tls);
            }
            servers.push(Redis::with(&settings).await);
            buses.push(bus);
        }
        let cluster = Self { servers, tls_ports };
        for (n, server) in cluster.servers.iter().enumerate() {
            let _: () = server
                .ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()])
                .await;
        }
        for (n, server) in cluster.servers.iter().enumerate().take(primaries) {
            let [first, end] = [n, n + 1].map(|n| n * SLOTS / primaries);
            let [first, last] = [first, end - 1].map(|slot| slot.to_string());
            let _: () = server.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
        }
        for (server, bus) in cluster.servers.iter().zip(&buses).skip(1) {
            let port = server.port.to_string();
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, bus];
            let _: () = cluster.servers[0].ask(&meet).await;
        }
        let known = format!("cluster_known_nodes:{count}");
        cluster.all_say(&["CLUSTER", "INFO"], &known).await;
        for (n, replica) in cluster.servers.iter().enumerate().skip(primaries) {
            let id: String = cluster.servers[n % primaries].ask(&["CLUSTER", "MYID"]).await;
            let _: () = replica.ask(&["CLUSTER", "REPLICATE", &id]).await;
        }
        cluster.all_say(&["CLUSTER", "INFO"], "cluster_state:ok").await;
        for replica in cluster.servers.iter().skip(primaries) {
            says(replica, &["INFO", "replication"], "master_link_status:up").await;
        }
        // A replica takes over for what the others have heard of.
        for server in &cluster.servers {
            until("all replicas to be known", || async {
                let nodes: String = server.ask(&["CLUSTER", "NODES"]).await;
                let replicas = nodes.lines().filter(|line| line.contains("slave")).count();
                (replicas == count - primaries).then_some(())
            })
            .await;
        }
        cluster
    }

    /// `HOST:PORT,HOST:PORT`
    pub(crate) fn nodes(&self, which: &[usize]) -> String {
        let addresses = which
            .iter()
            .map(|n| format!("127.0.0.1:{}", self.servers[*n].port));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The same where TLS is spoken.
    pub(crate) fn tls_nodes(&self) -> String {
        let addresses = self.tls_ports.iter().map(|port| format!("127.0.0.1:{port}"));
        addresses.collect::<Vec<_>>().join(",")
    }

    pub(crate) fn kill(&mut self, which: usize) {
        self.servers[which].kill();
    }

    /// One command on each server.
    pub(crate) async fn on_each(&self, command: &[&str]) {
        for server in &self.servers {
            let _: () = server.ask(command).await;
        }
    }

    /// Waits until each of these keys is on two servers.
    pub(crate) async fn replicated(&self, keys: &[String]) {
        until("the replicas to have all keys", || async {
            let mut there = Vec::new();
            for server in &self.servers {
                let keys: Vec<String> = server.ask(&["KEYS", "*"]).await;
                there.extend(keys);
            }
            let twice = |key: &&String| there.iter().filter(|there| there == key).count() == 2;
            keys.iter().all(|key| twice(&key)).then_some(())
        })
        .await;
    }

    async fn all_say(&self, command: &[&str], text: &str) {
        for server in &self.servers {
            says(server, command, text).await;
        }
    }
}

async fn says(server: &Redis, command: &[&str], text: &str) {
    until(text, || async {
        let answer: String = server.ask(command).await;
        answer.contains(text).then_some(())
    })
    .await;
}
