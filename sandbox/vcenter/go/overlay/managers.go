package simulator

// Managers that the shipped simulator leaves out: extensions, user events, tasks made by a client.

import (
	"reflect"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	// loadObject() looks here for every reference in ServiceContent.
	kinds["ExtensionManager"] = reflect.TypeOf((*ExtensionManager)(nil)).Elem()
	kinds["AlarmManager"] = reflect.TypeOf((*AlarmManager)(nil)).Elem()
}

// ExtensionManager keeps what products register of themselves.
type ExtensionManager struct{ mo.ExtensionManager }

func (m *ExtensionManager) position(key string) int {
	for i := range m.ExtensionList {
		if m.ExtensionList[i].Key == key {
			return i
		}
	}
	return -1
}

// set replaces the list by a new one: the old one may be on its way into an answer.
func (m *ExtensionManager) set(ctx *Context, list []types.Extension) {
	ctx.Map.Update(m, []types.PropertyChange{{Name: "extensionList", Val: list}})
}

func (m *ExtensionManager) without(key string) []types.Extension {
	kept := []types.Extension{}
	for _, extension := range m.ExtensionList {
		if extension.Key != key {
			kept = append(kept, extension)
		}
	}
	return kept
}

func (m *ExtensionManager) RegisterExtension(ctx *Context, r *types.RegisterExtension) soap.HasFault {
	body := &methods.RegisterExtensionBody{}
	if m.position(r.Extension.Key) >= 0 {
		body.Fault_ = Fault("", &types.InvalidArgument{InvalidProperty: "extension.key"})
		return body
	}
	r.Extension.LastHeartbeatTime = time.Now()
	m.set(ctx, append(m.without(r.Extension.Key), r.Extension))
	body.Res = new(types.RegisterExtensionResponse)
	return body
}

func (m *ExtensionManager) UpdateExtension(ctx *Context, r *types.UpdateExtension) soap.HasFault {
	body := &methods.UpdateExtensionBody{}
	if m.position(r.Extension.Key) < 0 {
		body.Fault_ = Fault("", &types.NotFound{})
		return body
	}
	m.set(ctx, append(m.without(r.Extension.Key), r.Extension))
	body.Res = new(types.UpdateExtensionResponse)
	return body
}

func (m *ExtensionManager) UnregisterExtension(ctx *Context, r *types.UnregisterExtension) soap.HasFault {
	body := &methods.UnregisterExtensionBody{}
	if m.position(r.ExtensionKey) < 0 {
		body.Fault_ = Fault("", &types.NotFound{})
		return body
	}
	m.set(ctx, m.without(r.ExtensionKey))
	body.Res = new(types.UnregisterExtensionResponse)
	return body
}

func (m *ExtensionManager) FindExtension(ctx *Context, r *types.FindExtension) soap.HasFault {
	body := &methods.FindExtensionBody{Res: new(types.FindExtensionResponse)}
	if i := m.position(r.ExtensionKey); i >= 0 {
		found := m.ExtensionList[i]
		body.Res.Returnval = &found
	}
	return body
}

// LogUserEvent writes a free text into the events of an entity.
func (m *EventManager) LogUserEvent(ctx *Context, r *types.LogUserEvent) soap.HasFault {
	body := &methods.LogUserEventBody{}
	event := &types.GeneralUserEvent{Entity: &types.ManagedEntityEventArgument{Entity: r.Entity}}
	event.Message = r.Msg
	object := ctx.Map.Get(r.Entity)
	if object == nil {
		body.Fault_ = Fault("", &types.ManagedObjectNotFound{Obj: r.Entity})
		return body
	}
	if entity, ok := object.(mo.Entity); ok {
		event.Entity.Name = entityName(entity)
	}
	switch x := object.(type) {
	case *VirtualMachine:
		argument := x.event()
		event.Vm, event.Host = argument.Vm, argument.Host
	case *HostSystem:
		event.Host = x.eventArgument()
	}
	m.PostEvent(ctx, &types.PostEvent{EventToPost: event})
	event.FullFormattedMessage = "User logged event: " + r.Msg
	body.Res = new(types.LogUserEventResponse)
	return body
}

// CreateTask makes a task that its client moves on itself.
func (m *TaskManager) CreateTask(ctx *Context, r *types.CreateTask) soap.HasFault {
	task := &Task{}
	task.Self = ctx.Map.newReference(task)
	task.Info = types.TaskInfo{
		Key: task.Self.Value, Task: task.Self, DescriptionId: r.TaskTypeId, Entity: &r.Obj,
		State: types.TaskInfoStateQueued, Cancelable: r.Cancelable, QueueTime: time.Now(),
		ActivationId: r.ActivationId, ParentTaskKey: r.ParentTaskKey,
		Reason: &types.TaskReasonUser{UserName: r.InitiatedBy},
	}
	// The lock of this manager is held during the call, and Put() has the new task announced to this
	// manager, which takes the lock again: let go of it meanwhile, or the server stands still for ever.
	m.Unlock()
	ctx.Map.Put(task)
	m.Lock()
	return &methods.CreateTaskBody{Res: &types.CreateTaskResponse{Returnval: task.Info}}
}

// forget takes a task out of the recent ones and out of the registry.
func (m *TaskManager) forget(ref types.ManagedObjectReference) {
	m.Lock()
	recent := []types.ManagedObjectReference{}
	for _, other := range m.RecentTask {
		if other != ref {
			recent = append(recent, other)
		}
	}
	Map.Update(m, []types.PropertyChange{{Name: "recentTask", Val: recent}})
	m.Unlock()
	Map.Remove(ref)
}

func (t *Task) ended() bool {
	return t.Info.State == types.TaskInfoStateSuccess || t.Info.State == types.TaskInfoStateError
}

func (t *Task) SetTaskState(ctx *Context, r *types.SetTaskState) soap.HasFault {
	body := &methods.SetTaskStateBody{}
	if t.ended() {
		body.Fault_ = Fault("", &types.InvalidState{})
		return body
	}
	changes := []types.PropertyChange{{Name: "info.state", Val: r.State}}
	switch r.State {
	case types.TaskInfoStateRunning:
		changes = append(changes, types.PropertyChange{Name: "info.startTime", Val: time.Now()})
	case types.TaskInfoStateSuccess, types.TaskInfoStateError:
		changes = append(changes, types.PropertyChange{Name: "info.completeTime", Val: time.Now()})
		if r.Fault != nil {
			changes = append(changes, types.PropertyChange{Name: "info.error", Val: *r.Fault})
		}
		if r.Result != nil {
			changes = append(changes, types.PropertyChange{Name: "info.result", Val: r.Result})
		}
	}
	ctx.Map.Update(t, changes)
	body.Res = new(types.SetTaskStateResponse)
	return body
}

func (t *Task) UpdateProgress(ctx *Context, r *types.UpdateProgress) soap.HasFault {
	body := &methods.UpdateProgressBody{}
	if t.Info.State != types.TaskInfoStateRunning {
		body.Fault_ = Fault("", &types.InvalidState{})
		return body
	}
	ctx.Map.Update(t, []types.PropertyChange{{Name: "info.progress", Val: r.PercentDone}})
	body.Res = new(types.UpdateProgressResponse)
	return body
}

func (t *Task) SetTaskDescription(ctx *Context, r *types.SetTaskDescription) soap.HasFault {
	ctx.Map.Update(t, []types.PropertyChange{{Name: "info.description", Val: r.Description}})
	return &methods.SetTaskDescriptionBody{Res: new(types.SetTaskDescriptionResponse)}
}

// CancelTask asks a task to end; a slow one (rules.go) ends with RequestCanceled before it changes anything.
func (t *Task) CancelTask(ctx *Context, r *types.CancelTask) soap.HasFault {
	body := &methods.CancelTaskBody{}
	switch {
	case t.ended():
		body.Fault_ = Fault("", &types.InvalidState{})
	case !t.Info.Cancelable:
		body.Fault_ = Fault("", &types.NotSupported{})
	default:
		ctx.Map.Update(t, []types.PropertyChange{{Name: "info.cancelled", Val: true}})
		cancelSlowTask(t.Self)
		body.Res = new(types.CancelTaskResponse)
	}
	return body
}
