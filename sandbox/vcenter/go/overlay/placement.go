package simulator

// What binds machines to a host: devices and datastores of its own, rules of its cluster, and DRS itself.

import (
	"context"
	"fmt"
	"os"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// disconnectDrives leaves no machine with the host's own CD drive, which the shipped ones have in use.
func disconnectDrives(vm *VirtualMachine) {
	for _, device := range vm.Config.Hardware.Device {
		if drive, ok := device.(*types.VirtualCdrom); ok && drive.Connectable != nil {
			drive.Connectable.Connected = false
		}
	}
}

const plantedKey = 19000 // devices from here on are those that SetDevices made

// SetDevices gives a machine these things of its host and no others: "pci", "usb", "drive", or "image", a file in
// the datastore.
func SetDevices(ref types.ManagedObjectReference, kinds []string, datastore string) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	devices := []types.BaseVirtualDevice{}
	for _, device := range vm.Config.Hardware.Device {
		if device.GetVirtualDevice().Key < plantedKey {
			devices = append(devices, device)
		}
	}
	for i, kind := range kinds {
		device, err := hostDevice(kind, plantedKey+int32(i), datastore)
		if err != nil {
			return err
		}
		devices = append(devices, device)
	}
	Map.WithLock(vm, func() {
		Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	})
	return nil
}

func hostDevice(kind string, key int32, datastore string) (types.BaseVirtualDevice, error) {
	label := map[string]string{"pci": "PCI device 0", "usb": "USB 1"}[kind]
	if label == "" {
		label = "CD/DVD drive 9"
	}
	base := types.VirtualDevice{
		Key: key, DeviceInfo: &types.Description{Label: label, Summary: kind},
		Connectable: &types.VirtualDeviceConnectInfo{StartConnected: true, Connected: true},
	}
	named := types.VirtualDeviceDeviceBackingInfo{DeviceName: "of the host"}
	switch kind {
	case "pci":
		base.Backing = &types.VirtualPCIPassthroughDeviceBackingInfo{
			VirtualDeviceDeviceBackingInfo: named, Id: "0000:0b:00.0", DeviceId: "10", SystemId: "of-the-host",
		}
		return &types.VirtualPCIPassthrough{VirtualDevice: base}, nil
	case "usb":
		base.Backing = &types.VirtualUSBUSBBackingInfo{VirtualDeviceDeviceBackingInfo: named}
		return &types.VirtualUSB{VirtualDevice: base, Connected: true}, nil
	case "drive":
		base.Backing = &types.VirtualCdromAtapiBackingInfo{VirtualDeviceDeviceBackingInfo: named}
		return &types.VirtualCdrom{VirtualDevice: base}, nil
	case "image":
		store, err := storeNamed(datastore)
		if err != nil {
			return nil, err
		}
		base.Backing = &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{
			FileName: "[" + datastore + "] debian.iso", Datastore: &store.Self,
		}}
		return &types.VirtualCdrom{VirtualDevice: base}, nil
	}
	return nil, fmt.Errorf("no device of kind %s", kind)
}

// MakeLocalStore makes a datastore that one host alone reaches.
func (s *Service) MakeLocalStore(hostName, name string) error {
	host, err := hostNamed(hostName)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "govcsim-"+name)
	if err != nil {
		return err
	}
	_, err = methods.CreateLocalDatastore(context.Background(), s.client, &types.CreateLocalDatastore{
		This: *host.ConfigManager.DatastoreSystem, Name: name, Path: folder,
	})
	return err
}

// PlacementRule is a rule of a cluster: machines "together" or "apart", only "on" or never "off" some hosts.
type PlacementRule struct {
	Cluster  string   `json:"cluster"`
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	VMs      []string `json:"vms"` // ids; without them there is no such rule any more
	Hosts    []string `json:"hosts"`
	Optional bool     `json:"optional"`
}

// SetRule puts a rule in place, or takes it away.
func SetRule(asked PlacementRule) error {
	return changeCluster(asked.Cluster, func(config *types.ClusterConfigInfoEx) error {
		config.Rule = without(config.Rule, asked.Name)
		if len(asked.VMs) == 0 {
			return nil
		}
		vms := references("VirtualMachine", asked.VMs)
		info := types.ClusterRuleInfo{
			Key: int32(len(config.Rule) + 1), Name: asked.Name, Enabled: types.NewBool(true),
			Mandatory: types.NewBool(!asked.Optional), UserCreated: types.NewBool(true),
		}
		switch asked.Kind {
		case "together":
			config.Rule = append(config.Rule, &types.ClusterAffinityRuleSpec{ClusterRuleInfo: info, Vm: vms})
			return nil
		case "apart":
			config.Rule = append(config.Rule, &types.ClusterAntiAffinityRuleSpec{ClusterRuleInfo: info, Vm: vms})
			return nil
		}
		hosts := []types.ManagedObjectReference{}
		for _, name := range asked.Hosts {
			host, err := hostNamed(name)
			if err != nil {
				return err
			}
			hosts = append(hosts, host.Self)
		}
		own, theirs := asked.Name+" VMs", asked.Name+" hosts"
		config.Group = append(config.Group,
			&types.ClusterVmGroup{ClusterGroupInfo: types.ClusterGroupInfo{Name: own}, Vm: vms},
			&types.ClusterHostGroup{ClusterGroupInfo: types.ClusterGroupInfo{Name: theirs}, Host: hosts})
		rule := &types.ClusterVmHostRuleInfo{ClusterRuleInfo: info, VmGroupName: own}
		if asked.Kind == "on" {
			rule.AffineHostGroupName = theirs
		} else {
			rule.AntiAffineHostGroupName = theirs
		}
		config.Rule = append(config.Rule, rule)
		return nil
	})
}

// SetDRS says who moves a cluster's machines, or one of them: a behaviour, "off", or for a machine "" as all.
func SetDRS(cluster, vm, behavior string) error {
	return changeCluster(cluster, func(config *types.ClusterConfigInfoEx) error {
		enabled := types.NewBool(behavior != "off")
		mode := types.DrsBehavior(behavior)
		if behavior == "off" {
			mode = types.DrsBehaviorManual
		}
		if vm == "" {
			config.DrsConfig.Enabled, config.DrsConfig.DefaultVmBehavior = enabled, mode
			return nil
		}
		kept := []types.ClusterDrsVmConfigInfo{}
		for _, one := range config.DrsVmConfig {
			if one.Key.Value != vm {
				kept = append(kept, one)
			}
		}
		if behavior != "" {
			key := types.ManagedObjectReference{Type: "VirtualMachine", Value: vm}
			kept = append(kept, types.ClusterDrsVmConfigInfo{Key: key, Enabled: enabled, Behavior: mode})
		}
		config.DrsVmConfig = kept
		return nil
	})
}

// changeCluster lets a copy be changed, because readers hold the one that is there.
func changeCluster(name string, change func(*types.ClusterConfigInfoEx) error) error {
	for _, entity := range Map.All("ClusterComputeResource") {
		cluster := entity.(*ClusterComputeResource)
		if cluster.Name != name {
			continue
		}
		var err error
		Map.WithLock(cluster, func() {
			config := *cluster.ConfigurationEx.(*types.ClusterConfigInfoEx)
			if err = change(&config); err == nil {
				Map.Update(cluster, []types.PropertyChange{{Name: "configurationEx", Val: &config}})
			}
		})
		return err
	}
	return fmt.Errorf("no cluster %s", name)
}

func without(rules []types.BaseClusterRuleInfo, name string) []types.BaseClusterRuleInfo {
	kept := []types.BaseClusterRuleInfo{}
	for _, rule := range rules {
		if rule.GetClusterRuleInfo().Name != name {
			kept = append(kept, rule)
		}
	}
	return kept
}

func references(kind string, ids []string) []types.ManagedObjectReference {
	found := []types.ManagedObjectReference{}
	for _, id := range ids {
		found = append(found, types.ManagedObjectReference{Type: kind, Value: id})
	}
	return found
}

func hostNamed(name string) (*HostSystem, error) {
	for _, entity := range Map.All("HostSystem") {
		if host := entity.(*HostSystem); host.Name == name {
			return host, nil
		}
	}
	return nil, fmt.Errorf("no host %s", name)
}

func storeNamed(name string) (*Datastore, error) {
	for _, entity := range Map.All("Datastore") {
		if store := entity.(*Datastore); store.Name == name {
			return store, nil
		}
	}
	return nil, fmt.Errorf("no datastore %s", name)
}

// ---- what holds a machine back ---------------------------------------------------------------------------

// isBound says whether a machine cannot leave its host whatever others there are.
func (h *HostSystem) isBound(ctx *Context, vm *VirtualMachine) bool {
	for _, device := range vm.Config.Hardware.Device {
		base := device.GetVirtualDevice()
		if base.Connectable != nil && !base.Connectable.Connected {
			continue
		}
		switch backing := base.Backing.(type) {
		case *types.VirtualPCIPassthroughDeviceBackingInfo, *types.VirtualUSBUSBBackingInfo, *types.VirtualCdromAtapiBackingInfo:
			return true
		case *types.VirtualCdromIsoBackingInfo:
			if backing.Datastore != nil && h.isLocal(ctx, *backing.Datastore) {
				return true
			}
		}
	}
	for _, store := range vm.Datastore {
		if h.isLocal(ctx, store) {
			return true
		}
	}
	return vm.Runtime.Question != nil || !h.moves(ctx, vm)
}

// isLocal asks the hosts: the shipped datastores name only one of those that reach them.
func (h *HostSystem) isLocal(ctx *Context, ref types.ManagedObjectReference) bool {
	for _, entity := range ctx.Map.All("HostSystem") {
		if other := entity.(*HostSystem); other.Self != h.Self && contains(other.Datastore, ref) {
			return false
		}
	}
	return true
}

func (h *HostSystem) clusterConfig(ctx *Context) *types.ClusterConfigInfoEx {
	cluster, ok := ctx.Map.Get(*h.Parent).(*ClusterComputeResource)
	if !ok {
		return nil
	}
	config, _ := cluster.ConfigurationEx.(*types.ClusterConfigInfoEx)
	return config
}

// moves says whether DRS moves this machine by itself.
func (h *HostSystem) moves(ctx *Context, vm *VirtualMachine) bool {
	config := h.clusterConfig(ctx)
	if config == nil {
		return true
	}
	enabled, behavior := config.DrsConfig.Enabled, config.DrsConfig.DefaultVmBehavior
	for _, one := range config.DrsVmConfig {
		if one.Key == vm.Self && (enabled == nil || *enabled) {
			enabled, behavior = one.Enabled, one.Behavior
		}
	}
	return (enabled == nil || *enabled) && (behavior == "" || behavior == types.DrsBehaviorFullyAutomated)
}

// admits says whether the rules let a machine run on a host.
func (h *HostSystem) admits(ctx *Context, vm *VirtualMachine) bool {
	config := h.clusterConfig(ctx)
	if config == nil {
		return true
	}
	for _, rule := range config.Rule {
		switch rule := rule.(type) {
		case *types.ClusterAntiAffinityRuleSpec:
			if contains(rule.Vm, vm.Self) && h.runsAnotherOf(ctx, rule.Vm, vm.Self) {
				return false
			}
		case *types.ClusterVmHostRuleInfo:
			if !*rule.Mandatory || !contains(groupOf(config, rule.VmGroupName), vm.Self) {
				continue
			}
			if rule.AffineHostGroupName != "" && !contains(groupOf(config, rule.AffineHostGroupName), h.Self) {
				return false
			}
			if contains(groupOf(config, rule.AntiAffineHostGroupName), h.Self) {
				return false
			}
		}
	}
	return true
}

func (h *HostSystem) runsAnotherOf(ctx *Context, vms []types.ManagedObjectReference, but types.ManagedObjectReference) bool {
	for _, ref := range vms {
		vm, ok := ctx.Map.Get(ref).(*VirtualMachine)
		on := ok && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
		if on && ref != but && *vm.Runtime.Host == h.Self {
			return true
		}
	}
	return false
}

func groupOf(config *types.ClusterConfigInfoEx, name string) []types.ManagedObjectReference {
	for _, group := range config.Group {
		if group.GetClusterGroupInfo().Name != name {
			continue
		}
		switch group := group.(type) {
		case *types.ClusterVmGroup:
			return group.Vm
		case *types.ClusterHostGroup:
			return group.Host
		}
	}
	return nil
}

func contains(refs []types.ManagedObjectReference, wanted types.ManagedObjectReference) bool {
	for _, ref := range refs {
		if ref == wanted {
			return true
		}
	}
	return false
}
