package simulator

// Snapshots: consolidation, the power after a revert, and ages, sizes and free space set from outside.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshotState is the power that a revert to the snapshot brings back: without memory the machine is off.
func snapshotState(vm *VirtualMachine, req *types.CreateSnapshot_Task) types.VirtualMachinePowerState {
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn && !req.Memory {
		return types.VirtualMachinePowerStatePoweredOff
	}
	return vm.Runtime.PowerState
}

// RevertToSnapshotTask replaces the shipped one, which leaves the power as it is.
func (v *VirtualMachineSnapshot) RevertToSnapshotTask(
	ctx *Context, req *types.RevertToSnapshot_Task,
) soap.HasFault {
	task := CreateTask(v, "revertToSnapshot", func(*Task) (types.AnyType, types.BaseMethodFault) {
		vm := ctx.Map.Get(v.Vm).(*VirtualMachine)
		ctx.Map.WithLock(vm, func() {
			state := findSnapshotInTree(vm.Snapshot.RootSnapshotList, v.Self).State
			ctx.Map.Update(vm, []types.PropertyChange{
				{Name: "snapshot.currentSnapshot", Val: v.Self},
				{Name: "runtime.powerState", Val: state}, {Name: "summary.runtime.powerState", Val: state},
			})
		})
		return nil, nil
	})
	return &methods.RevertToSnapshot_TaskBody{
		Res: &types.RevertToSnapshot_TaskResponse{Returnval: task.Run()},
	}
}

func (vm *VirtualMachine) ConsolidateVMDisksTask(ctx *Context, r *types.ConsolidateVMDisks_Task) soap.HasFault {
	task := CreateTask(vm, "consolidateDisks", func(*Task) (types.AnyType, types.BaseMethodFault) {
		ctx.Map.Update(vm, []types.PropertyChange{
			{Name: "runtime.consolidationNeeded", Val: false},
			{Name: "summary.runtime.consolidationNeeded", Val: false},
		})
		return nil, nil
	})
	return &methods.ConsolidateVMDisks_TaskBody{
		Res: &types.ConsolidateVMDisks_TaskResponse{Returnval: task.Run()},
	}
}

// SetConsolidation lets a machine's disks need consolidation, or no longer.
func SetConsolidation(ref types.ManagedObjectReference, needed bool) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	Map.WithLock(vm, func() {
		Map.Update(vm, []types.PropertyChange{{Name: "runtime.consolidationNeeded", Val: needed}})
	})
	return nil
}

// SetSnapshot makes a snapshot look older, as large and as named as given; what is nil stays.
func SetSnapshot(
	ref types.ManagedObjectReference, snapshot string, age *time.Duration, size *int64, name *string,
) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	var err error
	Map.WithLock(vm, func() {
		self := types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: snapshot}
		if vm.Snapshot == nil || findSnapshotInTree(vm.Snapshot.RootSnapshotList, self) == nil {
			err = fmt.Errorf("no snapshot %s", snapshot)
			return
		}
		if age != nil {
			findSnapshotInTree(vm.Snapshot.RootSnapshotList, self).CreateTime = time.Now().Add(-*age)
		}
		if name != nil {
			findSnapshotInTree(vm.Snapshot.RootSnapshotList, self).Name = *name
		}
		if size != nil {
			vm.setSnapshotSize(self, *size)
		}
		Map.Update(vm, []types.PropertyChange{
			{Name: "snapshot.rootSnapshotList", Val: vm.Snapshot.RootSnapshotList},
		})
	})
	return err
}

// setSnapshotSize gives a snapshot's data file this size; its lock is the machine's.
func (vm *VirtualMachine) setSnapshotSize(snapshot types.ManagedObjectReference, size int64) {
	for _, layout := range vm.LayoutEx.Snapshot {
		if layout.Key != snapshot {
			continue
		}
		for i := range vm.LayoutEx.File {
			if vm.LayoutEx.File[i].Key == layout.DataKey {
				vm.LayoutEx.File[i].Size = size
			}
		}
	}
}

// SetSpace gives a datastore this much room; bytes.
func SetSpace(name string, free, capacity int64) error {
	for _, entity := range Map.All("Datastore") {
		store := entity.(*Datastore)
		if store.Name != name {
			continue
		}
		Map.WithLock(store, func() {
			Map.Update(store, []types.PropertyChange{
				{Name: "summary.freeSpace", Val: free}, {Name: "summary.capacity", Val: capacity},
			})
		})
		return nil
	}
	return fmt.Errorf("no datastore %s", name)
}
