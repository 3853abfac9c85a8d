package simulator

// Machines: migration, console, clones that honour their specification, and machines made from outside.

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Identity goes into every UUID; it is set before the inventory is made.
var Identity string

// InstanceUUID is the UUID of this vCenter.
func InstanceUUID() string { return newUUID("vcenter") }

func (vm *VirtualMachine) AcquireTicket(r *types.AcquireTicket) soap.HasFault {
	return &methods.AcquireTicketBody{Res: &types.AcquireTicketResponse{Returnval: types.VirtualMachineTicket{
		Ticket: "cst-VCT-" + vm.uid.String(), Host: "127.0.0.1", Port: 902, CfgFile: vm.Config.Files.VmPathName,
	}}}
}

func (vm *VirtualMachine) CreateScreenshotTask(ctx *Context, r *types.CreateScreenshot_Task) soap.HasFault {
	task := CreateTask(vm, "createScreenshot", func(*Task) (types.AnyType, types.BaseMethodFault) {
		return fmt.Sprintf("[LocalDS_0] %s/%s.png", vm.Name, vm.Name), nil
	})
	return &methods.CreateScreenshot_TaskBody{Res: &types.CreateScreenshot_TaskResponse{Returnval: task.Run()}}
}

func (vm *VirtualMachine) MigrateVMTask(ctx *Context, r *types.MigrateVM_Task) soap.HasFault {
	task := CreateTask(vm, "migrate", func(*Task) (types.AnyType, types.BaseMethodFault) {
		if r.Host == nil {
			return nil, &types.InvalidArgument{InvalidProperty: "host"}
		}
		target, ok := ctx.Map.Get(*r.Host).(*HostSystem)
		if !ok {
			return nil, &types.ManagedObjectNotFound{Obj: *r.Host}
		}
		if target.Runtime.InMaintenanceMode {
			return nil, &types.HostNotConnected{}
		}
		if *r.Host != *vm.Runtime.Host {
			vm.moveTo(ctx, r.Host)
		}
		return nil, nil
	})
	return &methods.MigrateVM_TaskBody{Res: &types.MigrateVM_TaskResponse{Returnval: task.Run()}}
}

// postMigrated puts its own message template first: the shipped one does not parse, which stops the server.
func (c *Context) postMigrated(vm *VirtualMachine, source *HostSystem) {
	events := c.Map.EventManager()
	c.WithLock(events, func() {
		if _, ok := events.templates["VmMigratedEvent"]; !ok {
			events.templates["VmMigratedEvent"] = template.Must(template.New("VmMigratedEvent").Parse(
				"Migration of virtual machine {{.Vm.Name}} from {{.SourceHost.Name}} to {{.Host.Name}} completed"))
		}
	})
	c.postEvent(&types.VmMigratedEvent{VmEvent: vm.event(), SourceHost: *source.eventArgument()})
}

// ---- parts that the build puts into the shipped CloneVM_Task ---------------------------------------------

// cloneDevice copies a disk, whose backing the shipped code empties in the source as well.
func cloneDevice(device types.BaseVirtualDevice) types.BaseVirtualDevice {
	disk, ok := device.(*types.VirtualDisk)
	if !ok {
		return device
	}
	copied := *disk
	if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
		file := *backing
		copied.Backing = &file
	}
	return &copied
}

// clones counts the clones made, to tell apart the UUIDs of two with one name in two datacenters.
var clones int64

// cloneConfig takes from the specification what the shipped code ignores.
func cloneConfig(config, asked *types.VirtualMachineConfigSpec) {
	number := atomic.AddInt64(&clones, 1)
	config.Uuid = newUUID(fmt.Sprintf("clone %d", number))
	if config.InstanceUuid == "" {
		config.InstanceUuid = newUUID(fmt.Sprintf("instance %d", number))
	}
	if asked == nil {
		return
	}
	if asked.NumCPUs != 0 {
		config.NumCPUs = asked.NumCPUs
	}
	if asked.MemoryMB != 0 {
		config.MemoryMB = asked.MemoryMB
	}
	if asked.Uuid != "" {
		config.Uuid = asked.Uuid
	}
	config.Annotation = asked.Annotation
}

func cloneHost(vm *VirtualMachine, spec *types.VirtualMachineCloneSpec) *types.ManagedObjectReference {
	if spec.Location.Host != nil {
		return spec.Location.Host
	}
	return vm.Runtime.Host
}

func clonePower(ctx *Context, source, clone *VirtualMachine, spec *types.VirtualMachineCloneSpec) {
	cloneGuest(source, clone, spec)
	if spec.Customization != nil {
		countEffect(clone.Self, "customize")
	}
	if spec.PowerOn && !spec.Template {
		ctx.Map.WithLock(clone, func() { clone.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: clone.Self}) })
	}
}

// ---- the view from outside --------------------------------------------------------------------------------

// MachineState is a machine as it really is, read without a session.
type MachineState struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	Folder       string         `json:"folder"` // inventory path of the folder it is in
	Power        string         `json:"power"`
	BootTime     *time.Time     `json:"boot_time"`
	Host         string         `json:"host"`
	Tools        string         `json:"tools"`
	Address      string         `json:"address"`
	BiosUUID     string         `json:"bios_uuid"`
	InstanceUUID string         `json:"instance_uuid"`
	Effects      map[string]int `json:"effects"`
	CPUs         int32          `json:"cpus"`
	MemoryMB     int32          `json:"memory_mb"`
	Notes        string         `json:"notes"`
	Template     bool           `json:"template"`
	Datastores   []string       `json:"datastores"`
	Networks     []string       `json:"networks"`
}

// Machines are those whose name or id is given, or all, by id.
func Machines(wanted string) []MachineState {
	found := []MachineState{}
	for _, entity := range Map.All("VirtualMachine") {
		vm := entity.(*VirtualMachine)
		Map.WithLock(vm, func() {
			if wanted == "" || wanted == vm.Name || wanted == vm.Self.Value {
				found = append(found, stateOf(vm))
			}
		})
	}
	sort.Slice(found, func(i, j int) bool { return found[i].ID < found[j].ID })
	return found
}

func stateOf(vm *VirtualMachine) MachineState {
	state := MachineState{
		ID: vm.Self.Value, Name: vm.Name, Power: string(vm.Runtime.PowerState), BootTime: vm.Runtime.BootTime,
		Tools: vm.Guest.ToolsRunningStatus, Address: vm.Guest.IpAddress,
		BiosUUID: vm.Config.Uuid, InstanceUUID: vm.Config.InstanceUuid, Effects: Effects(vm.Self),
		CPUs: vm.Config.Hardware.NumCPU, MemoryMB: vm.Config.Hardware.MemoryMB,
		Notes: vm.Config.Annotation, Template: vm.Config.Template,
		Datastores: namesOf(vm.Datastore), Networks: namesOf(vm.Network),
	}
	if vm.Runtime.Host != nil {
		if host, ok := Map.Get(*vm.Runtime.Host).(*HostSystem); ok {
			state.Host = host.Name
		}
	}
	names := []string{}
	for parent := vm.Parent; parent != nil; {
		entity, ok := Map.Get(*parent).(mo.Entity)
		if !ok || entity.Entity().Parent == nil {
			break
		}
		names = append([]string{entityName(entity)}, names...)
		parent = entity.Entity().Parent
	}
	state.Folder = "/" + strings.Join(names, "/")
	return state
}

func namesOf(refs []types.ManagedObjectReference) []string {
	names := []string{}
	for _, ref := range refs {
		if entity, ok := Map.Get(ref).(mo.Entity); ok {
			names = append(names, entityName(entity))
		}
	}
	return names
}

// SetHotAdd lets CPUs and memory be added to a machine while it is on, or no longer.
func SetHotAdd(ref types.ManagedObjectReference, on bool) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	Map.WithLock(vm, func() {
		Map.Update(vm, []types.PropertyChange{
			{Name: "config.cpuHotAddEnabled", Val: on}, {Name: "config.memoryHotAddEnabled", Val: on},
		})
	})
	return nil
}

// SetBiosUUID gives a machine another BIOS UUID.
func SetBiosUUID(ref types.ManagedObjectReference, uuid string) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	Map.WithLock(vm, func() {
		Map.Update(vm, []types.PropertyChange{
			{Name: "config.uuid", Val: uuid}, {Name: "summary.config.uuid", Val: uuid},
		})
	})
	return nil
}

// NewMachine is a machine to be made: a clone of the datacenter's first one.
type NewMachine struct {
	Name       string `json:"name"`
	Datacenter string `json:"datacenter"` // "" is the first
	Folder     string `json:"folder"`     // below the datacenter's vm folder, made when missing
	PowerOn    bool   `json:"power_on"`
	BiosUUID   string `json:"bios_uuid"`
	Template   bool   `json:"template"`
}

// CreateMachine makes a machine; its name may be taken in another folder, or even in the same.
func (s *Service) CreateMachine(wanted NewMachine) (MachineState, error) {
	none := MachineState{}
	datacenter, err := findDatacenter(wanted.Datacenter)
	if err != nil {
		return none, err
	}
	source, err := firstMachine(datacenter)
	if err != nil {
		return none, err
	}
	ctx := context.Background()
	folder, err := makeFolders(ctx, s.client, datacenter.VmFolder, wanted.Folder)
	if err != nil {
		return none, err
	}
	answer, err := methods.CloneVM_Task(ctx, s.client, &types.CloneVM_Task{
		This: source.Self, Folder: folder, Name: wanted.Name,
		Spec: types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Pool: source.ResourcePool},
			Config:   &types.VirtualMachineConfigSpec{Uuid: wanted.BiosUUID},
			PowerOn:  wanted.PowerOn,
			Template: wanted.Template,
		},
	})
	if err != nil {
		return none, err
	}
	task := Map.Get(answer.Returnval).(*Task)
	if task.Info.Error != nil {
		return none, fmt.Errorf("clone failed: %T", task.Info.Error.Fault)
	}
	made := task.Info.Result.(types.ManagedObjectReference)
	return Machines(made.Value)[0], nil
}

func findDatacenter(name string) (*Datacenter, error) {
	all := Map.All("Datacenter")
	sort.Slice(all, func(i, j int) bool { return all[i].Entity().Name < all[j].Entity().Name })
	for _, entity := range all {
		if name == "" || entity.Entity().Name == name {
			return entity.(*Datacenter), nil
		}
	}
	return nil, fmt.Errorf("no datacenter %q", name)
}

func firstMachine(datacenter *Datacenter) (*VirtualMachine, error) {
	var first *VirtualMachine
	for _, entity := range Map.All("VirtualMachine") {
		vm := entity.(*VirtualMachine)
		if Map.getEntityDatacenter(vm) == datacenter && (first == nil || vm.Name < first.Name) {
			first = vm
		}
	}
	if first == nil {
		return nil, fmt.Errorf("no machine to clone in %s", datacenter.Name)
	}
	return first, nil
}

func makeFolders(
	ctx context.Context, client *vim25.Client, at types.ManagedObjectReference, path string,
) (types.ManagedObjectReference, error) {
	for _, name := range strings.Split(path, "/") {
		if name == "" {
			continue
		}
		folder, ok := asFolderMO(Map.Get(at))
		if !ok {
			return at, fmt.Errorf("%s is no folder", at.Value)
		}
		if child := Map.FindByName(name, folder.ChildEntity); child != nil {
			at = child.Reference()
			continue
		}
		made, err := methods.CreateFolder(ctx, client, &types.CreateFolder{This: at, Name: name})
		if err != nil {
			return at, err
		}
		at = made.Returnval
	}
	return at, nil
}
