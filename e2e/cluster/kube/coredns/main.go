// Command coredns is CoreDNS with the plugins that the cluster's Corefile names, and no others: the whole of it brings
// the clients of three clouds along, which takes longer to compile than a kubelet.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

// In the order in which a query passes them (https://github.com/coredns/coredns/blob/master/plugin.cfg).
func init() {
	dnsserver.Directives = []string{"health", "ready", "errors", "cache", "kubernetes"}
}

func main() { coremain.Run() }
