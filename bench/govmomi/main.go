// Lists the virtual machines of a vCenter with govmomi, as one would write it, and prints what that took.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
)

type report struct {
	Wall     float64     `json:"wall"` // seconds
	CPU      float64     `json:"cpu"`  // seconds of this process
	Machines [][2]string `json:"machines"`
}

func spent() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func main() {
	address := flag.String("address", "", "host:port")
	properties := flag.String("properties", "", "names with commas between")
	flag.Parse()
	ctx := context.Background()
	at := &url.URL{Scheme: "https", Host: *address, Path: "/sdk",
		User: url.UserPassword(os.Getenv("BENCH_VCENTER_USER"), os.Getenv("BENCH_VCENTER_PASSWORD"))}
	client, err := govmomi.NewClient(ctx, at, true)
	if err != nil {
		log.Fatal(err)
	}
	began, before := time.Now(), spent()
	machines, err := list(ctx, client, strings.Split(*properties, ","))
	if err != nil {
		log.Fatal(err)
	}
	said := report{Wall: time.Since(began).Seconds(), CPU: spent() - before}
	for _, machine := range machines {
		said.Machines = append(said.Machines, [2]string{machine.Name, string(machine.Runtime.PowerState)})
	}
	_ = client.Logout(ctx)
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		log.Fatal(err)
	}
}

func list(ctx context.Context, client *govmomi.Client, properties []string) ([]mo.VirtualMachine, error) {
	manager := view.NewManager(client.Client)
	kind := []string{"VirtualMachine"}
	all, err := manager.CreateContainerView(ctx, client.ServiceContent.RootFolder, kind, true)
	if err != nil {
		return nil, err
	}
	var machines []mo.VirtualMachine
	if err := all.Retrieve(ctx, kind, properties, &machines); err != nil {
		return nil, err
	}
	return machines, all.Destroy(ctx)
}
