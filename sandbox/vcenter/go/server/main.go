// A vCenter of its own for the sandbox: govmomi's simulator with the methods of ../overlay compiled into it.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // the REST API with tags
)

func main() {
	model := simulator.VPX()
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on; port 0 takes a free one")
	flag.IntVar(&model.Datacenter, "datacenters", 1, "number of datacenters")
	flag.IntVar(&model.Cluster, "clusters", 1, "clusters per datacenter")
	flag.IntVar(&model.ClusterHost, "hosts", 3, "hosts per cluster")
	flag.IntVar(&model.Host, "standalone", 0, "hosts outside of clusters, per datacenter")
	flag.IntVar(&model.Machine, "vms", 4, "virtual machines per cluster and per standalone host")
	flag.StringVar(&simulator.Identity, "identity", "", "the name that all UUIDs are made from")
	flag.DurationVar(&simulator.SessionIdleTimeout, "idle", 0, "idle time after which a session ends, 0 is never")
	flag.Parse()

	user, password := os.Getenv("ANDOCK_SIMULATOR_USER"), os.Getenv("ANDOCK_SIMULATOR_PASSWORD")
	if user == "" || password == "" {
		log.Fatal("ANDOCK_SIMULATOR_USER and ANDOCK_SIMULATOR_PASSWORD must be set")
	}
	model.ServiceContent.About.InstanceUuid = simulator.InstanceUUID()
	// Before the first temporary folder is made: whoever stops us early must not leave it behind.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if err := model.Create(); err != nil {
		model.Remove()
		log.Fatal(err)
	}
	simulator.StartKeeper()
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(user, password)}
	model.Service.TLS = new(tls.Config)
	model.Service.RegisterEndpoints = true
	server := model.Service.NewServer()
	server.Config.Handler = &control{model.Service, user, password, server.Config.Handler}
	go func() {
		for range time.Tick(time.Second) {
			simulator.RefreshUptimes()
		}
	}()
	ready, _ := json.Marshal(map[string]string{"host": server.URL.Hostname(), "port": server.URL.Port()})
	fmt.Printf("ready %s\n", ready)
	<-stop
	model.Remove()
}
