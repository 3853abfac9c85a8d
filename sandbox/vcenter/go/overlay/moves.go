package simulator

// Moves of machines between hosts and datastores, checked before they are made, and questions that they ask.

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	kinds["VirtualMachineProvisioningChecker"] = reflect.TypeOf((*VirtualMachineProvisioningChecker)(nil)).Elem()
}

// VirtualMachineProvisioningChecker says beforehand whether a machine can be moved.
type VirtualMachineProvisioningChecker struct {
	mo.VirtualMachineProvisioningChecker
}

func (c *VirtualMachineProvisioningChecker) CheckRelocateTask(
	ctx *Context, r *types.CheckRelocate_Task,
) soap.HasFault {
	body := &methods.CheckRelocate_TaskBody{}
	vm, ok := ctx.Map.Get(r.Vm).(*VirtualMachine)
	if !ok {
		body.Fault_ = Fault("", &types.ManagedObjectNotFound{Obj: r.Vm})
		return body
	}
	task := CreateTask(vm, "checkRelocate", func(*Task) (types.AnyType, types.BaseMethodFault) {
		result := types.CheckResult{Vm: &r.Vm, Host: r.Spec.Host}
		if fault := obstacle(ctx, vm, &r.Spec); fault != nil {
			result.Error = append(result.Error, localized(fault))
		}
		if r.Spec.Datastore != nil && vm.Snapshot != nil {
			result.Warning = append(result.Warning, types.LocalizedMethodFault{
				Fault: &types.SnapshotMoveToNonHomeNotSupported{}, LocalizedMessage: "The machine has snapshots.",
			})
		}
		return types.ArrayOfCheckResult{CheckResult: []types.CheckResult{result}}, nil
	})
	body.Res = &types.CheckRelocate_TaskResponse{Returnval: task.Run()}
	return body
}

// obstacle is what stands in the way of a move, or nil.
func obstacle(ctx *Context, vm *VirtualMachine, spec *types.VirtualMachineRelocateSpec) types.BaseMethodFault {
	if spec.Host != nil {
		host, ok := ctx.Map.Get(*spec.Host).(*HostSystem)
		if !ok {
			return &types.ManagedObjectNotFound{Obj: *spec.Host}
		}
		if host.Runtime.InMaintenanceMode {
			return &types.InvalidHostState{Host: spec.Host}
		}
		if host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected {
			return &types.HostNotConnected{}
		}
	}
	if spec.Datastore != nil {
		store, ok := ctx.Map.Get(*spec.Datastore).(*Datastore)
		if !ok {
			return &types.ManagedObjectNotFound{Obj: *spec.Datastore}
		}
		if vm.Summary.Storage != nil && vm.Summary.Storage.Committed > store.Summary.FreeSpace {
			return &types.NoDiskSpace{Datastore: store.Name}
		}
	}
	return nil
}

func localized(fault types.BaseMethodFault) types.LocalizedMethodFault {
	return types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)[len("*types."):]}
}

// RelocateVMTask replaces the shipped one, which checks nothing and forgets the other ends of its references.
func (vm *VirtualMachine) RelocateVMTask(ctx *Context, req *types.RelocateVM_Task) soap.HasFault {
	task := CreateTask(vm, "relocate", func(*Task) (types.AnyType, types.BaseMethodFault) {
		if fault := obstacle(ctx, vm, &req.Spec); fault != nil {
			return nil, fault
		}
		changes := []types.PropertyChange{}
		if ref := req.Spec.Datastore; ref != nil {
			for _, old := range vm.Datastore {
				store := ctx.Map.Get(old).(*Datastore)
				ctx.Map.RemoveReference(store, &store.Vm, vm.Self)
			}
			store := ctx.Map.Get(*ref).(*Datastore)
			ctx.Map.AddReference(store, &store.Vm, vm.Self)
			changes = append(changes, types.PropertyChange{Name: "datastore", Val: []types.ManagedObjectReference{*ref}})
		}
		if ref := req.Spec.Pool; ref != nil {
			changes = append(changes, types.PropertyChange{Name: "resourcePool", Val: ref})
		}
		ctx.Map.Update(vm, changes)
		if ref := req.Spec.Host; ref != nil && *ref != *vm.Runtime.Host {
			vm.moveTo(ctx, ref)
		}
		return nil, nil
	})
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: task.Run()}}
}

// moveTo puts the machine onto another host and says so in the events.
func (vm *VirtualMachine) moveTo(ctx *Context, ref *types.ManagedObjectReference) {
	source, target := ctx.Map.Get(*vm.Runtime.Host).(*HostSystem), ctx.Map.Get(*ref).(*HostSystem)
	ctx.Map.RemoveReference(source, &source.Vm, vm.Self)
	ctx.Map.AddReference(target, &target.Vm, vm.Self)
	ctx.Map.Update(vm, []types.PropertyChange{
		{Name: "runtime.host", Val: ref}, {Name: "summary.runtime.host", Val: ref},
	})
	ctx.postMigrated(vm, source)
}

// SetMaintenance puts a host into maintenance mode, or takes it out, whatever runs on it.
func SetMaintenance(name string, on bool) error {
	for _, entity := range Map.All("HostSystem") {
		host := entity.(*HostSystem)
		if host.Name != name {
			continue
		}
		Map.WithLock(host, func() {
			Map.Update(host, []types.PropertyChange{
				{Name: "runtime.inMaintenanceMode", Val: on}, {Name: "summary.runtime.inMaintenanceMode", Val: on},
			})
		})
		return nil
	}
	return fmt.Errorf("no host %s", name)
}

// ---- questions --------------------------------------------------------------------------------------------

// Question is what a machine wants to know before it goes on.
type Question struct {
	ID      string   `json:"id"`
	Text    string   `json:"text"`
	Choices []string `json:"choices"` // their keys are 0, 1, 2, ...
	Default int32    `json:"default"`
}

// SetQuestion lets a machine wait for an answer; without choices it no longer does.
func SetQuestion(ref types.ManagedObjectReference, asked Question) error {
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok {
		return fmt.Errorf("no virtual machine %s", ref.Value)
	}
	var question types.AnyType
	if len(asked.Choices) > 0 {
		info := &types.VirtualMachineQuestionInfo{Id: asked.ID, Text: asked.Text}
		for i, label := range asked.Choices {
			info.Choice.ChoiceInfo = append(info.Choice.ChoiceInfo, &types.ElementDescription{
				Key: fmt.Sprint(i), Description: types.Description{Label: label, Summary: label},
			})
		}
		info.Choice.DefaultIndex = asked.Default
		question = info
	}
	Map.WithLock(vm, func() {
		Map.Update(vm, []types.PropertyChange{
			{Name: "runtime.question", Val: question}, {Name: "summary.runtime.question", Val: question},
		})
	})
	return nil
}

// AnswerVM answers the question that is asked now; an older one is none any more.
func (vm *VirtualMachine) AnswerVM(ctx *Context, r *types.AnswerVM) soap.HasFault {
	body := &methods.AnswerVMBody{}
	question := vm.Runtime.Question
	if question == nil || question.Id != r.QuestionId {
		body.Fault_ = Fault("", &types.InvalidArgument{InvalidProperty: "questionId"})
		return body
	}
	for _, choice := range question.Choice.ChoiceInfo {
		if choice.GetElementDescription().Key == r.AnswerChoice {
			var none types.AnyType
			ctx.Map.Update(vm, []types.PropertyChange{
				{Name: "runtime.question", Val: none}, {Name: "summary.runtime.question", Val: none},
			})
			countEffect(vm.Self, "answer:"+r.AnswerChoice)
			body.Res = new(types.AnswerVMResponse)
			return body
		}
	}
	body.Fault_ = Fault("", &types.InvalidArgument{InvalidProperty: "answerChoice"})
	return body
}
