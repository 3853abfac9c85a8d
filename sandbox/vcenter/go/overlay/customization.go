package simulator

// Customization of clones: it begins when they are powered on first, and ends as was set for their guest.

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

type customizing int

const (
	notCustomized customizing = iota
	toBeCustomized
	beingCustomized
)

// cloneGuest lets a clone's guest behave as its template's, and remembers that it is to be customized.
func cloneGuest(source, clone *VirtualMachine, spec *types.VirtualMachineCloneSpec) {
	var original guest
	if source.Config.Template {
		withGuest(source.Self, func(g *guest) { original = *g })
	}
	withGuest(clone.Self, func(g *guest) {
		g.tools, g.address, g.customization = original.tools, original.address, original.customization
		g.shutdown, g.reboot = original.shutdown, original.reboot
		if spec.Customization != nil {
			g.customizing = toBeCustomized
		}
	})
}

// beginCustomization is called when a machine is powered on; its lock is held.
func beginCustomization(ref types.ManagedObjectReference) {
	var begins bool
	withGuest(ref, func(g *guest) {
		begins = g.customizing == toBeCustomized
		if begins {
			g.customizing = beingCustomized
		}
	})
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok || !begins {
		return
	}
	base := customizationEvent(vm, "Started customization of VM %s.")
	quietly().postEvent(&types.CustomizationStartedEvent{CustomizationEvent: base})
	endCustomization(ref)
}

// endCustomization says how it ended, unless it never does.
func endCustomization(ref types.ManagedObjectReference) {
	how := "never"
	withGuest(ref, func(g *guest) {
		if g.customizing == beingCustomized && g.customization != "never" {
			g.customizing, how = notCustomized, g.customization
		}
	})
	vm, ok := Map.Get(ref).(*VirtualMachine)
	if !ok || how == "never" {
		return
	}
	switch how {
	case "":
		base := customizationEvent(vm, "Customization of VM %s succeeded.")
		quietly().postEvent(&types.CustomizationSucceeded{CustomizationEvent: base})
	case "CustomizationNetworkSetupFailed":
		base := customizationEvent(vm, "The network of VM %s could not be set up.")
		quietly().postEvent(&types.CustomizationNetworkSetupFailed{
			CustomizationFailed: types.CustomizationFailed{CustomizationEvent: base},
		})
	default:
		base := customizationEvent(vm, "Customization of VM %s failed.")
		quietly().postEvent(&types.CustomizationFailed{CustomizationEvent: base})
	}
}

// quietly is the context of what nobody called for.
func quietly() *Context {
	return &Context{Context: context.Background(), Session: internalContext.Session, Map: Map}
}

func customizationEvent(vm *VirtualMachine, text string) types.CustomizationEvent {
	event := vm.event()
	event.FullFormattedMessage = fmt.Sprintf(text, vm.Name)
	return types.CustomizationEvent{VmEvent: event}
}
