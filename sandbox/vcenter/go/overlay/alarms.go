package simulator

// Alarms: four definitions, raised and cleared from outside, acknowledged by clients.

import (
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type AlarmManager struct{ mo.AlarmManager }
type Alarm struct{ mo.Alarm }

func (m *AlarmManager) init(r *Registry) {
	for _, definition := range []struct{ id, name string }{
		{"alarm.VmCPUUsageAlarm", "Virtual machine CPU usage"},
		{"alarm.VmMemoryUsageAlarm", "Virtual machine memory usage"},
		{"alarm.DatastoreDiskUsageAlarm", "Datastore usage on disk"},
		{"alarm.HostConnectionStateAlarm", "Host connection and power state"},
	} {
		alarm := new(Alarm)
		alarm.Self = types.ManagedObjectReference{Type: "Alarm", Value: definition.id}
		alarm.Info.Alarm, alarm.Info.Key = alarm.Self, alarm.Self.Value
		alarm.Info.Entity = r.content().RootFolder
		alarm.Info.Name, alarm.Info.SystemName, alarm.Info.Enabled = definition.name, definition.id, true
		alarm.Info.Expression = &types.OrAlarmExpression{}
		alarm.Info.LastModifiedTime = time.Now()
		r.Put(alarm)
	}
}

func (m *AlarmManager) GetAlarm(ctx *Context, r *types.GetAlarm) soap.HasFault {
	body := &methods.GetAlarmBody{Res: new(types.GetAlarmResponse)}
	ctx.Map.m.Lock()
	defer ctx.Map.m.Unlock()
	for ref := range ctx.Map.objects {
		if ref.Type == "Alarm" {
			body.Res.Returnval = append(body.Res.Returnval, ref)
		}
	}
	return body
}

func (m *AlarmManager) GetAlarmState(ctx *Context, r *types.GetAlarmState) soap.HasFault {
	body := &methods.GetAlarmStateBody{Res: new(types.GetAlarmStateResponse)}
	entity, ok := ctx.Map.Get(r.Entity).(mo.Entity)
	if !ok {
		body.Fault_ = Fault("", &types.ManagedObjectNotFound{Obj: r.Entity})
		return body
	}
	ctx.Map.WithLock(entity, func() { body.Res.Returnval = entity.Entity().TriggeredAlarmState })
	return body
}

func (m *AlarmManager) AcknowledgeAlarm(ctx *Context, r *types.AcknowledgeAlarm) soap.HasFault {
	body := &methods.AcknowledgeAlarmBody{}
	entity, ok := ctx.Map.Get(r.Entity).(mo.Entity)
	if !ok {
		body.Fault_ = Fault("", &types.ManagedObjectNotFound{Obj: r.Entity})
		return body
	}
	now := time.Now()
	for _, shown := range showing(entity) {
		ctx.Map.WithLock(shown, func() { acknowledge(ctx, shown, r, now) })
	}
	body.Res = new(types.AcknowledgeAlarmResponse)
	return body
}

// acknowledge notes it on one of the entities that show the alarm; its lock is held.
func acknowledge(ctx *Context, shown mo.Entity, r *types.AcknowledgeAlarm, now time.Time) {
	states := append([]types.AlarmState(nil), shown.Entity().TriggeredAlarmState...)
	for i := range states {
		if states[i].Alarm == r.Alarm && states[i].Entity == r.Entity {
			states[i].Acknowledged = types.NewBool(true)
			states[i].AcknowledgedByUser = ctx.Session.UserName
			states[i].AcknowledgedTime = &now
		}
	}
	ctx.Map.Update(shown, []types.PropertyChange{{Name: "triggeredAlarmState", Val: states}})
}

// showing is the entity and all that it lies in: as in vCenter, an alarm is seen on each of them.
func showing(entity mo.Entity) []mo.Entity {
	shown := []mo.Entity{entity}
	for parent := entity.Entity().Parent; parent != nil; parent = entity.Entity().Parent {
		above, ok := Map.Get(*parent).(mo.Entity)
		if !ok {
			break
		}
		entity = above
		shown = append(shown, entity)
	}
	return shown
}

// SetAlarm raises an alarm on an entity (red, yellow) or clears it (green).
func SetAlarm(ref types.ManagedObjectReference, alarm string, status types.ManagedEntityStatus) error {
	entity, ok := Map.Get(ref).(mo.Entity)
	if !ok {
		return fmt.Errorf("no %s %s", ref.Type, ref.Value)
	}
	definition := types.ManagedObjectReference{Type: "Alarm", Value: alarm}
	if Map.Get(definition) == nil {
		return fmt.Errorf("no alarm %s", alarm)
	}
	raised := types.AlarmState{
		Key: alarm + "." + ref.Value, Entity: ref, Alarm: definition,
		OverallStatus: status, Time: time.Now(), Acknowledged: types.NewBool(false),
	}
	for _, shown := range showing(entity) {
		Map.WithLock(shown, func() { show(shown, raised) })
	}
	return nil
}

// show puts the state in place of an older one of the same alarm and entity; the lock of `at` is held.
func show(at mo.Entity, raised types.AlarmState) {
	states := []types.AlarmState{}
	for _, state := range at.Entity().TriggeredAlarmState {
		if state.Key != raised.Key {
			states = append(states, state)
		}
	}
	if raised.OverallStatus != types.ManagedEntityStatusGreen {
		states = append(states, raised)
	}
	changes := []types.PropertyChange{{Name: "triggeredAlarmState", Val: states}}
	if at.Reference() == raised.Entity {
		changes = append(changes, types.PropertyChange{Name: "overallStatus", Val: worst(states)})
	}
	Map.Update(at, changes)
}

func worst(states []types.AlarmState) types.ManagedEntityStatus {
	status := types.ManagedEntityStatusGreen
	for _, state := range states {
		if state.OverallStatus == types.ManagedEntityStatusRed || status == types.ManagedEntityStatusGreen {
			status = state.OverallStatus
		}
	}
	return status
}
