package simulator

// Hosts: maintenance mode with the evacuation that goes before it.

import (
	"sort"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// EnterMaintenanceModeTask replaces the shipped one, which leaves running machines on the host. Where no other
// host of the cluster can take them it ends as vCenter does when its time is over.
func (h *HostSystem) EnterMaintenanceModeTask(ctx *Context, r *types.EnterMaintenanceMode_Task) soap.HasFault {
	task := CreateTask(h, "enterMaintenanceMode", func(*Task) (types.AnyType, types.BaseMethodFault) {
		if h.Runtime.InMaintenanceMode {
			return nil, &types.InvalidState{}
		}
		for _, ref := range append([]types.ManagedObjectReference(nil), h.Vm...) {
			vm := ctx.Map.Get(ref).(*VirtualMachine)
			on := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
			if !on && (r.EvacuatePoweredOffVms == nil || !*r.EvacuatePoweredOffVms) {
				continue
			}
			target := h.neighbour(ctx, vm)
			if target == nil || on && h.isBound(ctx, vm) {
				return nil, &types.Timedout{}
			}
			h.release(ctx, vm, target)
		}
		h.setMaintenance(ctx, true)
		return nil, nil
	})
	return &methods.EnterMaintenanceMode_TaskBody{
		Res: &types.EnterMaintenanceMode_TaskResponse{Returnval: task.Run()},
	}
}

// ExitMaintenanceModeTask replaces the shipped one, whose change no waiting client sees.
func (h *HostSystem) ExitMaintenanceModeTask(ctx *Context, r *types.ExitMaintenanceMode_Task) soap.HasFault {
	task := CreateTask(h, "exitMaintenanceMode", func(*Task) (types.AnyType, types.BaseMethodFault) {
		if !h.Runtime.InMaintenanceMode {
			return nil, &types.InvalidState{}
		}
		h.setMaintenance(ctx, false)
		return nil, nil
	})
	return &methods.ExitMaintenanceMode_TaskBody{
		Res: &types.ExitMaintenanceMode_TaskResponse{Returnval: task.Run()},
	}
}

// release moves a machine away. The host's lock is held during its own call, and a move takes it again: let go
// of it meanwhile, or the server stands still for ever.
func (h *HostSystem) release(ctx *Context, vm *VirtualMachine, target *HostSystem) {
	own := ctx.Map.locker(h)
	own.Unlock()
	defer own.Lock()
	ctx.Map.WithLock(vm, func() { vm.moveTo(ctx, &target.Self) })
}

func (h *HostSystem) setMaintenance(ctx *Context, on bool) {
	ctx.Map.Update(h, []types.PropertyChange{
		{Name: "runtime.inMaintenanceMode", Val: on}, {Name: "summary.runtime.inMaintenanceMode", Val: on},
	})
}

// neighbour is the first other host of the cluster that can take a machine, or nil.
func (h *HostSystem) neighbour(ctx *Context, vm *VirtualMachine) *HostSystem {
	if h.Parent == nil || h.Parent.Type != "ClusterComputeResource" {
		return nil
	}
	refs := append([]types.ManagedObjectReference(nil), hostParent(&h.HostSystem).Host...)
	sort.Slice(refs, func(i, j int) bool { return refs[i].Value < refs[j].Value })
	for _, ref := range refs {
		other, ok := ctx.Map.Get(ref).(*HostSystem)
		connected := types.HostSystemConnectionStateConnected
		if !ok || ref == h.Self || other.Runtime.InMaintenanceMode || other.Runtime.ConnectionState != connected {
			continue
		}
		if other.admits(ctx, vm) {
			return other
		}
	}
	return nil
}
