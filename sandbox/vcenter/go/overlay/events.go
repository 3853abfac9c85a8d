package simulator

// Events: posted from outside for what no simulated host does by itself, and a collector that holds the newest.

import (
	"container/ring"
	"fmt"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// fillPage stands before the shipped one, which fills a page with the oldest events and loses the newest.
func (c *EventHistoryCollector) fillPage(size int) {
	c.pos = 0
	c.page = ring.New(size)
	page, shown := c.page, c.m.page
	for i, filled := 0, 0; i < maxPageSize && filled < size; i++ {
		if event, ok := shown.Value.(types.BaseEvent); ok && c.eventMatches(event) {
			page.Value = event
			page = page.Next()
			filled++
		}
		shown = shown.Next()
	}
}

// typeMatches stands before the shipped one, which does not know the ids of extended events.
func (c *EventHistoryCollector) typeMatches(event types.BaseEvent, spec *types.EventFilterSpec) bool {
	extended, ok := event.(*types.EventEx)
	if !ok || len(spec.EventTypeId) == 0 {
		return c.shippedTypeMatches(event, spec)
	}
	for _, id := range spec.EventTypeId {
		if strings.EqualFold(id, extended.EventTypeId) {
			return true
		}
	}
	return false
}

// RaiseEvent posts an event of this type ("HostConnectionLostEvent", "esx.problem.storage.apd.start") on an
// entity, as done by this user. It says `text` where the simulator has no words of its own for the type.
func RaiseEvent(kind string, ref types.ManagedObjectReference, user, text string) error {
	entity, ok := Map.Get(ref).(mo.Entity)
	if !ok {
		return fmt.Errorf("no %s %s", ref.Type, ref.Value)
	}
	event, err := newEvent(kind)
	if err != nil {
		return err
	}
	base := event.GetEvent()
	argument := types.EntityEventArgument{Name: entityName(entity)}
	switch x := entity.(type) {
	case *VirtualMachine:
		where := x.event()
		base.Vm, base.Host, base.Datacenter = where.Vm, where.Host, where.Datacenter
	case *HostSystem:
		base.Host = x.eventArgument()
	case *Datastore:
		base.Ds = &types.DatastoreEventArgument{EntityEventArgument: argument, Datastore: ref}
	default:
		return fmt.Errorf("no events on %s", ref.Type)
	}
	ctx := internalContext.detached()
	ctx.Map = Map
	ctx.Session = &Session{UserSession: types.UserSession{UserName: user}, Registry: Map}
	events := Map.EventManager()
	ctx.WithLock(events, func() {
		base.FullFormattedMessage = text
		events.PostEvent(ctx, &types.PostEvent{EventToPost: event})
	})
	return nil
}

func newEvent(kind string) (types.BaseEvent, error) {
	if strings.Contains(kind, ".") {
		return &types.EventEx{EventTypeId: kind, Severity: string(types.EventEventSeverityError)}, nil
	}
	found, ok := faultType(kind)
	if !ok {
		return nil, fmt.Errorf("no event type %s", kind)
	}
	event, ok := reflect.New(found).Interface().(types.BaseEvent)
	if !ok {
		return nil, fmt.Errorf("%s is no event", kind)
	}
	fields := reflect.ValueOf(event).Elem()
	fillReferences(fields, types.ManagedObjectReference{})
	for i := 0; i < fields.NumField(); i++ {
		// pyVmomi cannot read a reason without a fault
		if reason, ok := fields.Field(i).Addr().Interface().(*types.LocalizedMethodFault); ok {
			reason.Fault = &types.SystemError{}
		}
	}
	return event, nil
}
