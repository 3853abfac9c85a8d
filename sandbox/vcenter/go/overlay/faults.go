package simulator

// Faults by name, filled in so that pyVmomi can read them.

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	faultType     = types.TypeFunc()
	referenceType = reflect.TypeOf(types.ManagedObjectReference{})
)

// newFault makes a fault of a vim25 type; subject is the object that the call was made on.
func newFault(name string, subject types.ManagedObjectReference) (types.BaseMethodFault, error) {
	kind, ok := faultType(name)
	if !ok {
		return nil, fmt.Errorf("no fault type %s", name)
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%s is no fault", name)
	}
	fillReferences(reflect.ValueOf(fault).Elem(), subject)
	if state, ok := fault.(*types.InvalidPowerState); ok {
		// pyVmomi cannot read an empty state
		state.RequestedState = types.VirtualMachinePowerStatePoweredOn
		state.ExistingState = types.VirtualMachinePowerStateSuspended
	}
	return fault, nil
}

// fillReferences leaves no managed object reference empty: pyVmomi raises KeyError for an empty type, and
// TypeError where a Task is expected and something else comes.
func fillReferences(v reflect.Value, subject types.ManagedObjectReference) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := 0; i < v.NumField(); i++ {
		if v.Field(i).Type() == referenceType {
			v.Field(i).Set(reflect.ValueOf(referenceFor(v.Type().Field(i).Name, subject)))
		} else {
			fillReferences(v.Field(i), subject)
		}
	}
}

func referenceFor(field string, subject types.ManagedObjectReference) types.ManagedObjectReference {
	switch field {
	case "Task":
		tasks, ok := Map.Get(*Map.content().TaskManager).(*TaskManager)
		if ok {
			var last types.ManagedObjectReference
			Map.WithLock(tasks, func() {
				if n := len(tasks.RecentTask); n > 0 {
					last = tasks.RecentTask[n-1]
				}
			})
			if last.Value != "" {
				return last
			}
		}
		return types.ManagedObjectReference{Type: "Task", Value: "task-0"}
	case "Vm":
		return anyOf("VirtualMachine", subject)
	case "Host":
		return anyOf("HostSystem", subject)
	case "Datastore":
		return anyOf("Datastore", subject)
	}
	return subject
}

func anyOf(kind string, subject types.ManagedObjectReference) types.ManagedObjectReference {
	if subject.Type == kind {
		return subject
	}
	if entity, ok := Map.Any(kind).(mo.Entity); ok && entity != nil {
		return entity.Reference()
	}
	return subject
}
