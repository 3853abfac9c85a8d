package simulator

// Power and the guest: boot time, VMware Tools, addresses, guest shutdown and reboot, and a count of what
// really happened to each machine, so that a test can tell one restart from two.

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	toolsRunning    = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	toolsNotRunning = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	// Never as a guest's time to obey: it ignores what it is asked.
	Never = time.Duration(-1)
)

// guest is how the simulated operating system of one machine behaves; its mutex is guestsMutex.
type guest struct {
	tools    string // "" follows the power state
	address  string // "" is a made-up one, "none" is none
	shutdown time.Duration
	reboot   time.Duration
	power    types.VirtualMachinePowerState
	boot     *time.Time
	effects  map[string]int

	customizing   customizing
	customization string // how it ends: "" is well, "never", or the type of vCenter's event
}

var (
	guestsMutex sync.Mutex
	guests      = map[types.ManagedObjectReference]*guest{}
)

// withGuest runs f with the record of an object; f must not call back into the registry.
func withGuest(ref types.ManagedObjectReference, f func(*guest)) {
	guestsMutex.Lock()
	defer guestsMutex.Unlock()
	g, ok := guests[ref]
	if !ok {
		g = &guest{effects: map[string]int{}, power: types.VirtualMachinePowerStatePoweredOff}
		guests[ref] = g
	}
	f(g)
}

func countEffect(ref types.ManagedObjectReference, name string) {
	withGuest(ref, func(g *guest) { g.effects[name]++ })
}

// Effects are the tasks that ended well on an object, and guestShutdown and guestReboot, by name.
func Effects(ref types.ManagedObjectReference) map[string]int {
	copied := map[string]int{}
	withGuest(ref, func(g *guest) {
		for name, count := range g.effects {
			copied[name] = count
		}
	})
	return copied
}

// realKinds are vCenter's own words for tasks that the shipped simulator, or a slow task, calls otherwise.
var realKinds = map[string]string{
	"cloneVm":            "VirtualMachine.clone",
	"reconfigVm":         "VirtualMachine.reconfigure",
	"reconfig":           "VirtualMachine.reconfigure",
	"relocateVm":         "VirtualMachine.relocate",
	"removeSnapshot":     "vm.Snapshot.remove",
	"revertToSnapshot":   "vm.Snapshot.revert",
	"RemoveAllSnapshots": "VirtualMachine.removeAllSnapshots",
	"consolidateVMDisks": "VirtualMachine.consolidateDisks",
}

// Keeper watches every object and puts right what the shipped simulator leaves out or what pyVmomi refuses.
type Keeper struct{ mo.Folder }

// StartKeeper begins to watch, and brings the machines that exist already up to date.
func StartKeeper() {
	keeper := new(Keeper)
	keeper.Self = types.ManagedObjectReference{Type: "AndockKeeper", Value: "keeper"}
	Map.AddHandler(keeper)
	for _, entity := range Map.All("VirtualMachine") {
		vm := entity.(*VirtualMachine)
		Map.WithLock(vm, func() {
			disconnectDrives(vm)
			followPower(vm.Self, vm.Runtime.PowerState)
		})
	}
}

// PutObject: a task's entity must be a managed entity (pyVmomi raises TypeError for a disk manager or a
// snapshot), and its name is the entity's name.
func (k *Keeper) PutObject(o mo.Reference) {
	task, ok := o.(*Task)
	if !ok {
		return
	}
	kind := task.Info.DescriptionId
	if real, ok := realKinds[kind[strings.LastIndex(kind, ".")+1:]]; ok {
		task.Info.DescriptionId = real
	}
	if task.Info.Entity == nil {
		return
	}
	if snapshot, ok := Map.Get(*task.Info.Entity).(*VirtualMachineSnapshot); ok {
		task.Info.Entity = &snapshot.Vm
	}
	entity, ok := Map.Get(*task.Info.Entity).(mo.Entity)
	if !ok {
		task.Info.Entity = nil
		return
	}
	task.Info.EntityName = entityName(entity)
}

func (k *Keeper) UpdateObject(o mo.Reference, changes []types.PropertyChange) {
	for _, change := range changes {
		switch x := o.(type) {
		case *mo.VirtualMachine:
			if change.Name == "runtime.powerState" {
				followPower(x.Self, x.Runtime.PowerState)
			}
		case *mo.Task:
			if change.Name == "info.state" && x.Info.State == types.TaskInfoStateSuccess &&
				x.Info.Entity != nil && !isSlowTask(x.Self) {
				id := x.Info.DescriptionId
				if name := id[strings.LastIndex(id, ".")+1:]; name != "checkRelocate" {
					countEffect(*x.Info.Entity, name)
				}
			}
		}
	}
}

func (k *Keeper) RemoveObject(ref types.ManagedObjectReference) {
	guestsMutex.Lock()
	defer guestsMutex.Unlock()
	delete(guests, ref)
}

// followPower lets boot time, tools and addresses follow the power state; the machine's lock is held.
// As vCenter has it: the boot time is set on power on, cleared on power off and outlives a suspend.
func followPower(ref types.ManagedObjectReference, state types.VirtualMachinePowerState) {
	withGuest(ref, func(g *guest) {
		switch {
		case state == types.VirtualMachinePowerStatePoweredOff:
			g.boot = nil
		case state == types.VirtualMachinePowerStatePoweredOn && g.power != types.VirtualMachinePowerStateSuspended:
			now := time.Now()
			g.boot = &now
		}
		g.power = state
	})
	if state == types.VirtualMachinePowerStatePoweredOn {
		beginCustomization(ref)
	}
	publishGuest(ref)
}

// publishGuest writes the guest's record into the machine's properties; the machine's lock is held.
func publishGuest(ref types.ManagedObjectReference) {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return
	}
	var boot types.AnyType
	var tools string
	withGuest(ref, func(g *guest) {
		if g.boot != nil {
			boot = *g.boot
		}
		tools = g.tools
	})
	on := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	if !on {
		tools = toolsNotRunning
	} else if tools == "" {
		tools = toolsRunning
	}
	status, heartbeat := types.VirtualMachineToolsStatusToolsNotRunning, types.ManagedEntityStatusGray
	guestState := string(types.VirtualMachineGuestStateNotRunning)
	if tools == toolsRunning {
		status, heartbeat = types.VirtualMachineToolsStatusToolsOk, types.ManagedEntityStatusGreen
		guestState = string(types.VirtualMachineGuestStateRunning)
	}
	changes := []types.PropertyChange{
		{Name: "runtime.bootTime", Val: boot}, {Name: "summary.runtime.bootTime", Val: boot},
		{Name: "guest.toolsRunningStatus", Val: tools}, {Name: "summary.guest.toolsRunningStatus", Val: tools},
		{Name: "guest.toolsStatus", Val: status}, {Name: "summary.guest.toolsStatus", Val: status},
		{Name: "guest.toolsVersionStatus2", Val: string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)},
		{Name: "guest.guestState", Val: guestState},
		{Name: "summary.quickStats.guestHeartbeatStatus", Val: heartbeat},
		{Name: "guestHeartbeatStatus", Val: heartbeat},
	}
	// A machine that runs as a container has that container's address; leave it alone.
	if vm.run.id == "" {
		changes = append(changes, addressChanges(vm, tools == toolsRunning)...)
	}
	Map.Update(vm, changes)
}

// addressChanges gives a machine with running tools a made-up address and a host name, and others none.
func addressChanges(vm *VirtualMachine, known bool) []types.PropertyChange {
	var ip, host string
	if known {
		ip = addressOf(vm)
		host = strings.ToLower(strings.ReplaceAll(vm.Name, "_", "-"))
	}
	nics := []types.GuestNicInfo{}
	for i, nic := range vm.Guest.Net {
		nic.IpAddress = nil
		nic.Connected = known
		if ip != "" && i == 0 {
			nic.IpAddress = []string{ip}
		}
		nics = append(nics, nic)
	}
	return []types.PropertyChange{
		{Name: "guest.ipAddress", Val: ip}, {Name: "summary.guest.ipAddress", Val: ip},
		{Name: "guest.hostName", Val: host}, {Name: "summary.guest.hostName", Val: host},
		{Name: "guest.net", Val: nics},
	}
}

// addressOf is the address that was set for a guest, or a made-up one.
func addressOf(vm *VirtualMachine) string {
	var set string
	withGuest(vm.Self, func(g *guest) { set = g.address })
	switch set {
	case "":
		number, _ := strconv.Atoi(vm.Self.Value[strings.LastIndex(vm.Self.Value, "-")+1:])
		return fmt.Sprintf("10.77.%d.%d", number/250%250, number%250+1)
	case "none":
		return ""
	}
	return set
}

// RefreshUptimes recomputes quickStats.uptimeSeconds, as vCenter does now and then.
func RefreshUptimes() {
	for _, entity := range Map.All("VirtualMachine") {
		vm := entity.(*VirtualMachine)
		Map.WithLock(vm, func() {
			vm.Summary.QuickStats.UptimeSeconds = 0
			if vm.Runtime.BootTime != nil {
				vm.Summary.QuickStats.UptimeSeconds = int32(time.Since(*vm.Runtime.BootTime).Seconds())
			}
		})
	}
}

// Behavior is what can be set of a guest; nil leaves a part as it is.
type Behavior struct {
	Tools, Address, Customization *string
	Shutdown, Reboot              *time.Duration
}

// SetGuest changes how a machine's guest behaves; machines cloned from a template behave as it.
func SetGuest(ref types.ManagedObjectReference, asked Behavior) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	Map.WithLock(vm, func() {
		withGuest(ref, func(g *guest) {
			if asked.Tools != nil {
				g.tools = *asked.Tools
			}
			if asked.Address != nil {
				g.address = *asked.Address
			}
			if asked.Customization != nil {
				g.customization = *asked.Customization
			}
			if asked.Shutdown != nil {
				g.shutdown = *asked.Shutdown
			}
			if asked.Reboot != nil {
				g.reboot = *asked.Reboot
			}
		})
		endCustomization(ref)
		publishGuest(ref)
	})
	return nil
}

// Run replaces the shipped one, which lets a machine that is off be suspended.
func (c *powerVMTask) Run(task *Task) (types.AnyType, types.BaseMethodFault) {
	if c.state == types.VirtualMachinePowerStateSuspended {
		if fault := c.VirtualMachine.mustBeOn(); fault != nil {
			return nil, fault
		}
	}
	return c.shippedRun(task)
}

func (vm *VirtualMachine) mustBeOn() types.BaseMethodFault {
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		return nil
	}
	return &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState,
	}
}

// mustObey is what vCenter checks before it asks a guest for anything.
func (vm *VirtualMachine) mustObey() types.BaseMethodFault {
	if fault := vm.mustBeOn(); fault != nil {
		return fault
	}
	if vm.Guest.ToolsRunningStatus != toolsRunning {
		return &types.ToolsUnavailable{}
	}
	return nil
}

// boots starts the machine's guest anew; the machine's lock is held.
func (vm *VirtualMachine) boots() {
	vm.run.stop(vm)
	vm.run.start(vm)
	withGuest(vm.Self, func(g *guest) {
		now := time.Now()
		g.boot = &now
	})
	publishGuest(vm.Self)
}

// obeys lets the guest act now, later or never; later only if it has not been booted or stopped meanwhile.
func (vm *VirtualMachine) obeys(after time.Duration, act func()) {
	if after == Never {
		return
	}
	if after == 0 {
		act()
		return
	}
	boot := *vm.Runtime.BootTime
	go func() {
		time.Sleep(after)
		Map.WithLock(vm, func() {
			if vm.mustBeOn() == nil && vm.Runtime.BootTime != nil && vm.Runtime.BootTime.Equal(boot) {
				act()
			}
		})
	}()
}

// ResetVMTask replaces the shipped one, which runs two more tasks and is seen powered off in between.
func (vm *VirtualMachine) ResetVMTask(ctx *Context, r *types.ResetVM_Task) soap.HasFault {
	task := CreateTask(vm, "reset", func(*Task) (types.AnyType, types.BaseMethodFault) {
		if fault := vm.mustBeOn(); fault != nil {
			return nil, fault
		}
		ctx.postEvent(&types.VmResettingEvent{VmEvent: vm.event()})
		vm.boots()
		return nil, nil
	})
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: task.Run()}}
}

func (vm *VirtualMachine) RebootGuest(ctx *Context, r *types.RebootGuest) soap.HasFault {
	body := &methods.RebootGuestBody{}
	if fault := vm.mustObey(); fault != nil {
		body.Fault_ = Fault("", fault)
		return body
	}
	var after time.Duration
	withGuest(vm.Self, func(g *guest) { after = g.reboot })
	ctx.postEvent(&types.VmGuestRebootEvent{VmEvent: vm.event()})
	vm.obeys(after, func() {
		countEffect(vm.Self, "guestReboot")
		vm.boots()
	})
	body.Res = new(types.RebootGuestResponse)
	return body
}

// ShutdownGuest replaces the shipped one, which asks no tools and leaves no time.
func (vm *VirtualMachine) ShutdownGuest(ctx *Context, r *types.ShutdownGuest) soap.HasFault {
	body := &methods.ShutdownGuestBody{}
	if fault := vm.mustObey(); fault != nil {
		body.Fault_ = Fault("", fault)
		return body
	}
	var after time.Duration
	withGuest(vm.Self, func(g *guest) { after = g.shutdown })
	ctx.postEvent(&types.VmGuestShutdownEvent{VmEvent: vm.event()})
	events := ctx.detached()
	vm.obeys(after, func() {
		countEffect(vm.Self, "guestShutdown")
		vm.run.stop(vm)
		Map.Update(vm, []types.PropertyChange{
			{Name: "runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
			{Name: "summary.runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
		})
		events.postEvent(&types.VmPoweredOffEvent{VmEvent: vm.event()})
	})
	body.Res = new(types.ShutdownGuestResponse)
	return body
}

func (vm *VirtualMachine) StandbyGuest(ctx *Context, r *types.StandbyGuest) soap.HasFault {
	body := &methods.StandbyGuestBody{}
	if fault := vm.mustObey(); fault != nil {
		body.Fault_ = Fault("", fault)
		return body
	}
	_ = vm.SuspendVMTask(ctx, &types.SuspendVM_Task{This: vm.Self})
	body.Res = new(types.StandbyGuestResponse)
	return body
}

// detached is the context for what happens after the call has been answered.
func (c *Context) detached() *Context {
	copied := *c
	copied.req, copied.res = nil, nil
	return &copied
}
